// What a client that holds a cursor lacks: a delta and the missing chunks, or a snapshot. Never a replay of what it has.
import { readPage } from "../history/page.ts";
import type { DeltaFrame, ServerFrame, SnapshotFrame } from "../protocol/frames.ts";
import type { Cursor } from "../protocol/cursor.ts";
import { utf8Length } from "../protocol/bytes.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { LiveState, Message, QueueItem, SessionView, TurnView } from "../protocol/messages.ts";
import { bytesAsSent, stubChunk, stubLarge } from "../protocol/stubs.ts";
import type { SessionRow } from "../storage/session-table.ts";
import type { Tables } from "../storage/tables.ts";

export interface SyncSource {
  tables: Tables;
  /** The app state as clients see it; undefined when the class has none. */
  stateOf: (session: Pick<SessionRow, "state">) => unknown;
  queue: QueueItem[];
  turn: TurnView | null;
  /** The live state of `turn` as stored. */
  live: LiveState | null;
}

/** The frames that bring a client from its cursor to now, in order. Read and sent without an `await` between. */
export function syncFrames(source: SyncSource, cursor: Cursor | null): ServerFrame[] {
  const session = source.tables.session.read();
  const changed = cursor && isWithin(session, cursor) ? changedSince(source.tables, cursor.rev) : null;
  if (!cursor || !changed) return [snapshotOf(source, session)];
  const delta: DeltaFrame = {
    type: "delta",
    from: cursor.rev,
    to: session.rev,
    ...(changed.length > 0 ? { messages: changed } : {}),
    ...(session.queueRev > cursor.rev ? { queue: source.queue } : {}),
    ...changedFields(source, session, cursor.rev),
    turn: source.turn,
  };
  return [...withLive(source, delta, cursor)];
}

function isWithin(session: SessionRow, cursor: Cursor): boolean {
  return cursor.epoch === session.epoch && session.headRev <= cursor.rev && cursor.rev <= session.rev;
}

/** Messages stored or changed after `rev`, with stubs; null when they are more than one page. */
function changedSince(tables: Tables, rev: number): Message[] | null {
  const changed = tables.messages.changedAfter(rev, LIMITS.pageMessages + 1, stubLarge);
  if (changed.length > LIMITS.pageMessages) return null;
  const bytes = changed.length > 1 ? utf8Length(JSON.stringify(changed)) : 0;
  return bytes > LIMITS.pageBytes ? null : changed;
}

function withLive({ tables, turn, live }: SyncSource, delta: DeltaFrame, cursor: Cursor): ServerFrame[] {
  if (!turn || !live || live.seq === 0) return [delta];
  if (cursor.live?.turnId !== turn.id || cursor.live.seq > live.seq) return [{ ...delta, live }];
  const from = cursor.live.seq + 1;
  if (from > live.seq) return [delta];
  const items = tables.log.readFrom(from);
  if (bytesAsSent(items, (chunks) => chunks.map(stubChunk)) > LIMITS.maxReplayBytes) return [{ ...delta, live }];
  return [delta, { type: "chunks", turnId: turn.id, from, items }];
}

function changedFields(source: SyncSource, session: SessionRow, rev: number): Pick<DeltaFrame, "session"> {
  const { status, title, metaRev, state, stateRev } = viewOfSession(source, session);
  const meta = metaRev > rev ? { status, title, metaRev } : {};
  const own = stateRev > rev ? { state, stateRev } : {};
  return metaRev > rev || stateRev > rev ? { session: { ...meta, ...own } } : {};
}

/** The whole view of a thread. `session` is its row as the caller's transaction will leave it. */
export function snapshotOf(source: SyncSource, session: SessionRow): SnapshotFrame {
  const { tables, queue, turn, live } = source;
  const page = readPage(tables.messages, session.head);
  return {
    type: "snapshot",
    session: viewOfSession(source, session),
    messages: page.messages,
    hasEarlier: page.hasEarlier,
    queue,
    turn,
    ...(turn && live && live.seq > 0 ? { live } : {}),
  };
}

function viewOfSession({ stateOf }: SyncSource, session: SessionRow): SessionView {
  const { threadId, epoch, rev, status, title, metaRev, stateRev } = session;
  const state = stateOf(session);
  return { threadId, epoch, rev, status, title, metaRev, ...(state !== undefined ? { state } : {}), stateRev };
}
