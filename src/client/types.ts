// The public types of the browser client. Types only.
import type { UIMessage } from "ai";
import type { ErrorBody } from "../errors.ts";
import type { Role } from "../protocol/frames.ts";
import type { Part, SessionView, TurnFacts, TurnKind, TurnView } from "../protocol/messages.ts";
import type { ConnectionState } from "./connection-machine.ts";
import type { Outbox } from "./outbox.ts";

/** What an app may type in its threads. Every field may be left out. */
export interface ChatTypes {
  /** Metadata of a message. */
  metadata?: unknown;
  /** Data parts by name: `{ weather: { city: string } }` types `data-weather`. */
  dataParts?: Record<string, unknown>;
  /** Tools by name. */
  tools?: Record<string, { input: unknown; output: unknown }>;
  /** Per-request input of what asks for a reply. */
  body?: unknown;
  /** The app state of a thread. */
  state?: unknown;
  /** Events of the app, by name: what `this.broadcast(name, data)` and `connection.send(name, data)` give. */
  events?: Record<string, unknown>;
}

type Metadata<Types> = Types extends { metadata: infer Value } ? Value : unknown;
type DataParts<Types> = Types extends { dataParts: infer Value extends Record<string, unknown> } ? Value : Record<string, unknown>;
type Tools<Types> = Types extends { tools: infer Value extends NonNullable<ChatTypes["tools"]> } ? Value : NonNullable<ChatTypes["tools"]>;
type Body<Types> = Types extends { body: infer Value } ? Value : unknown;
type State<Types> = Types extends { state: infer Value } ? Value : unknown;
/** Events by name; transient data parts are told under the type of their chunk. */
type Events<Types> = (Types extends { events: infer Value extends Record<string, unknown> } ? Value : Record<string, unknown>) & {
  [Name in keyof DataParts<Types> as `data-${Name & string}`]: DataParts<Types>[Name];
};

/** How far an own message has come: `sent` means that the server has stored it. Absent once it is in the thread. */
export type Delivery = "sending" | "sent" | "failed";

/** One message as a page shows it: an AI SDK `UIMessage` with what chatcell knows of it. */
export type ChatMessage<Types extends ChatTypes = ChatTypes> = UIMessage<Metadata<Types>, DataParts<Types>, Tools<Types>> & {
  /** The message before it. Null for the first, absent while the message is the client's only. */
  parent?: string | null;
  /** Principal id of who wrote it; absent for the model. */
  author?: string;
  /** Epoch ms. Absent while the message streams. */
  createdAt?: number;
  /** How its turn ended. Absent while it runs. */
  facts?: TurnFacts;
  /** How a later turn about it (`regenerate`, `continue`) ended, when it ended without output. */
  lastTurn?: TurnFacts;
  delivery?: Delivery;
  /** Turn of an own message, as long as `delivery` is there: what `cancel` takes. */
  turnId?: string;
  /** Why `delivery` is `failed`. */
  error?: ErrorBody;
};

/** A turn that waits behind another one. */
export interface ChatQueueItem {
  turnId: string;
  kind: TurnKind;
  /** Id that its message will have; for `regenerate` and `continue` that of the message that they are about. */
  messageId: string;
  /** Empty for `regenerate` and `continue`. */
  parts: Part[];
  metadata?: unknown;
  author?: string;
  /** Epoch ms. */
  createdAt: number;
  delivery?: Delivery;
}

/**
 * `submitted`: something of ours or of the server's waits for output. `waiting`: the turn waits for a person's approval or for
 * the output of a client tool. `error`: the last turn failed, or the connection is stopped.
 */
export type ChatStatus = "ready" | "submitted" | "streaming" | "waiting" | "error";

/** Everything that a page shows of a thread. Immutable; a part that did not change is the same object as before. */
export interface ChatSnapshot<Types extends ChatTypes = ChatTypes> {
  messages: readonly ChatMessage<Types>[];
  status: ChatStatus;
  /** Why `status` is `error`. */
  error: ErrorBody | null;
  connection: ConnectionState;
  queue: readonly ChatQueueItem[];
  /** The turn that runs or waits, as the server has it. Its `state` is `running` or `waiting`, and not the app state. */
  turn: Readonly<TurnView> | null;
  /** The app state, with what `setState` has set and the server has not answered yet. Absent before the first connection. */
  state?: State<Types>;
  thread: { id: string; title: string | null; status: SessionView["status"] };
  /**
   * True once the server's view has come: from then on `messages` are the thread's, also while the connection is gone. False as
   * long as there is no thread.
   */
  isLoaded: boolean;
  /** Who the server takes us for. Null before the first connection. */
  principal: { id: string; name?: string } | null;
  role: Role | null;
  /** True when history goes on above the first message: see `loadEarlier`. */
  hasEarlier: boolean;
}

/** What `GET /threads/:id/messages` answers. */
export interface MessagePage<Types extends ChatTypes = ChatTypes> {
  /** Settled ones, oldest first. */
  messages: ChatMessage<Types>[];
  /** True when history goes on above the first one. */
  hasEarlier: boolean;
}

/** The app's per-request input. */
export interface BodyInput<Types extends ChatTypes = ChatTypes> {
  body?: Body<Types>;
}

/** What a message says. */
export type MessageInput<Types extends ChatTypes = ChatTypes> = ({ text: string } | { parts: Part[] }) & BodyInput<Types>;

/**
 * What `send` takes: text, or parts, each with the app's per-request `body`. `messageId`: the id of the message (8 to 64 of
 * `A-Z a-z 0-9 _ -`), where the app has one already; a new one by default.
 */
export type SendInput<Types extends ChatTypes = ChatTypes> = string | (MessageInput<Types> & { messageId?: string });

/** A person's answer to a request for approval. */
export interface ApprovalAnswer {
  approved: boolean;
  /** At most 2,000 characters. The model is told. */
  reason?: string;
}

/** The outcome of a client tool call. `errorText`: at most 2,000 characters. */
export type ToolOutcome<Types extends ChatTypes = ChatTypes> =
  { output: Tools<Types>[keyof Tools<Types>]["output"] } | { errorText: string };

/** What a client tool is told beside its input. */
export interface ClientToolContext {
  callId: string;
  /**
   * Aborted when the output is not wanted any more: the call was answered, its turn ended, another page runs it, the client closed,
   * or `runClientTools` was ended.
   */
  signal: AbortSignal;
}

/** What runs in this page when the model calls a client tool, by the name of the tool. */
export type ClientTools<Types extends ChatTypes = ChatTypes> = {
  [Name in keyof Tools<Types>]?: (
    input: Tools<Types>[Name]["input"],
    context: ClientToolContext,
  ) => Tools<Types>[Name]["output"] | Promise<Tools<Types>[Name]["output"]>;
};

/** Where what a person wrote waits while no server has it: `localStorage`, `sessionStorage`, or the AsyncStorage of React Native. */
export interface OutboxStorage {
  getItem: (key: string) => string | null | Promise<string | null>;
  setItem: (key: string, value: string) => unknown;
  removeItem: (key: string) => unknown;
}

/** What the server said to what asks for a turn. */
export interface SendResult {
  turnId: string;
  /** Turns before this one when it was accepted; 0 when it started at once. */
  position: number;
}

/** The promise of a `send`, or of anything else that asks for a reply: resolves at the ack. */
export type Sending<Types extends ChatTypes = ChatTypes> = Promise<SendResult> & {
  /** Id of the turn that was asked for, known before the server has it. */
  readonly turnId: string;
  /** Id of its own message; for `regenerate` and `continue` that of the message that they are about. */
  readonly messageId: string;
  /** Resolves when the turn has ended: with the reply, or null when there is none (or it is beyond the loaded page). */
  readonly settled: Promise<ChatMessage<Types> | null>;
};

/** How an outbox is kept over a reload. Made by `storedOutbox`. */
export type OutboxKeeper = (
  outbox: Pick<Outbox, "unseen" | "add">,
  /** Of which thread. */
  options: Pick<ChatClientOptions, "url" | "threadId" | "create">,
) => {
  /** Puts what is stored into the outbox, the first time that it is called. `then` follows. */
  load: (then: () => void) => void;
  /** Stores what the outbox has now, when that is something else. */
  save: () => Promise<void>;
};

type Resolvable<Value> = Value | Promise<Value> | (() => Value | Promise<Value>);

/** The clock, chance and scheduling of a client. For tests and unusual hosts. */
export interface ClientDeps {
  /** Epoch ms. */
  now: () => number;
  /** From 0, below 1. */
  random: () => number;
  newId: () => string;
  /** Calls `run` once after `delayMs`; the result takes it back. */
  setTimer: (run: () => void, delayMs: number) => () => void;
  /** Calls `run` soon, once: how often subscribers hear of changes. With a frame on a screen, else in a microtask. */
  schedule: (run: () => void) => void;
}

export interface ChatClientOptions {
  /** Where `routeChatRequest` listens: absolute, or relative to the page. */
  url: string;
  /** 22 random characters, as `newThreadId()` makes them, unless `authorizeCreate` of the class takes others; 1 to 64. */
  threadId: string;
  /**
   * Makes the thread with the first `send`. `true`: for a new id; opens nothing before that. `"if-missing"`: for an id that may be
   * one of a thread; connects, and one that is not there is no error: `connection` is `idle` until the first `send`.
   * @default false: a thread that is not there is the error `not_found`
   */
  create?: boolean | "if-missing";
  /** Headers of each ticket request; a function is called for each one. */
  headers?: Resolvable<Record<string, string> | Headers>;
  /** Credentials mode of each ticket request. @default that of `fetch`: cookies go to the page's own origin */
  credentials?: Resolvable<"omit" | "same-origin" | "include">;
  /**
   * Text comes in flushes. On a screen it is shown evenly, as it was written: `status` is `streaming` until all of it is
   * there, at most 250 ms after the end of the turn. False shows each flush at once.
   * @default true where there are animation frames, but for hidden pages and reduced motion
   */
  pacing?: boolean;
  /** Where what was written waits over a reload: `storedOutbox(() => localStorage)`. @default nowhere */
  storage?: OutboxKeeper;
  /** @default globalThis.fetch */
  fetch?: typeof globalThis.fetch;
  /** @default globalThis.WebSocket */
  WebSocket?: new (url: string, protocols: string[]) => WebSocket;
  /** @default those of the platform */
  deps?: Partial<ClientDeps>;
}

/** One thread in this page. Made by `createChatClient`. No member needs its `this`. */
export interface ChatClient<Types extends ChatTypes = ChatTypes> {
  /** The present view; the same object until something changes. */
  getSnapshot: () => ChatSnapshot<Types>;
  /** Calls `listener` at once, then after each change, with the whole snapshot. The first subscriber connects an idle client. */
  subscribe: (listener: (snapshot: ChatSnapshot<Types>) => void) => () => void;
  /**
   * Sends a message. It shows at once, survives lost connections, and enters the thread exactly once. One that is refused stands in
   * the snapshot as `failed`, so nobody has to handle the rejection.
   * @throws {ChatError} (rejects) what the server refused it with; `too_large` at once for one over 1 MB as JSON or of more
   * than 64 parts; `interrupted` when the client is closed first; `id_reused` for a `messageId` of another message, which shows nothing
   */
  send: (input: SendInput<Types>) => Sending<Types>;
  /** Sends a `failed` message again under the same id. @throws {ChatError} (rejects) `not_found` when there is none */
  retry: (messageId: string) => Sending<Types>;
  /**
   * Asks again with another message in the place of a message of a user, which stays on a branch of its own; in the place of one
   * of ours that `failed`, sends another one. With a `turnId`, changes what a queued message says: resolves when that is done.
   * @throws {ChatError} (rejects) what the server refused it with, e.g. `already_started`
   */
  edit: {
    (input: { messageId: string } & MessageInput<Types>): Sending<Types>;
    (input: { turnId: string } & MessageInput<Types>): Promise<void>;
  };
  /**
   * Asks for another reply to a message of a user, or in the place of a reply; by default the last one.
   * @throws {ChatError} (rejects) what the server refused it with; nothing in the snapshot shows that
   */
  regenerate: (messageId?: string, input?: BodyInput<Types>) => Sending<Types>;
  /**
   * Goes on in a reply that was stopped, was interrupted or failed; by default the last message.
   * @throws {ChatError} (rejects) what the server refused it with; nothing in the snapshot shows that
   */
  continue: (messageId?: string, input?: BodyInput<Types>) => Sending<Types>;
  /**
   * Ends a turn, by default the one that runs, else the next one to run. Keeps its partial reply. Resolves when the server has done
   * it, at once when there is no turn.
   * @throws {ChatError} (rejects) as every command that says nothing else: what the server refused it with (`forbidden`,
   * `not_found`), `interrupted` when the client is closed first; nothing in the snapshot shows that
   */
  stop: (turnId?: string) => Promise<void>;
  /**
   * Takes a queued message back, or forgets a `failed` one: the `turnId` of either is with it.
   * @throws {ChatError} (rejects) `already_started`, `not_found`
   */
  cancel: (turnId: string) => Promise<void>;
  /**
   * Answers a request for approval of the live message. The first answer of all pages counts.
   * @throws {ChatError} (rejects) `already_resolved`, with the answer that counts in its `details`; `not_found`
   */
  approve: (approvalId: string, answer: ApprovalAnswer) => Promise<void>;
  /**
   * Gives the outcome of a client tool call of the live message. The first one counts.
   * @throws {ChatError} (rejects) `already_resolved`, `already_claimed` (another page runs it), `bad_request` (not valid), `not_found`
   */
  addToolOutput: (callId: string, outcome: ToolOutcome<Types>) => Promise<void>;
  /**
   * Takes a client tool call for this page, until its connection ends. `turn.claims` says which are taken.
   * @throws {ChatError} (rejects) `already_claimed`, `already_resolved`, `not_found`
   */
  claim: (callId: string) => Promise<void>;
  /**
   * Merges `patch` into the app state, at its top level. It shows at once, and is taken back when the server refuses it.
   * Fields that others have set at the same time stay theirs; of one field the last change counts.
   * @throws {ChatError} (rejects) `bad_request` when the whole is not valid
   */
  setState: (patch: Partial<State<Types>>) => Promise<void>;
  /**
   * Sets the title of the thread, 1 to 200 characters, null for none. Shows at once, as `setState`.
   * @throws {ChatError} (rejects) `bad_frame` for another length, else as `stop`
   */
  setTitle: (title: string | null) => Promise<void>;
  /** Loads the page above the first message. Resolves at once when there is none. @throws {ChatError} (rejects) as `stop` */
  loadEarlier: () => Promise<void>;
  /**
   * Loads a part of a message whole: a payload over 256 KB (a tool input or output, a file, data) is a stub in the snapshot,
   * `{ truncated: true, bytes }`, for a file as a `data:` URL of that JSON. Keeps nothing of it.
   * @param index of the part in `parts`
   * @throws {ChatError} (rejects) `not_found`
   */
  loadPart: (messageId: string, index: number) => Promise<Part>;
  /**
   * Calls `listener` with the data of each event of this name from now on, `"*"` for any: what the app broadcasts, and data parts
   * that are transient, by their type (`data-progress`). An event is told once, to the connections of the moment: what must not
   * be missed belongs into a message or the state. Opens nothing. The result ends that.
   */
  on: {
    <Name extends string & keyof Events<Types>>(event: Name, listener: (data: Events<Types>[Name], event: string) => void): () => void;
    (event: "*", listener: (data: unknown, event: string) => void): () => void;
  };
  /** Connects an idle or stopped client. With `create: true`, does nothing before the first `send`. */
  connect: () => void;
  /** Drops what there is and connects anew, from any state. */
  reconnect: () => void;
  /** Ends the connection, and fails what waits for an answer with `interrupted`. A later `connect` or `send` opens it again. */
  close: () => void;
}
