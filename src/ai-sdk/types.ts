// The public types of the transport. Types only, and structural where the AI SDK's differ from release to release: a
// `ChatTransport` of ai 6 and one of ai 7 assign in neither direction, and @ai-sdk/vue and @ai-sdk/svelte bring copies of their
// own. What is taken here is what all of them give, what is given is what all of them take; test/types holds it.
import type { ChatClient, ChatClientOptions, ChatTypes } from "../client/types.ts";

/** A `UIMessage` of any release, as far as a transport looks at it. */
export interface AnyUIMessage {
  id: string;
  role: string;
  parts: readonly { type: string }[];
  metadata?: unknown;
}

/** A message as every release takes it. It has other parts, too: name your own type of message to see them. */
export interface TransportMessage {
  id: string;
  role: "system" | "user" | "assistant";
  parts: ({ type: "text"; text: string } | { type: "step-start" })[];
  metadata?: unknown;
}

/** Chunks that every release knows. A stream has others, too: a reader passes over those that it does not know. */
export type TransportChunk =
  | { type: "start"; messageId?: string }
  | { type: "start-step" }
  | { type: "text-start"; id: string }
  | { type: "text-delta"; id: string; delta: string }
  | { type: "text-end"; id: string }
  | { type: "error"; errorText: string }
  | { type: "finish" };

/** What `useChat` gives with a request. Its `headers` and `metadata` are not used: `headers` of the transport are. */
export interface TransportRequest {
  trigger: "submit-message" | "regenerate-message";
  /** Id of the thread. */
  chatId: string;
  messageId: string | undefined;
  messages: readonly AnyUIMessage[];
  abortSignal: AbortSignal | undefined;
  /** The app's per-request input. */
  body?: object;
}

/** Options of {@link ChatTransport}: those of a client, which is made for each chat, and what `useChat` leaves open. */
export interface ChatTransportOptions extends Omit<ChatClientOptions, "threadId" | "create" | "storage"> {
  /**
   * What it means that `useChat` aborts, of which it never says why. `detach`: this page stops listening, the turn goes on.
   * `stop`: the turn ends, with what it has. React aborts when a component with `useChat({ id })` is left, so `stop` there ends
   * replies that nobody wanted to end; with `useChat({ chat })`, and in Vue, Svelte and Angular, only its `stop()` does.
   * @default "detach"
   */
  onAbort?: "detach" | "stop";
  /** Makes a thread that does not exist with its first message, for the caller. @default true */
  create?: boolean;
}

/**
 * A `ChatTransport` of the AI SDK, for stock `useChat`. One for all chats of a page: each has a client, which is made when it is
 * needed and disconnects half a minute after the last use. No member needs its `this`.
 */
export interface ChatTransport<Message extends AnyUIMessage = TransportMessage, Types extends ChatTypes = ChatTypes> {
  /** For the AI SDK: what `reconnectToStream` gives begins at the beginning. */
  readonly resumeStreamIsReplay: true;
  /**
   * For the AI SDK: says what is new in `messages`, and gives the reply as it comes.
   * @throws {ChatError} (rejects) what the server refused it with
   */
  sendMessages: (request: TransportRequest) => Promise<ReadableStream<TransportChunk>>;
  /** For the AI SDK: the reply that streams or waits, from its beginning; null when there is none. @throws {ChatError} (rejects) */
  reconnectToStream: (request: { chatId: string; abortSignal?: AbortSignal | undefined }) => Promise<ReadableStream<TransportChunk> | null>;
  /** Ends the turn that runs or waits, keeping its partial reply. Quiet when there is none. */
  stop: (chatId: string) => Promise<void>;
  /**
   * The last page of settled history, for `messages` of `useChat`; empty for a thread that does not exist. Also on a server, where
   * the transport needs an absolute `url`, and `headers` with the `cookie` of the request.
   * @throws {ChatError} (rejects) when the server refuses it
   */
  load: (chatId: string) => Promise<Message[]>;
  /**
   * Calls `setMessages` with all messages at hand when something changed that did not come through a stream of this page: by
   * another page, by the server, or after a stream was left. Not while one of this page runs: then right after it.
   * @returns ends it
   */
  watch: (chatId: string, setMessages: (messages: Message[]) => void) => () => void;
  /** The client of a chat. It stays connected while somebody is subscribed to it. */
  client: (chatId: string) => ChatClient<Types>;
  /**
   * Disconnects a chat. What streams breaks off, for this page only; a later call connects again. Without an id, as the `dispose` of
   * a chat of `ai` 7 calls it, it does nothing: what that chat used disconnects by itself.
   */
  close: (chatId?: string) => void;
}
