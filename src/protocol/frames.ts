// Every frame of the wire as a type. docs/PROTOCOL.md is the specification; the two change together.
// What a client sends is checked by the schemas of client-frames.ts, what a server sends by the guards of server-frames.ts.
import type { ErrorBody } from "../errors.ts";
import type { ClientLimits } from "./limits.ts";
import type { Chunk, LiveState, Message, Part, QueueItem, SessionView, TurnFacts, TurnView } from "./messages.ts";

/** What a principal may do in a thread. `owner`, who made it, and `member`: everything that a client can ask for; `viewer`: read. */
export type Role = "owner" | "member" | "viewer";

// ---- client → server

/** Stores a message and asks for a reply. `id` becomes the id of the turn and of the reply. */
export interface SendCommand {
  type: "send";
  id: string;
  /** Epoch that the client knows. Absent only in a ticket request that creates the thread. */
  epoch?: string;
  messageId: string;
  parts: Part[];
  /** Per-request input of the app, validated by its `static body`. */
  body?: unknown;
}

/** Ends a turn: a queued one leaves the queue, a running one keeps its partial as `stopped`. */
export interface StopCommand {
  type: "stop";
  id: string;
  epoch: string;
  turnId: string;
}

/** Takes a queued turn back: its message never enters history. */
export interface CancelCommand {
  type: "cancel";
  id: string;
  epoch: string;
  turnId: string;
}

/** Replaces the content of a queued message. */
export interface EditQueuedCommand {
  type: "edit";
  id: string;
  epoch: string;
  turnId: string;
  parts: Part[];
  body?: unknown;
}

/** Asks again with another message: it becomes a sibling of the one that it replaces. `id` as for `send`. */
export interface EditMessageCommand {
  type: "edit";
  id: string;
  epoch: string;
  /** The user message that is edited. It stays, on a branch of its own. */
  messageId: string;
  /** Id of the message that takes its place. */
  newMessageId: string;
  parts: Part[];
  body?: unknown;
}

export type EditCommand = EditQueuedCommand | EditMessageCommand;

/** Asks for another reply to a user message. `id` becomes the id of the turn and of the reply. */
export interface RegenerateCommand {
  type: "regenerate";
  id: string;
  epoch: string;
  /** The user message. */
  messageId: string;
  body?: unknown;
}

/** Goes on in a reply that was stopped, was interrupted or failed, and that nothing follows. */
export interface ContinueCommand {
  type: "continue";
  id: string;
  epoch: string;
  /** The reply. */
  messageId: string;
  body?: unknown;
}

/** A person's answer to a call that waits for approval. The first answer wins. */
export interface ApproveCommand {
  type: "resolve";
  id: string;
  epoch: string;
  turnId: string;
  approvalId: string;
  approved: boolean;
  reason?: string;
}

/** The outcome of a client tool: `output`, or `errorText` when it failed. */
export interface ToolOutputCommand {
  type: "resolve";
  id: string;
  epoch: string;
  turnId: string;
  callId: string;
  output?: unknown;
  errorText?: string;
}

export type ResolveCommand = ApproveCommand | ToolOutputCommand;

/** Takes a client tool call for this connection, so that no other one runs it. Freed when the connection goes. */
export interface ClaimCommand {
  type: "claim";
  id: string;
  epoch: string;
  turnId: string;
  callId: string;
}

/**
 * Sets the title, or merges `value` into the app state at its top level. With `ifRev`, only when the field's own revision
 * is still that one.
 */
export interface SetCommand {
  type: "set";
  id: string;
  epoch: string;
  field: "state" | "title";
  value: Record<string, unknown> | string | null;
  ifRev?: number;
}

/** Stores a message of the assistant without a model call. `id` becomes its id. Only for the server itself. */
export interface AppendCommand {
  type: "append";
  id: string;
  /** Absent only in the one that creates the thread. */
  epoch?: string;
  parts: Part[];
  metadata?: unknown;
}

/** A request to change something; idempotent by `id`. */
export type Command =
  | SendCommand
  | EditCommand
  | RegenerateCommand
  | ContinueCommand
  | StopCommand
  | CancelCommand
  | ResolveCommand
  | ClaimCommand
  | SetCommand
  | AppendCommand;

/** Asks for the page of history before a message. */
export interface PageRead {
  type: "page";
  id: string;
  before: string;
}

/** Asks for one part of a message, stored or live, with its whole payload. */
export interface PartRead {
  type: "page";
  id: string;
  /** Id of the message. */
  message: string;
  /** Index in its `parts`. */
  part: number;
}

/** Asks for what an upgrade with this cursor would get. */
export interface SyncRead {
  type: "sync";
  id: string;
  cursor: string;
}

/** A request to be told something; changes nothing. */
export type Read = PageRead | PartRead | SyncRead;

/** Answers `mark`, once everything before it is processed. Is not answered itself. */
export interface WindowFrame {
  type: "window";
  mark: string;
}

export type ClientFrame = Command | Read | WindowFrame;

// ---- server → client

/** First frame of a connection. */
export interface WelcomeFrame {
  type: "welcome";
  connection: string;
  principal: { id: string; name?: string };
  role: Role;
  limits: ClientLimits;
  /** Epoch ms of the server's clock. */
  serverTime: number;
}

/** The whole current view: last page, queue, live state. */
export interface SnapshotFrame {
  type: "snapshot";
  session: SessionView;
  messages: Message[];
  /** True when history goes on before the first of `messages`. */
  hasEarlier: boolean;
  queue: QueueItem[];
  turn: TurnView | null;
  /** The live message of `turn` folded so far. */
  live?: LiveState;
}

/** What changed after revision `from`, up to `to`. A field that is absent did not change. */
export interface DeltaFrame {
  type: "delta";
  from: number;
  to: number;
  /** Stored or changed, in order of storing. */
  messages?: Message[];
  /** The whole queue. */
  queue?: QueueItem[];
  session?: Partial<Pick<SessionView, "status" | "title" | "metaRev" | "state" | "stateRev">>;
  turn: TurnView | null;
  /** Present when `turn` is not the one of the cursor and has output already. */
  live?: LiveState;
}

/** Chunks of the running turn: `items[0]` has seq `from`. */
export interface ChunksFrame {
  type: "chunks";
  turnId: string;
  from: number;
  items: Chunk[];
}

/** How a turn ended. The reply itself is what the client has folded up to `seq`: it is not sent again. */
export interface TurnEnd {
  turnId: string;
  /**
   * The message that bears `facts`. With output it is the live message. Without, it is the user message, or for `regenerate`
   * and `continue` the message that they are about, which bears them as `lastTurn`.
   */
  messageId: string;
  /** Last seq of the turn's log. */
  seq: number;
  /** Epoch ms at which the reply was first stored. Absent when there was no output. */
  createdAt?: number;
  /** Set when `facts` are to be borne as `lastTurn`. */
  isLastTurn?: true;
  facts: TurnFacts;
}

/** The end of a turn, from revision `from` to `to`. */
export interface TurnFrame {
  type: "turn";
  from: number;
  to: number;
  ended: TurnEnd;
  turn: TurnView | null;
}

/** What a command did, or had done when it first came. */
export interface CommandResult {
  turnId?: string;
  /** Number of turns before this one when it was accepted; 0 when it started at once. */
  position?: number;
}

/** Answers a command. Everything that the command changed up to `rev` was sent before it. */
export interface AckFrame {
  type: "ack";
  ref: string;
  rev: number;
  result?: CommandResult;
}

/** Refuses a frame (`ref` names it, when it could be read). Nothing was changed. */
export interface ErrorFrame extends ErrorBody {
  type: "error";
  ref?: string;
}

/** Answers `page`. */
export interface PageFrame {
  type: "page";
  ref: string;
  messages: Message[];
  hasEarlier: boolean;
}

/** Answers `page` for one part: with its whole payload, never a stub. */
export interface PartFrame {
  type: "page";
  ref: string;
  part: Part;
}

/** To be sent back as `window`, once everything before it is processed: so the server knows how far its client has read. */
export interface MarkFrame {
  type: "mark";
  /** Random. Of this connection only. */
  mark: string;
}

/** A transient value: not stored, not replayed. */
export interface EventFrame {
  type: "event";
  event: string;
  data?: unknown;
}

export type ServerFrame =
  | WelcomeFrame
  | SnapshotFrame
  | DeltaFrame
  | ChunksFrame
  | TurnFrame
  | AckFrame
  | ErrorFrame
  | PageFrame
  | PartFrame
  | EventFrame
  | MarkFrame;

// ---- HTTP

/** Body of `POST /threads/:id/ticket`. */
export interface TicketRequest {
  /** Make the thread when it does not exist, with the caller as its owner. */
  create?: boolean;
  /** A first message to accept in the same transaction. Only with `create`. */
  command?: SendCommand;
}

/** Answer of `POST /threads/:id/ticket`. */
export interface TicketResponse {
  ticket: string;
  /** Epoch ms after which the ticket opens nothing. */
  expiresAt: number;
  ack?: AckFrame;
}

/** Answer of `POST /identity`. */
export interface IdentityResponse {
  principal: { id: string };
}
