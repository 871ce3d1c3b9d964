// The public types of the browser client. Types only.
import type { UIMessage } from "ai";
import type { ErrorBody } from "../errors.ts";
import type { Role } from "../protocol/frames.ts";
import type { Part, SessionView, TurnFacts } from "../protocol/messages.ts";
import type { ConnectionState } from "./connection-machine.ts";

/** What an app may type in its threads. Every field may be left out. */
export interface ChatTypes {
  /** Metadata of a message. */
  metadata?: unknown;
  /** Data parts by name: `{ weather: { city: string } }` types `data-weather`. */
  dataParts?: Record<string, unknown>;
  /** Tools by name. */
  tools?: Record<string, { input: unknown; output: unknown }>;
  /** Per-request input of a `send`. */
  body?: unknown;
}

type Metadata<Types> = Types extends { metadata: infer Value } ? Value : unknown;
type DataParts<Types> = Types extends { dataParts: infer Value extends Record<string, unknown> } ? Value : Record<string, unknown>;
type Tools<Types> = Types extends { tools: infer Value extends NonNullable<ChatTypes["tools"]> } ? Value : NonNullable<ChatTypes["tools"]>;
type Body<Types> = Types extends { body: infer Value } ? Value : unknown;

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
  delivery?: Delivery;
  /** Turn of an own message, as long as `delivery` is there: what `cancel` takes. */
  turnId?: string;
  /** Why `delivery` is `failed`. */
  error?: ErrorBody;
};

/** A message whose turn waits behind another one. */
export interface ChatQueueItem {
  turnId: string;
  messageId: string;
  parts: Part[];
  metadata?: unknown;
  author?: string;
  /** Epoch ms. */
  createdAt: number;
  delivery?: Delivery;
}

/** `submitted`: something of ours or of the server's waits for output. `error`: the last turn failed, or the connection is stopped. */
export type ChatStatus = "ready" | "submitted" | "streaming" | "error";

/** Everything that a page shows of a thread. Immutable; a part that did not change is the same object as before. */
export interface ChatSnapshot<Types extends ChatTypes = ChatTypes> {
  messages: readonly ChatMessage<Types>[];
  status: ChatStatus;
  /** Why `status` is `error`. */
  error: ErrorBody | null;
  connection: ConnectionState;
  queue: readonly ChatQueueItem[];
  thread: { id: string; title: string | null; status: SessionView["status"] };
  /** Who the server takes us for. Null before the first connection. */
  principal: { id: string; name?: string } | null;
  role: Role | null;
  /** True when history goes on above the first message: see `loadEarlier`. */
  hasEarlier: boolean;
}

/** What `send` takes: text, or parts, each with the app's per-request `body`. */
export type SendInput<Types extends ChatTypes = ChatTypes> =
  string | { text: string; body?: Body<Types> } | { parts: Part[]; body?: Body<Types> };

/** What the server said to a `send`. */
export interface SendResult {
  turnId: string;
  /** Turns before this one when it was accepted; 0 when it started at once. */
  position: number;
}

/** The promise of a `send`: resolves at the ack. */
export type Sending<Types extends ChatTypes = ChatTypes> = Promise<SendResult> & {
  /** Resolves when the turn has ended: with the reply, or null when there is none (or it is beyond the loaded page). */
  readonly settled: Promise<ChatMessage<Types> | null>;
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
  /** Calls `run` soon, once: how often subscribers hear of changes. */
  schedule: (run: () => void) => void;
}

export interface ChatClientOptions {
  /** Where `routeChatRequest` listens: absolute, or relative to the page. */
  url: string;
  threadId: string;
  /** Makes the thread with the first `send`, and opens nothing before it. */
  create?: boolean;
  /** Headers of each ticket request; a function is called for each one. */
  headers?: Resolvable<Record<string, string> | Headers>;
  /** Credentials mode of each ticket request. */
  credentials?: Resolvable<"omit" | "same-origin" | "include">;
  fetch?: typeof globalThis.fetch;
  WebSocket?: new (url: string, protocols: string[]) => WebSocket;
  deps?: Partial<ClientDeps>;
}

/** One thread in this page. Made by `createChatClient`. No member needs its `this`. */
export interface ChatClient<Types extends ChatTypes = ChatTypes> {
  /** The present view; the same object until something changes. */
  getSnapshot: () => ChatSnapshot<Types>;
  /** Calls `listener` at once, then after each change, with the whole snapshot. The first subscriber connects an idle client. */
  subscribe: (listener: (snapshot: ChatSnapshot<Types>) => void) => () => void;
  /**
   * Sends a message. It shows at once, survives lost connections, and enters the thread exactly once.
   * @throws {ChatError} (rejects) what the server refused it with; `too_large` at once for one over 1 MB as JSON or of more
   * than 64 parts; `interrupted` when the client is closed first
   */
  send: (input: SendInput<Types>) => Sending<Types>;
  /** Sends a `failed` message again under the same id. @throws {ChatError} (rejects) `not_found` when there is none */
  retry: (messageId: string) => Sending<Types>;
  /** Ends a turn, by default the one that runs, else the next one to run. Keeps its partial reply. */
  stop: (turnId?: string) => Promise<void>;
  /** Takes a queued message back, or forgets a `failed` one: the `turnId` of either is with it. */
  cancel: (turnId: string) => Promise<void>;
  /** Loads the page above the first message. Resolves at once when there is none. */
  loadEarlier: () => Promise<void>;
  /** Connects an idle or stopped client. With `create`, does nothing before the first `send`. */
  connect: () => void;
  /** Drops what there is and connects anew, from any state. */
  reconnect: () => void;
  /** Ends the connection, and fails what waits for an answer with `interrupted`. A later `connect` or `send` opens it again. */
  close: () => void;
}
