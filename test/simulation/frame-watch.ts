// Looks at every frame that leaves the object: whatever it says must be committed already, and each socket must get
// everything once and in order.
import { tryParseCursor, type Cursor } from "../../src/protocol/cursor.ts";
import { emptyLive, foldChunks } from "../../src/protocol/fold.ts";
import type { ChunksFrame, DeltaFrame, ServerFrame, SnapshotFrame, TurnFrame } from "../../src/protocol/frames.ts";
import type { LiveState, Message, QueueItem, TurnView } from "../../src/protocol/messages.ts";
import type { VirtualConnection } from "../../src/testing/world/virtual-connection.ts";
import type { VirtualObject } from "../../src/testing/world/virtual-object.ts";
import type { CommitWatch } from "./commit-watch.ts";
import type { Findings } from "./findings.ts";

/** How far a socket has been brought. */
interface Progress {
  rev: number;
  turnId: string;
  seq: number;
}

export class FrameWatch {
  readonly #object: VirtualObject;
  readonly #commits: CommitWatch;
  readonly #findings: Findings;
  /** The last chunks of turns that have ended: they are sent, and are in no log. */
  readonly #tails = new Map<string, ChunksFrame>();
  readonly #asked = new WeakMap<VirtualConnection, Cursor>();
  readonly #progress = new WeakMap<VirtualConnection, Progress>();
  #last: { text: string; frame: ServerFrame } | null = null;
  frames = 0;

  constructor(object: VirtualObject, commits: CommitWatch, findings: Findings) {
    this.#object = object;
    this.#commits = commits;
    this.#findings = findings;
  }

  look(connection: VirtualConnection, text: string): void {
    this.frames++;
    this.#expect(!this.#object.storage.isInTransaction, "sent inside a transaction", () => text);
    // A broadcast is one text for many sockets: what it says has been looked at.
    const isNew = this.#last?.text !== text;
    if (isNew) this.#last = { text, frame: JSON.parse(text) as ServerFrame };
    const { frame } = this.#last!;
    if (isNew || frame.type === "snapshot" || frame.type === "delta") this.#lookAtContent(frame);
    if (frame.type === "welcome") this.asks(connection, new URL(connection.client.url).searchParams.get("cursor"));
    this.#lookAtOrder(connection, frame);
  }

  #lookAtContent(frame: ServerFrame): void {
    switch (frame.type) {
      case "snapshot":
        return this.#lookAtView(frame, frame.session.rev, frame.messages);
      case "delta":
        return this.#lookAtView(frame, frame.to, frame.messages ?? []);
      case "turn":
        return this.#lookAtEnd(frame);
      case "chunks":
        return this.#lookAtChunks(frame);
      case "page":
        return frame.messages.forEach((message) => this.#lookAtMessage(message));
      case "ack": {
        const row = this.#commits.commands.get(frame.ref);
        const isRight = row !== undefined && row.rev === frame.rev && row.result === JSON.stringify(frame.result ?? null);
        this.#expect(isRight, "ack", () => `${JSON.stringify(frame)} was sent, stored is ${JSON.stringify(row)}`);
      }
    }
  }

  #lookAtView(frame: SnapshotFrame | DeltaFrame, rev: number, messages: readonly Message[]): void {
    const committed = this.#commits.session?.rev ?? -1;
    this.#expect(rev <= committed, "sent before stored", () => `a ${frame.type} says rev ${rev}, committed is ${committed}`);
    for (const message of messages) this.#lookAtMessage(message);
    for (const item of frame.queue ?? []) this.#lookAtQueueItem(item);
    const queued = this.#commits.turns.filter(({ state }) => state === "queued").map(({ id }) => id);
    const shown = frame.queue?.map(({ turnId }) => turnId);
    this.#expect(!shown || same(shown, queued), "queue", () => `the queue is ${queued.join()}, sent is ${shown!.join()}`);
    if (frame.turn) this.#lookAtTurn(frame.turn);
    if (frame.live && frame.turn) this.#lookAtLive(frame.turn, frame.live);
  }

  #lookAtMessage(message: Message): void {
    const row = this.#commits.messages.get(message.id);
    if (!row) return this.#findings.say("sent before stored", `message ${message.id} was sent and is not stored`);
    const { parts, metadata, facts } = message;
    const body = JSON.stringify({ parts, ...(metadata !== undefined ? { metadata } : {}) });
    this.#expect(row.overflow > 0 || body === row.body, "sent before stored", () => `sent is ${body}, stored ${row.body}`);
    this.#expect(!facts || JSON.stringify(facts) === row.facts, "sent before stored", () => `facts of ${message.id} are not those stored`);
  }

  #lookAtQueueItem(item: QueueItem): void {
    const turn = this.#commits.accepted.get(item.turnId);
    const isStored =
      turn !== undefined &&
      (turn.overflow > 0 || JSON.stringify(item.parts) === JSON.stringify((JSON.parse(turn.body) as QueueItem).parts));
    this.#expect(isStored, "sent before stored", () => `queue item ${item.turnId} was sent and is not stored`);
  }

  #lookAtTurn({ id }: TurnView): void {
    this.#expect(this.#commits.started.includes(id), "sent before stored", () => `turn ${id} was sent as running and never started`);
  }

  #lookAtLive({ id }: TurnView, live: LiveState): void {
    const folded = foldChunks(emptyLive(id), (this.#commits.logs.get(id) ?? []).slice(0, live.seq));
    this.#expect(folded.seq === live.seq && same(folded.message, live.message), "live state", () => {
      return `the live state of ${id} is ${JSON.stringify(live)}, its log folds to ${JSON.stringify(folded)}`;
    });
  }

  #lookAtChunks(frame: ChunksFrame): void {
    const { turnId, from, items } = frame;
    const log = this.#commits.logs.get(turnId) ?? [];
    if (this.#commits.turns[0]?.id !== turnId) return void this.#tails.set(turnId, frame);
    const stored = log.slice(from - 1, from - 1 + items.length);
    this.#expect(same(stored, items), "sent before stored", () => {
      return `chunks from ${from} of ${turnId} are ${JSON.stringify(items)}, stored are ${JSON.stringify(stored)}`;
    });
  }

  #lookAtEnd({ to, ended }: TurnFrame): void {
    const { turnId, messageId, seq, facts } = ended;
    this.#expect(to <= (this.#commits.session?.rev ?? -1), "sent before stored", () => `the end of ${turnId} says rev ${to}`);
    const row = this.#commits.messages.get(messageId);
    this.#expect(row?.facts === JSON.stringify(facts), "sent before stored", () => `the facts of ${turnId} are not stored`);
    if (messageId !== turnId || !row || row.overflow > 0) return;
    const tail = this.#tails.get(turnId);
    const log = this.#commits.logs.get(turnId) ?? [];
    const chunks = tail ? [...log.slice(0, tail.from - 1), ...tail.items] : log;
    this.#expect(chunks.length === seq, "seq", () => `${turnId} ended at ${seq}, its chunks are ${chunks.length}`);
    const { parts, metadata } = foldChunks(emptyLive(turnId), chunks).message;
    const body = JSON.stringify({ parts, ...(metadata !== undefined ? { metadata } : {}) });
    this.#expect(body === row.body, "settled fold", () => `what was sent of ${turnId} folds to ${body}, stored is ${row.body}`);
  }

  /** Each socket gets what follows on what it has, exactly: nothing is left out, and nothing comes twice. */
  #lookAtOrder(connection: VirtualConnection, frame: ServerFrame): void {
    // A refused question is answered by no view.
    if (frame.type === "error") this.#asked.delete(connection);
    const asked = this.#asked.get(connection);
    const progress = this.#progress.get(connection) ?? { rev: -1, turnId: "", seq: 0 };
    const gap = (text: string): void => this.#findings.say("gap", `socket ${connection.id}: ${text}`);
    if (frame.type === "snapshot") {
      this.#asked.delete(connection);
      this.#progress.set(connection, { rev: frame.session.rev, turnId: frame.turn?.id ?? "", seq: frame.live?.seq ?? 0 });
    } else if (frame.type === "delta" || frame.type === "turn") {
      // A turn that is recovered because of the question is told to everybody before its answer.
      const isAnswer = asked && frame.type === "delta" && (progress.rev < 0 || frame.from === asked.rev);
      if (isAnswer) {
        this.#lookAtAnswer(frame, asked);
        this.#asked.delete(connection);
      }
      const { rev, turnId, seq } = isAnswer ? { rev: asked.rev, turnId: asked.live?.turnId ?? "", seq: asked.live?.seq ?? 0 } : progress;
      if (frame.from !== rev) gap(`a ${frame.type} from ${frame.from} follows on ${rev}`);
      const next = frame.turn?.id ?? "";
      const live = "live" in frame ? frame.live : undefined;
      this.#progress.set(connection, { rev: frame.to, turnId: next, seq: live ? live.seq : next === turnId ? seq : 0 });
    } else if (frame.type === "chunks") {
      if (frame.turnId !== progress.turnId) gap(`chunks of ${frame.turnId} follow on those of ${progress.turnId}`);
      if (frame.from !== progress.seq + 1) gap(`chunks from ${frame.from} follow on ${progress.seq}`);
      this.#progress.set(connection, { ...progress, seq: frame.from + frame.items.length - 1 });
    }
  }

  /** A client has asked for what its cursor lacks, by its upgrade or by a frame: the next answer has to be just that. */
  asks(connection: VirtualConnection, text: string | null): void {
    const cursor = tryParseCursor(text ?? "");
    if (cursor) this.#asked.set(connection, cursor);
    else this.#asked.delete(connection);
  }

  #lookAtAnswer(frame: DeltaFrame, { rev }: Cursor): void {
    const lacking = [...this.#commits.messages.values()].filter((row) => row.rev > rev || (row.changed ?? 0) > rev).map(({ id }) => id);
    const given = (frame.messages ?? []).map(({ id }) => id);
    this.#expect(same(lacking.sort(), given.sort()), "sync", () => `after ${rev} came ${lacking.join()}, given are ${given.join()}`);
    const lacksQueue = this.#commits.queueChangedAt > rev;
    this.#expect(
      !lacksQueue || frame.queue !== undefined,
      "sync",
      () => `the queue changed at ${this.#commits.queueChangedAt}, ${rev} is not given it`,
    );
  }

  #expect(isRight: boolean, check: string, text: () => string): void {
    this.#findings.expect(isRight, check, text);
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
