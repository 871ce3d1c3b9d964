// Looks at every frame that leaves the object: whatever it says must be committed already, and each socket must get
// everything once and in order.
import { tryParseCursor, type Cursor } from "../../src/protocol/cursor.ts";
import type { ChunksFrame, ClientFrame, Command, DeltaFrame, ServerFrame, SnapshotFrame, TurnFrame } from "../../src/protocol/frames.ts";
import type { LiveState, Message, QueueItem, TurnView } from "../../src/protocol/messages.ts";
import type { VirtualConnection } from "../../src/testing/world/virtual-connection.ts";
import type { VirtualObject } from "../../src/testing/world/virtual-object.ts";
import { isDeepStrictEqual } from "node:util";
import type { CommitWatch } from "./commit-watch.ts";
import type { Findings } from "./findings.ts";
import { liveIdOf, progressOf, type TurnRow } from "./rows.ts";

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
  /** The turn as each socket was told last. */
  readonly #turns = new WeakMap<VirtualConnection, TurnView | null>();
  #last: { text: string; frame: ServerFrame } | null = null;
  /** The socket of each connection that was welcomed, and who it is. */
  readonly connections = new Map<string, VirtualConnection>();
  readonly #principals = new WeakMap<VirtualConnection, string>();
  /** Errors that were sent, by code. */
  readonly refusals = new Map<string, number>();
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
    if (frame.type === "welcome") {
      this.asks(connection, new URL(connection.client.url).searchParams.get("cursor"));
      this.connections.set(frame.connection, connection);
      this.#principals.set(connection, frame.principal.id);
    }
    this.#lookAtOrder(connection, frame);
  }

  principalOf(connection: VirtualConnection): string | undefined {
    return this.#principals.get(connection);
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
        return "part" in frame ? undefined : frame.messages.forEach((message) => this.#lookAtMessage(message));
      case "error":
        this.refusals.set(frame.code, (this.refusals.get(frame.code) ?? 0) + 1);
        if (frame.code === "already_claimed") this.#lookAtClaimed();
        return;
      case "ack": {
        const row = this.#commits.commands.get(frame.ref);
        const isRight = row !== undefined && row.rev === frame.rev && row.result === JSON.stringify(frame.result ?? null);
        this.#expect(isRight, "ack", () => `${JSON.stringify(frame)} was sent, stored is ${JSON.stringify(row)}`);
      }
    }
  }

  /** A call is held by a connection that is open. */
  #lookAtClaimed(): void {
    const { present, live } = this.#commits;
    const callId = present && "callId" in present.command ? present.command.callId : "";
    const holder = live && progressOf(live).claims?.[callId];
    const isHeld = this.connections.get(holder ?? "")?.serverState === "open";
    this.#expect(isHeld, "claim", () => `${callId} is said to be held by ${holder}, which is gone`);
  }

  #lookAtView(frame: SnapshotFrame | DeltaFrame, rev: number, messages: readonly Message[]): void {
    const { session, turns, live } = this.#commits;
    const committed = session?.rev ?? -1;
    this.#expect(rev <= committed, "sent before stored", () => `a ${frame.type} says rev ${rev}, committed is ${committed}`);
    for (const message of messages) this.#lookAtMessage(message);
    if (frame.turn) this.#lookAtTurn(frame.turn);
    if (frame.live && frame.turn) this.#lookAtLive(frame.turn, frame.live);
    // One commit may be told in several frames: only the last one says what is there now.
    if (rev !== committed) return;
    const queued = turns.filter(({ state, kind }) => state === "queued" && kind !== "append");
    if (frame.queue) this.#lookAtQueue(frame.queue, queued);
    if (frame.turn && frame.turn.id === live?.id) this.#lookAtTurnRow(frame.turn, live);
    if (frame.session) this.#lookAtSession(frame.session);
    if (frame.type === "snapshot") {
      const last = frame.messages.at(-1)?.id ?? null;
      this.#expect(last === session!.head, "head", () => `a snapshot ends with ${last}, the head is ${session!.head}`);
    }
  }

  #lookAtSession(view: Partial<SnapshotFrame["session"]>): void {
    const { session, state } = this.#commits;
    const stored = { title: session!.title, metaRev: session!.meta_rev, state: state.of(session!), stateRev: session!.state_rev };
    for (const key of ["title", "metaRev", "state", "stateRev"] as const) {
      const isRight = !(key in view) || isDeepStrictEqual(view[key], stored[key]);
      this.#expect(isRight, "sent before stored", () => `${key} was sent as ${JSON.stringify(view)}, stored is ${JSON.stringify(stored)}`);
    }
  }

  #lookAtMessage(message: Message): void {
    const versions = this.#commits.history.versions.get(message.id);
    if (!versions) return this.#findings.say("sent before stored", `message ${message.id} was sent and is not stored`);
    const { parts, metadata, facts = null, lastTurn = null } = message;
    const body = { parts, ...(metadata !== undefined ? { metadata } : {}) };
    const isStored = versions.some((version) => same(version.body, body) && same(version.facts, facts) && same(version.lastTurn, lastTurn));
    this.#expect(isStored, "sent before stored", () => `sent is ${JSON.stringify(message)}, stored ${JSON.stringify(versions.at(-1))}`);
  }

  #lookAtQueue(items: readonly QueueItem[], queued: readonly TurnRow[]): void {
    const isRight =
      items.length === queued.length &&
      items.every(({ turnId, kind, parts }, index) => {
        const turn = queued[index]!;
        const isSaid = turn.overflow > 0 || same(parts, (JSON.parse(turn.body) as QueueItem).parts);
        return turnId === turn.id && kind === turn.kind && isSaid;
      });
    this.#expect(
      isRight,
      "queue",
      () => `the queue is ${queued.map(({ id, body }) => id + body).join()}, sent is ${JSON.stringify(items)}`,
    );
  }

  #lookAtTurn({ id }: TurnView): void {
    // One that cannot go on ends in the commit that starts it.
    const isStored = this.#commits.started.includes(id) || this.#commits.history.ended.has(id);
    this.#expect(isStored, "sent before stored", () => `turn ${id} was sent as running and never started`);
  }

  #lookAtTurnRow(view: TurnView, row: TurnRow): void {
    const { resume, claims } = progressOf(row);
    const { kind, message_id: parent, base, state, attempt } = row;
    const stored = { id: row.id, kind, messageId: liveIdOf(row), parent, base, state, attempt, ...(resume ? { resume } : {}) };
    const { claims: shown = {}, ...rest } = view;
    const isRight = isDeepStrictEqual(rest, stored) && isDeepStrictEqual(shown, claims ?? {});
    this.#expect(isRight, "sent before stored", () => `the turn was sent as ${JSON.stringify(view)}, stored is ${JSON.stringify(row)}`);
  }

  #lookAtLive({ id }: TurnView, live: LiveState): void {
    const folded = this.#commits.log.liveAt(id, live.seq);
    this.#expect(folded.seq === live.seq && same(folded.message, live.message), "live state", () => {
      return `the live state of ${id} is ${JSON.stringify(live)}, its log folds to ${JSON.stringify(folded)}`;
    });
  }

  #lookAtChunks(frame: ChunksFrame): void {
    const { turnId, from, items } = frame;
    const log = this.#commits.log.chunks.get(turnId) ?? [];
    if (this.#commits.live?.id !== turnId) return void this.#tails.set(turnId, frame);
    const stored = log.slice(from - 1, from - 1 + items.length);
    this.#expect(same(stored, items), "sent before stored", () => {
      return `chunks from ${from} of ${turnId} are ${JSON.stringify(items)}, stored are ${JSON.stringify(stored)}`;
    });
  }

  #lookAtEnd({ to, ended }: TurnFrame): void {
    const { turnId, messageId, seq, createdAt, isLastTurn, facts } = ended;
    const { history, log, session } = this.#commits;
    this.#expect(to <= (session?.rev ?? -1), "sent before stored", () => `the end of ${turnId} says rev ${to}`);
    const versions = history.versions.get(messageId) ?? [];
    const version = versions.findLast((one) => same(isLastTurn ? one.lastTurn : one.facts, facts));
    // Of two ends that one commit stores about one message, only the last is there.
    const isHidden = isLastTurn && facts.error?.code === "head_moved";
    this.#expect(version !== undefined || isHidden === true, "sent before stored", () => `the facts of ${turnId} are not stored`);
    const hasOutput = createdAt !== undefined;
    this.#expect(
      hasOutput === (history.ended.get(turnId)?.hasOutput ?? false),
      "end",
      () => `${JSON.stringify(ended)} says something else of its output`,
    );
    if (!hasOutput || !version?.body) return;
    const tail = this.#tails.get(turnId);
    const stored = log.chunks.get(turnId) ?? [];
    const chunks = tail ? [...stored.slice(0, tail.from - 1), ...tail.items] : stored;
    this.#expect(chunks.length === seq, "seq", () => `${turnId} ended at ${seq}, its chunks are ${chunks.length}`);
    const folded = log.ended(turnId, chunks);
    if (!folded) return;
    const { parts, metadata } = folded.message;
    const body = { parts, ...(metadata !== undefined ? { metadata } : {}) };
    this.#expect(
      same(body, version.body),
      "settled fold",
      () => `what was sent of ${turnId} folds to ${JSON.stringify(body)}, stored is ${JSON.stringify(version.body)}`,
    );
  }

  /** Each socket gets what follows on what it has, exactly: nothing is left out, and nothing comes twice. */
  #lookAtOrder(connection: VirtualConnection, frame: ServerFrame): void {
    // A refused question is answered by no view.
    if (frame.type === "error") this.#asked.delete(connection);
    if ("turn" in frame) this.#turns.set(connection, frame.turn);
    // All that a command has changed is told before its ack.
    const { live } = this.#commits;
    const told = this.#turns.get(connection);
    if (frame.type === "ack" && live && told?.id === live.id) this.#lookAtTurnRow(told, live);
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
    const lacking = [...this.#commits.history.messages.values()]
      .filter((row) => row.rev > rev || (row.changed ?? 0) > rev)
      .map(({ id }) => id);
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

/** True for a frame that changes something. */
export function isCommand(frame: ClientFrame): frame is Command {
  return frame.type !== "page" && frame.type !== "sync" && frame.type !== "window";
}
