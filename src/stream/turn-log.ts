// The output of one turn: pending chunks, the stored log and the live state, always in that order of age.
// Owns seq. Nothing reaches the live state (so no late joiner) before it is in storage.
import { ChatError } from "../errors.ts";
import { mergeChunks } from "../protocol/coalesce.ts";
import { emptyLive, foldChunks } from "../protocol/fold.ts";
import { utf8Length } from "../protocol/bytes.ts";
import { LIMITS } from "../protocol/limits.ts";
import { isPreliminary } from "./flush-policy.ts";
import type { Chunk, LiveMessage, LiveState } from "../protocol/messages.ts";
import type { LogTable, LogTail } from "../storage/log-table.ts";

/** Chunks with consecutive seqs, the first of which is `from`. */
export interface LogItems {
  from: number;
  items: Chunk[];
}

/** What a flush would make true; taken over by {@link TurnLog.commit} once it is stored. */
export interface Flush extends LogItems {
  tail: LogTail;
  live: LiveState;
  /** UTF-8 bytes beyond what was pending. */
  bytes: number;
}

export class TurnLog {
  readonly #table: LogTable;
  readonly #turnId: string;
  #tail: LogTail = { n: 0, bytes: 0 };
  #live: LiveState;
  #pending: Chunk[] = [];
  #pendingBytes = 0;
  #totalBytes = 0;
  /** What could be read of a damaged log; null for one that is whole. */
  #readable: Chunk[] | null = null;

  /** @param base the live message before the first chunk of the turn: empty, except for a reply that goes on */
  constructor(table: LogTable, turnId: string, base: LiveMessage) {
    this.#table = table;
    this.#turnId = turnId;
    this.#live = { ...emptyLive(base.id), message: base };
    if (base.parts.length > 0) this.#totalBytes = utf8Length(JSON.stringify(base.parts));
  }

  /** The log of a turn as storage has it, for a turn whose run is gone. */
  static restore(table: LogTable, turnId: string, base: LiveMessage): TurnLog {
    const log = new TurnLog(table, turnId, base);
    const { chunks, isWhole } = table.readAll();
    log.#live = foldChunks(log.#live, chunks);
    log.#tail = table.tail();
    log.#totalBytes += utf8Length(JSON.stringify(chunks));
    log.#readable = isWhole ? null : chunks;
    return log;
  }

  /** The live state as stored: what a late joiner gets. */
  get live(): LiveState {
    return this.#live;
  }

  /** UTF-8 bytes that the message may still take; below 0 after what the session itself had to add. */
  get room(): number {
    return LIMITS.maxMessageBytes - this.#totalBytes;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /**
   * Adds a chunk to those pending; adjacent deltas of one part become one chunk. What a tool shows on its way is left out once half
   * of the room is used up, so that there is room for what comes of it.
   * @throws {ChatError} `too_large` when the message would pass 16 MB; the chunk is not taken
   */
  push(given: Chunk): void {
    // What is stored and sent is JSON, so what is folded here has to be the same: a copy, which nobody can change later.
    const json = JSON.stringify(given);
    const chunk = JSON.parse(json) as Chunk;
    const last = this.#pending.at(-1);
    const merged = last && mergeChunks(last, chunk);
    const bytes = merged ? addedBytes(last, merged, chunk) : utf8Length(json);
    if (isPreliminary(chunk) && this.room - bytes < LIMITS.maxMessageBytes / 2) return;
    if (bytes > this.room) throw new ChatError("too_large", `A reply may have at most ${LIMITS.maxMessageBytes} bytes.`);
    if (merged) this.#pending[this.#pending.length - 1] = merged;
    else this.#pending.push(chunk);
    this.#pendingBytes += bytes;
    this.#totalBytes += bytes;
  }

  /** Rewrites a damaged log with what could be read of it, so that what comes next can be read again. In the caller's transaction. */
  mend(): void {
    if (!this.#readable) return;
    this.#table.clear();
    this.#tail = { n: 0, bytes: 0 };
    if (this.#readable.length > 0) this.#tail = this.#table.append(this.#tail, this.#turnId, 1, this.#readable);
    this.#readable = null;
  }

  /** The live state with what is pending: what the run has produced, stored or not. */
  get produced(): LiveState {
    return foldChunks(this.#live, this.#pending);
  }

  /**
   * Stores what is pending, and then `more`, inside the caller's transaction; null when there is neither. Memory changes only at
   * {@link commit}. What is large in `more` has to fit into the {@link room}: what a turn needs to go on or to end is never refused.
   */
  write(more: readonly Chunk[] = []): Flush | null {
    const items = [...this.#pending, ...more];
    if (items.length === 0) return null;
    const bytes = more.length > 0 ? utf8Length(JSON.stringify(more)) : 0;
    const from = this.#live.seq + 1;
    const tail = this.#table.append(this.#tail, this.#turnId, from, items);
    return { from, items, tail, live: foldChunks(this.#live, items), bytes };
  }

  /** Takes over a stored flush. */
  commit(flush: Flush): void {
    this.#tail = flush.tail;
    this.#live = flush.live;
    this.#totalBytes += flush.bytes;
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  /**
   * The whole message with what is pending and the closing chunks that `close` adds for the state it is given. Those last
   * chunks take seqs but are never written to the log: they are stored as part of the message.
   */
  finish(close: (live: LiveState) => readonly Chunk[]): LogItems & { live: LiveState } {
    const from = this.#live.seq + 1;
    const folded = foldChunks(this.#live, this.#pending);
    const closing = close(folded);
    return { from, items: [...this.#pending, ...closing], live: foldChunks(folded, closing) };
  }
}

/** What `chunk`, merged into `previous`, adds to it: less than nothing where it takes the place of something longer. */
function addedBytes(previous: Chunk, merged: Chunk, chunk: Chunk): number {
  if (chunk.type === "tool-input-delta") return utf8Length(chunk.inputTextDelta);
  if ("delta" in chunk) return utf8Length(String(chunk.delta));
  return utf8Length(JSON.stringify(merged)) - utf8Length(JSON.stringify(previous));
}
