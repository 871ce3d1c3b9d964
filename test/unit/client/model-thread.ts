// A thread in memory that speaks the protocol as the server does: the world of the client's tests. No assertions.
import { closingChunks } from "../../../src/protocol/close-open-parts.ts";
import { tryParseCursor } from "../../../src/protocol/cursor.ts";
import { emptyLive, foldChunks } from "../../../src/protocol/fold.ts";
import type {
  AckFrame,
  ClaimCommand,
  ClientFrame,
  Command,
  ContinueCommand,
  EditMessageCommand,
  RegenerateCommand,
  ResolveCommand,
  SendCommand,
  ServerFrame,
  SetCommand,
  SnapshotFrame,
} from "../../../src/protocol/frames.ts";
import type {
  Chunk,
  LiveState,
  Message,
  Outcome,
  Part,
  QueueItem,
  SessionView,
  TurnFacts,
  TurnView,
} from "../../../src/protocol/messages.ts";
import type { ErrorCode } from "../../../src/errors.ts";

/** A message of any branch, with the revision that stored it and that of a later change. */
interface Row {
  message: Message;
  rev: number;
  changed: number;
}

/** What asks for a turn. */
type Asking =
  Omit<SendCommand, "epoch"> | Omit<EditMessageCommand, "epoch"> | Omit<RegenerateCommand, "epoch"> | Omit<ContinueCommand, "epoch">;

/** A turn that has not started. */
interface Waiting {
  item: QueueItem;
  command: Asking;
}

class Refusal extends Error {
  readonly code: ErrorCode;
  readonly details: unknown;

  constructor(code: ErrorCode, details?: unknown) {
    super(`Refused with ${code}.`);
    this.code = code;
    this.details = details;
  }
}

export class ModelThread {
  epoch = "epoch1";
  rev = 0;
  rows: Row[] = [];
  head: string | null = null;
  headRev = 0;
  line: Waiting[] = [];
  queueRev = 0;
  state: Record<string, unknown> | undefined;
  stateRev = 0;
  title: string | null = null;
  metaRev = 0;
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

  /** The active branch. */
  get messages(): Message[] {
    const path: Message[] = [];
    for (let at = this.find(this.head); at; at = this.find(at.message.parent)) path.unshift(at.message);
    return path;
  }

  get queue(): QueueItem[] {
    return this.line.map(({ item }) => item);
  }

  emit(frame: ServerFrame): void {
    const copy = structuredClone(frame);
    this.frames.push(copy);
    this.onFrame(copy);
  }

  /** Handles a frame of a client; the answers to this client alone are returned, after what all were sent. */
  handle(frame: ClientFrame, connection = "connection"): ServerFrame[] {
    if (frame.type === "sync") return this.sync(frame.cursor);
    if (frame.type === "window" || (frame.type === "page" && "part" in frame)) return [];
    if (frame.type === "page") return [this.page(frame.id, frame.before)];
    const known = this.commands.get(frame.id);
    if (known) return [known];
    try {
      if (frame.epoch !== this.epoch) throw new Refusal("stale_epoch");
      return [this.ack(frame.id, this.carryOut(frame, connection))];
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, message, details } = error;
      return [{ type: "error", ref: frame.id, code, message, retryable: false, ...(details === undefined ? {} : { details }) }];
    }
  }

  private carryOut(frame: Command, connection: string): object {
    switch (frame.type) {
      case "send":
      case "regenerate":
      case "continue":
        return this.ask(frame);
      case "edit":
        return "turnId" in frame ? this.editQueued(frame.turnId, frame.parts) : this.ask(frame);
      case "stop":
      case "cancel":
        return this.take(frame.type, frame.turnId);
      case "resolve":
        return this.resolve(frame, connection);
      case "claim":
        return this.claim(frame, connection);
      case "set":
        return this.set(frame);
      case "append":
        throw new Refusal("forbidden");
    }
  }

  /** Accepts a message; starts its turn when nothing runs. */
  send(command: Omit<SendCommand, "type" | "epoch">, author = "me"): AckFrame {
    return this.commands.get(command.id) ?? this.ack(command.id, this.ask({ ...command, type: "send" }, author));
  }

  ask(command: Asking, author = "me"): { turnId: string; position: number } {
    const { type: kind, id: turnId, messageId: about } = command;
    const own = command.type === "edit" ? command.newMessageId : about;
    const isWaiting = this.turn?.state === "waiting";
    if (kind === "edit" || kind === "regenerate") {
      const role = this.find(about)?.message.role;
      if (role !== "user") throw new Refusal(role ? "bad_request" : "not_found");
    }
    if (kind === "continue") {
      const target = this.find(about)?.message;
      if (!target) throw new Refusal("not_found");
      if (target.role !== "assistant" || (target.facts?.outcome ?? "completed") === "completed") throw new Refusal("bad_request");
      if (about !== this.head) throw new Refusal("head_moved");
    }
    const parts = "parts" in command ? command.parts : [];
    const item: QueueItem = { turnId, kind, messageId: own, parts, author, createdAt: ++this.time };
    const position = this.line.length + (this.turn && !isWaiting ? 1 : 0);
    if (this.turn) {
      this.line.push({ item, command });
      if (isWaiting) {
        this.chunks(...closingChunks(this.live!, "superseded"));
        this.end("stopped");
      } else this.announceQueue();
    } else this.start({ item, command });
    return { turnId, position };
  }

  chunks(...items: Chunk[]): void {
    if (!this.turn || !this.live || items.length === 0) return;
    const from = this.live.seq + 1;
    this.live = foldChunks(this.live, items);
    this.log.push(...items);
    this.emit({ type: "chunks", turnId: this.turn.id, from, items });
  }

  /** The run is over, and somebody has to answer. */
  wait(): void {
    if (this.turn?.state === "running" && openCalls(this.live!).length > 0) this.view({ state: "waiting" });
  }

  /** A connection is gone. */
  release(connection: string): void {
    const { claims = {} } = this.turn ?? {};
    const rest = Object.fromEntries(Object.entries(claims).filter(([, holder]) => holder !== connection));
    if (Object.keys(rest).length < Object.keys(claims).length) this.view({ claims: rest });
  }

  end(outcome: Outcome = "completed", error?: TurnFacts["error"]): void {
    const { turn, live } = this;
    if (!turn || !live) return;
    const endedAt = ++this.time;
    const facts: TurnFacts = { outcome, ...(error ? { error } : {}), startedAt: 1, endedAt, attempts: 1 };
    const from = this.rev++;
    const end = { turnId: turn.id, seq: live.seq, facts };
    const hasOutput = live.message.parts.length > turn.base;
    const isNew = turn.kind === "send" || turn.kind === "edit";
    const messageId = hasOutput || turn.kind === "continue" ? turn.messageId : turn.parent!;
    const createdAt = hasOutput ? (this.find(messageId)?.message.createdAt ?? endedAt) : undefined;
    if (hasOutput) {
      const { id, role, parts, metadata } = live.message;
      const message = {
        id,
        parent: turn.parent,
        role,
        parts,
        ...(metadata === undefined ? {} : { metadata }),
        createdAt: createdAt!,
        facts,
      };
      const row = this.find(id);
      if (row) Object.assign(row, { message, changed: this.rev });
      else {
        this.rows.push({ message, rev: this.rev, changed: 0 });
        if (this.head !== turn.parent) this.headRev = this.rev;
        this.head = id;
      }
    } else {
      const row = this.find(messageId)!;
      Object.assign(row, { message: { ...row.message, [isNew ? "facts" : "lastTurn"]: facts }, changed: this.rev });
    }
    this.turn = this.live = null;
    const bearer = hasOutput ? { createdAt: createdAt! } : isNew ? {} : { isLastTurn: true as const };
    this.emit({ type: "turn", from, to: this.rev, ended: { ...end, messageId, ...bearer }, turn: null });
    const next = this.line.shift();
    if (next) this.start(next, true);
  }

  clear(): void {
    this.epoch = `${this.epoch}x`;
    this.rows = [];
    this.head = null;
    this.line = [];
    this.turn = this.live = null;
    this.rev++;
    this.emit(this.snapshot());
  }

  get session(): SessionView {
    const { epoch, rev, title, metaRev, state, stateRev } = this;
    const own = state === undefined ? {} : { state };
    return { threadId: "thread", epoch, rev, status: "active", title, metaRev, ...own, stateRev };
  }

  snapshot(): SnapshotFrame {
    const path = this.messages;
    const page = path.slice(-this.pageSize);
    return structuredClone({
      type: "snapshot",
      session: this.session,
      messages: page,
      hasEarlier: page.length < path.length,
      queue: this.queue,
      turn: this.turn,
      ...(this.live?.seq ? { live: this.live } : {}),
    });
  }

  /** What a connection with this cursor lacks. */
  sync(text: string): ServerFrame[] {
    const cursor = tryParseCursor(text);
    if (!cursor || cursor.epoch !== this.epoch || cursor.rev > this.rev || cursor.rev < this.headRev) return [this.snapshot()];
    const messages = this.rows.filter(({ rev, changed }) => Math.max(rev, changed) > cursor.rev).map(({ message }) => message);
    if (messages.length > this.pageSize) return [this.snapshot()];
    const { status, title, metaRev, state, stateRev } = this.session;
    const session = { ...(metaRev > cursor.rev ? { status, title, metaRev } : {}), ...(stateRev > cursor.rev ? { state, stateRev } : {}) };
    const isSameTurn = this.turn !== null && cursor.live?.turnId === this.turn.id && cursor.live.seq <= this.live!.seq;
    const frames: ServerFrame[] = [
      {
        type: "delta",
        from: cursor.rev,
        to: this.rev,
        ...(messages.length ? { messages } : {}),
        ...(this.queueRev > cursor.rev ? { queue: this.queue } : {}),
        ...(Object.keys(session).length ? { session } : {}),
        turn: this.turn,
        ...(this.live?.seq && !isSameTurn ? { live: this.live } : {}),
      },
    ];
    if (isSameTurn && cursor.live!.seq < this.live!.seq)
      frames.push({ type: "chunks", turnId: this.turn!.id, from: cursor.live!.seq + 1, items: this.log.slice(cursor.live!.seq) });
    return structuredClone(frames);
  }

  page(ref: string, before: string): ServerFrame {
    const path = this.messages;
    const index = path.findIndex(({ id }) => id === before);
    const first = Math.max(0, index - this.pageSize);
    return structuredClone({ type: "page", ref, messages: path.slice(first, index), hasEarlier: first > 0 });
  }

  /** As when another client sets it. */
  set({ field, value, ifRev }: Pick<SetCommand, "field" | "value" | "ifRev">): object {
    const isState = field === "state";
    const [current, rev] = isState ? [this.state, this.stateRev] : [this.title, this.metaRev];
    if (ifRev !== undefined && ifRev !== rev) throw new Refusal("state_conflict", { value: current, rev });
    if (isState && (value as object | null)?.constructor === Object && "invalid" in (value as object)) throw new Refusal("bad_request");
    const from = this.rev++;
    if (isState) {
      this.state = { ...this.state, ...(value as object) };
      this.stateRev = this.rev;
      this.emit({ type: "delta", from, to: this.rev, session: { state: this.state, stateRev: this.rev }, turn: this.turn });
    } else {
      this.title = value as string | null;
      this.metaRev = this.rev;
      this.emit({ type: "delta", from, to: this.rev, session: { title: this.title, metaRev: this.rev }, turn: this.turn });
    }
    return {};
  }

  private find(id: string | null): Row | undefined {
    return this.rows.find(({ message }) => message.id === id);
  }

  private ack(ref: string, result = {}): AckFrame {
    const ack: AckFrame = { type: "ack", ref, rev: this.rev, result };
    this.commands.set(ref, ack);
    return ack;
  }

  private take(type: "stop" | "cancel", turnId: string): object {
    if (this.turn?.id === turnId) {
      if (type === "cancel") throw new Refusal("already_started");
      this.chunks(...closingChunks(this.live!, "stopped"));
      this.end("stopped");
    } else if (this.line.some(({ item }) => item.turnId === turnId)) {
      this.line = this.line.filter(({ item }) => item.turnId !== turnId);
      this.announceQueue();
    }
    return { turnId };
  }

  private editQueued(turnId: string, parts: Part[]): object {
    const waiting = this.line.find(({ item }) => item.turnId === turnId);
    if (!waiting) throw new Refusal(this.turn?.id === turnId || this.find(turnId) ? "already_started" : "not_found");
    waiting.item = { ...waiting.item, parts };
    this.announceQueue();
    return { turnId };
  }

  private resolve(frame: ResolveCommand, connection: string): object {
    const { live } = this;
    if (this.turn?.id !== frame.turnId || !live) throw new Refusal(this.find(frame.turnId) ? "already_resolved" : "not_found");
    const call = live.message.parts.findLast((part) => {
      const { toolCallId, approval } = part as { toolCallId?: string; approval?: { id: string } };
      return "approvalId" in frame ? approval?.id === frame.approvalId : toolCallId === frame.callId;
    }) as { state: string; toolCallId: string } | undefined;
    if (!call) throw new Refusal("not_found");
    if (call.state !== ("approvalId" in frame ? "approval-requested" : "input-available")) throw new Refusal("already_resolved");
    const { toolCallId } = call;
    const { [toolCallId]: holder, ...claims } = this.turn.claims ?? {};
    if ("approvalId" in frame) {
      const { approvalId, approved, reason } = frame;
      this.chunks({ type: "tool-approval-response", approvalId, approved, ...(reason === undefined ? {} : { reason }) });
    } else {
      if (holder !== undefined && holder !== connection) throw new Refusal("already_claimed");
      if (frame.output === "invalid") throw new Refusal("bad_request");
      this.chunks(
        frame.errorText === undefined
          ? { type: "tool-output-available", toolCallId, output: frame.output }
          : { type: "tool-output-error", toolCallId, errorText: frame.errorText },
      );
    }
    if (holder !== undefined) this.view({ claims });
    if (this.turn.state === "waiting" && openCalls(this.live!).length === 0) {
      this.view({ state: "running", resume: "approvalId" in frame ? "approval" : "client-tool", claims: {} });
    }
    return { turnId: frame.turnId };
  }

  private claim({ turnId, callId }: ClaimCommand, connection: string): object {
    if (this.turn?.id !== turnId || !openCalls(this.live!).includes(callId)) throw new Refusal("already_resolved");
    const { claims = {} } = this.turn;
    if ((claims[callId] ?? connection) !== connection) throw new Refusal("already_claimed");
    this.view({ claims: { ...claims, [callId]: connection } });
    return { turnId };
  }

  /** Tells where the turn is. */
  private view(change: Partial<TurnView>): void {
    const { claims, ...turn }: TurnView = { ...this.turn!, ...change };
    this.turn = { ...turn, ...(claims && Object.keys(claims).length > 0 ? { claims } : {}) };
    this.emit({ type: "delta", from: this.rev, to: this.rev, turn: this.turn });
  }

  private announceQueue(): void {
    const from = this.rev++;
    this.queueRev = this.rev;
    this.emit({ type: "delta", from, to: this.rev, queue: this.queue, turn: this.turn });
  }

  private start({ item, command }: Waiting, wasQueued = false): void {
    const { turnId, kind, messageId, parts, author, createdAt } = item;
    const from = this.rev;
    const target = this.find(command.messageId)?.message;
    const isContinue = kind === "continue";
    const base = isContinue ? baseOf(target!) : 0;
    this.turn = {
      id: turnId,
      kind,
      messageId: isContinue ? messageId : turnId,
      parent: isContinue ? target!.parent : messageId,
      base,
      state: "running",
      attempt: 1,
      ...(isContinue ? { resume: "continue" } : {}),
    };
    this.live = emptyLive(this.turn.messageId);
    if (isContinue) {
      const { metadata } = target!;
      const begun = { ...this.live.message, parts: target!.parts.slice(0, base), ...(metadata === undefined ? {} : { metadata }) };
      this.live = { ...this.live, message: begun };
    }
    this.log = [];
    if (kind === "send" || kind === "edit") {
      const parent = kind === "edit" ? target!.parent : this.head;
      const message: Message = { id: messageId, parent, role: "user", parts, author, createdAt };
      const isChild = parent === this.head;
      this.rev++;
      this.rows.push({ message, rev: this.rev, changed: 0 });
      this.head = messageId;
      if (wasQueued) this.queueRev = this.rev;
      const queue = wasQueued ? { queue: this.queue } : {};
      if (isChild) this.emit({ type: "delta", from, to: this.rev, messages: [message], ...queue, turn: this.turn });
      else {
        this.headRev = this.rev;
        this.emit(this.snapshot());
      }
      return;
    }
    if (wasQueued) this.queueRev = ++this.rev;
    this.emit({ type: "delta", from, to: this.rev, ...(wasQueued ? { queue: this.queue } : {}), turn: this.turn });
    if (isContinue && this.head !== messageId) this.end("failed", { code: "head_moved", message: "It moved.", retryable: false });
  }
}

/** Ids of the calls that wait for a person or a client. */
function openCalls({ message }: LiveState): string[] {
  return message.parts.flatMap((part) => {
    const { state, toolCallId } = part as { state?: string; toolCallId?: string };
    return toolCallId && (state === "input-available" || state === "approval-requested") ? toolCallId : [];
  });
}

function baseOf({ parts }: Message): number {
  return parts.length - (parts.at(-1)?.type === "data-notice" ? 1 : 0);
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

/** A call of a client tool. */
export function callChunks(toolCallId: string, toolName = "pickDate", input: unknown = { from: 1 }): Chunk[] {
  return [{ type: "start-step" }, { type: "tool-input-available", toolCallId, toolName, input }];
}

/** A call that a person has to approve. */
export function approvalChunks(toolCallId: string, approvalId: string): Chunk[] {
  return [...callChunks(toolCallId, "deleteFile"), { type: "tool-approval-request", toolCallId, approvalId }];
}

/** What the server adds to a reply that was cut off. */
export const NOTICE: Chunk = { type: "data-notice", data: { kind: "stopped", text: "" } };
