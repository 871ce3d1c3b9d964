// What the suite asks of a client and of a server. Neutral on purpose: a client in another language is driven through the same
// few functions, for example over its standard input.
import type { ChatClientOptions } from "../../client/types.ts";

/**
 * What a client may leave out. `queue`: it shows the turns that wait apart from the messages, and has `cancel` and
 * `editQueued`. `branches`: `edit`. `events`: its view has those that it heard. `wire`: all that it does goes over the `fetch`
 * and the `WebSocket` that it is given, so that the suite can break them. The others: the method of that name.
 */
export type Capability = "queue" | "branches" | "regenerate" | "continue" | "approve" | "resolve" | "setState" | "events" | "wire";

/** What a client is opened with. */
export interface ClientSetup {
  /** Where the server is, without a slash at its end. */
  url: string;
  threadId: string;
  /** True when the first `send` is to make the thread. */
  create: boolean;
  /** For each request: who this is. */
  headers: Readonly<Record<string, string>>;
  /** For a client with the capability `wire`. */
  fetch: NonNullable<ChatClientOptions["fetch"]>;
  WebSocket: NonNullable<ChatClientOptions["WebSocket"]>;
}

/** A message as a client shows it. `parts` are those of the protocol, as JSON values. */
export interface MessageView {
  id: string;
  role: string;
  parts: readonly unknown[];
}

/** What a client shows at one moment. */
export interface ClientView {
  /** `live`: it has a view, and hears of changes. `stopped`: it has given up, for the reason `error`. */
  connection: "connecting" | "live" | "stopped";
  /** `busy`: it is writing a reply, or waits for one. `waiting`: a person or a client tool has to answer. `failed`: the last turn did. */
  status: "ready" | "busy" | "waiting" | "failed";
  /** The branch, oldest first, with own messages that are not acked and the live message. */
  messages: readonly MessageView[];
  /** Turns that wait behind another one, in their order. */
  queue: readonly { turnId: string; text: string }[];
  /** The app state. Only with `setState`. */
  state?: unknown;
  /** Everything transient that it has heard, in order. Only with `events`. */
  events?: readonly { event: string; data?: unknown }[];
  error?: { code: string } | null;
}

/** A client in the hands of the suite. A command resolves when it is acked, and rejects with an object that has the `code`. */
export interface ClientUnderTest {
  /** Read often: must be cheap, and without effect. */
  view: () => ClientView;
  send: (text: string) => Promise<unknown>;
  /** Ends the turn that runs. */
  stop: () => Promise<unknown>;
  /** Takes a queued turn out. */
  cancel?: (turnId: string) => Promise<unknown>;
  editQueued?: (turnId: string, text: string) => Promise<unknown>;
  /** Asks again with another message in the place of the user message `messageId`. */
  edit?: (messageId: string, text: string) => Promise<unknown>;
  /** Another reply to the last message of the user. */
  regenerate?: () => Promise<unknown>;
  /** Goes on in the last reply. */
  continue?: () => Promise<unknown>;
  approve?: (approvalId: string, approved: boolean) => Promise<unknown>;
  /** Gives the output of a client tool call. */
  resolve?: (callId: string, output: unknown) => Promise<unknown>;
  /** Merges `patch` into the app state. */
  setState?: (patch: Readonly<Record<string, unknown>>) => Promise<unknown>;
  close: () => void | Promise<void>;
}

/** A kind of client. */
export interface ClientAdapter {
  readonly capabilities: readonly Capability[];
  /** A client that connects by itself; with `create`, at the latest with its first `send`. */
  open: (setup: ClientSetup) => ClientUnderTest | Promise<ClientUnderTest>;
}

/** A server that runs the app of the suite: see docs/guides/conformance.md. */
export interface ConformanceServer {
  /** Where the chat is, e.g. `http://127.0.0.1:8787/chat`. */
  url: string;
  /** What makes a request that of this person. @default a bearer token that is the name */
  headersOf?: (user: string) => Readonly<Record<string, string>>;
  /** The way to a server in memory. @default globalThis.fetch */
  fetch?: ChatClientOptions["fetch"];
  /** @default globalThis.WebSocket */
  WebSocket?: ChatClientOptions["WebSocket"];
}

/** Settings of `conformance`. */
export interface ConformanceOptions {
  /** A server, or its address. */
  server: ConformanceServer | string;
  /** @default `chatcell/client` */
  client?: ClientAdapter;
  /** `client`: only what the client does; `server`: only what the server does, without a client. @default both */
  only?: "client" | "server";
  /** Longest time for each thing that is waited for, in ms. @default 20_000 */
  timeoutMs?: number;
}

/** One check. Cases share nothing, so they can run at once and in any order. */
export interface ConformanceCase {
  /** A fact, as `client: …` or `server: …`. Unique, and the same in every run. */
  readonly name: string;
  /** Why it does not apply; absent when it does. */
  readonly skip?: string;
  /** @throws {Error} what was not as PROTOCOL.md says; at once, with the reason, where there is a `skip` */
  run: () => Promise<void>;
}
