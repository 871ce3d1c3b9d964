// A thread in memory that speaks the protocol as the server does: the world of the client's tests. No assertions.
import { tryParseCursor } from "../../../src/protocol/cursor.ts";
import { emptyLive, foldChunks } from "../../../src/protocol/fold.ts";
import type { AckFrame, ClientFrame, SendCommand, ServerFrame, SnapshotFrame } from "../../../src/protocol/frames.ts";
import type { Chunk, LiveState, Message, Outcome, QueueItem, TurnFacts, TurnView } from "../../../src/protocol/messages.ts";

interface Row {
  message: Message;
  rev: number;
}

export class ModelThread {
  epoch = "epoch1";
  rev = 0;
  rows: Row[] = [];
  queue: QueueItem[] = [];
  queueRev = 0;
  turn: TurnView | null = null;
  live: LiveState | null = null;
  log: Chunk[] = [];
  time = 1_000;
  readonly commands = new Map<string, AckFrame>();
  /** Every frame that went to every connection, in order. */
  readonly frames: ServerFrame[] = [];
  readonly pageSize: number;
  onFrame: (frame: ServerFrame) => void = () => {};

  constructor(pageSize = 4) {
    this.pageSize = pageSize;
  }

  get messages(): Message[] {
    return this.rows.map(({ message }) => message);
  }

  emit(frame: ServerFrame): void {
    const copy = structuredClone(frame);
    this.frames.push(copy);
    this.onFrame(copy);
  }

  /** Handles a frame of a client; the answers to this client alone are returned, after what all were sent. */
  handle(frame: ClientFrame): ServerFrame[] {
    if (frame.type === "sync") return this.sync(frame.cursor);
    if (frame.type === "page") return [this.page(frame.id, frame.before)];
    const known = this.commands.get(frame.id);
    if (known) return [known];
    if (frame.epoch !== this.epoch)
      return [{ type: "error", ref: frame.id, code: "stale_epoch", message: "Another epoch.", retryable: false }];
    if (frame.type === "send") return [this.send(frame)];
    if (this.turn?.id === frame.turnId) {
      if (frame.type === "cancel")
        return [{ type: "error", ref: frame.id, code: "already_started", message: "It runs.", retryable: false }];
      this.end("stopped");
    } else if (this.queue.some(({ turnId }) => turnId === frame.turnId)) {
      this.queue = this.queue.filter(({ turnId }) => turnId !== frame.turnId);
      this.change(() => (this.queueRev = this.rev), { queue: true });
    }
    return [this.ack(frame.id)];
  }

  /** Accepts a message; starts its turn when nothing runs. */
  send({ id, messageId, parts }: Pick<SendCommand, "id" | "messageId" | "parts">, author = "me"): AckFrame {
    const known = this.commands.get(id);
    if (known) return known;
    const item: QueueItem = { turnId: id, messageId, parts, author, createdAt: ++this.time };
    const position = this.turn ? 1 + this.queue.length : 0;
    if (this.turn) {
      this.queue = [...this.queue, item];
      this.change(() => (this.queueRev = this.rev), { queue: true });
    } else this.start(item);
    return this.ack(id, { turnId: id, position });
  }

  chunks(...items: Chunk[]): void {
    if (!this.turn || !this.live) return;
    const from = this.live.seq + 1;
    this.live = foldChunks(this.live, items);
    this.log.push(...items);
    this.emit({ type: "chunks", turnId: this.turn.id, from, items });
  }

  end(outcome: Outcome = "completed", error?: TurnFacts["error"]): void {
    const { turn, live } = this;
    if (!turn || !live) return;
    const facts: TurnFacts = { outcome, ...(error ? { error } : {}), startedAt: 1, endedAt: ++this.time, attempts: 1 };
    const from = this.rev++;
    const hasOutput = live.message.parts.length > 0;
    const createdAt = this.time;
    if (hasOutput) {
      const { id, role, parts, metadata } = live.message;
      const message: Message = { id, parent: turn.parent, role, parts, ...(metadata === undefined ? {} : { metadata }), createdAt, facts };
      this.rows.push({ message, rev: this.rev });
    } else {
      const row = this.rows.find(({ message }) => message.id === turn.parent)!;
      Object.assign(row, { message: { ...row.message, facts }, rev: this.rev });
    }
    this.turn = this.live = null;
    const messageId = hasOutput ? turn.messageId : turn.parent;
    const ended = { turnId: turn.id, messageId, seq: live.seq, ...(hasOutput ? { createdAt } : {}), facts };
    this.emit({ type: "turn", from, to: this.rev, ended, turn: null });
    const [next, ...rest] = this.queue;
    if (!next) return;
    this.queue = rest;
    this.start(next, true);
  }

  clear(): void {
    this.epoch = `${this.epoch}x`;
    this.rows = [];
    this.queue = [];
    this.turn = this.live = null;
    this.rev++;
    this.emit(this.snapshot());
  }

  snapshot(): SnapshotFrame {
    const page = this.messages.slice(-this.pageSize);
    return structuredClone({
      type: "snapshot",
      session: { threadId: "thread", epoch: this.epoch, rev: this.rev, status: "active", title: null },
      messages: page,
      hasEarlier: page.length < this.rows.length,
      queue: this.queue,
      turn: this.turn,
      ...(this.live?.seq ? { live: this.live } : {}),
    });
  }

  /** What a connection with this cursor lacks. */
  sync(text: string): ServerFrame[] {
    const cursor = tryParseCursor(text);
    if (!cursor || cursor.epoch !== this.epoch || cursor.rev > this.rev) return [this.snapshot()];
    const messages = this.rows.filter(({ rev }) => rev > cursor.rev).map(({ message }) => message);
    if (messages.length > this.pageSize) return [this.snapshot()];
    const isSameTurn = this.turn !== null && cursor.live?.turnId === this.turn.id && cursor.live.seq <= this.live!.seq;
    const frames: ServerFrame[] = [
      {
        type: "delta",
        from: cursor.rev,
        to: this.rev,
        ...(messages.length ? { messages } : {}),
        ...(this.queueRev > cursor.rev ? { queue: this.queue } : {}),
        turn: this.turn,
        ...(this.live?.seq && !isSameTurn ? { live: this.live } : {}),
      },
    ];
    if (isSameTurn)
      frames.push({ type: "chunks", turnId: this.turn!.id, from: cursor.live!.seq + 1, items: this.log.slice(cursor.live!.seq) });
    return structuredClone(frames);
  }

  page(ref: string, before: string): ServerFrame {
    const index = this.messages.findIndex(({ id }) => id === before);
    const first = Math.max(0, index - this.pageSize);
    return structuredClone({ type: "page", ref, messages: this.messages.slice(first, index), hasEarlier: first > 0 });
  }

  private ack(ref: string, result = {}): AckFrame {
    const ack: AckFrame = { type: "ack", ref, rev: this.rev, result };
    this.commands.set(ref, ack);
    return ack;
  }

  private change(make: () => Message | number | void, { queue }: { queue: boolean }): void {
    const from = this.rev++;
    const message = make();
    this.emit({
      type: "delta",
      from,
      to: this.rev,
      ...(typeof message === "object" ? { messages: [message] } : {}),
      ...(queue ? { queue: this.queue } : {}),
      turn: this.turn,
    });
  }

  private start({ turnId, messageId, parts, author, createdAt }: QueueItem, wasQueued = false): void {
    const parent = this.rows.at(-1)?.message.id ?? null;
    const message: Message = { id: messageId, parent, role: "user", parts, author, createdAt };
    this.turn = { id: turnId, kind: "send", messageId: turnId, parent: messageId, base: 0, state: "running", attempt: 1 };
    this.live = emptyLive(turnId);
    this.log = [];
    this.change(
      () => {
        this.rows.push({ message, rev: this.rev });
        if (wasQueued) this.queueRev = this.rev;
        return message;
      },
      { queue: wasQueued },
    );
  }
}

/** Chunks of a reply with one text part. */
export function textChunks(...deltas: string[]): Chunk[] {
  return [
    { type: "start" },
    { type: "start-step" },
    { type: "text-start", id: "t" },
    ...deltas.map((delta): Chunk => ({ type: "text-delta", id: "t", delta })),
  ];
}

export const END_OF_TEXT: Chunk[] = [{ type: "text-end", id: "t" }, { type: "finish-step" }, { type: "finish" }];
