// The transport: one chat for each id, made when it is first asked for.
import { page } from "../client/page.ts";
import type { ChatMessage, ChatTypes } from "../client/types.ts";
import { type Chat, createChat } from "./chat.ts";
import { loadPage } from "./load-page.ts";
import { ask, type Asked, tryView } from "./requests.ts";
import { silence } from "./silence.ts";
import type { AnyUIMessage, ChatTransport, ChatTransportOptions, TransportChunk, TransportMessage } from "./types.ts";

/** What `promise` gives, or at once an error that `useChat` takes in silence when `signal` aborts. */
function orAbort<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(silence("Aborted"));
    if (signal?.aborted) abort();
    // Each request has a signal of its own: nothing outlives it.
    signal?.addEventListener("abort", abort);
    promise.then(resolve, reject);
  });
}

/**
 * A transport for stock `useChat` of React, Vue, Svelte and Angular: the id of a chat is that of its thread. Make one for all
 * chats, outside of what renders. Opens nothing by itself.
 *
 * @example
 * import { createChatTransport } from "chatcell/ai-sdk";
 *
 * export const transport = createChatTransport({ url: "/chat" });
 */
export function createChatTransport<Message extends AnyUIMessage = TransportMessage, Types extends ChatTypes = ChatTypes>(
  options: ChatTransportOptions,
): ChatTransport<Message, Types> {
  const chats = new Map<string, Chat>();

  const chatOf = (id: string): Chat => {
    const chat = chats.get(id) ?? createChat(options, id);
    chats.set(id, chat);
    return chat;
  };

  /** Chat → what aborts the last request to resume it. */
  const resumes = new WeakMap<Chat, AbortSignal | undefined>();

  /**
   * The stream of what was asked for. What was asked goes on when the stream is left, also when that is before it begins, and when
   * another one takes its place.
   */
  const follow = async (chat: Chat, asking: Promise<Asked>, signal: AbortSignal | undefined, isReplaced = () => false) => {
    if (options.onAbort === "stop") {
      signal?.addEventListener("abort", () => {
        // `useChat` aborts a request to resume and makes the next one in the same task. Refused: nothing runs.
        asking.then(({ turnId }) => (isReplaced() ? undefined : chat.client.stop(turnId))).catch(() => {});
      });
    }
    const { turnId, held } = await orAbort(asking, signal);
    return chat.stream(turnId, held) as ReadableStream as ReadableStream<TransportChunk>;
  };

  const transport: ChatTransport<ChatMessage> = {
    resumeStreamIsReplay: true,

    sendMessages: async (request) => {
      const { chatId, abortSignal } = request;
      if (abortSignal?.aborted) throw silence("Aborted");
      const chat = chatOf(chatId);
      return chat.use(() =>
        follow(
          chat,
          chat.use(() => ask(chat, request)),
          abortSignal,
        ),
      );
    },

    reconnectToStream: async ({ chatId, abortSignal }) => {
      const chat = chatOf(chatId);
      const before = chat.asked();
      resumes.set(chat, abortSignal);
      return chat.use(async () => {
        const view = await orAbort(tryView(chat), abortSignal);
        // What was asked for since then has a stream of its own.
        if (!view?.turn || (view.turn.id === chat.asked() && view.turn.id !== before)) return null;
        // What comes is put behind all else, and in its own place only by some releases.
        chat.show(true);
        return follow(chat, Promise.resolve({ turnId: view.turn.id }), abortSignal, () => resumes.get(chat) !== abortSignal);
      });
    },

    stop: async (chatId) => {
      const chat = chatOf(chatId);
      await chat.use(async () => {
        if (await tryView(chat)) await chat.client.stop();
      });
    },

    load: async (chatId) => {
      // A page has a cookie that counts only where its origin is shown, which browsers do not do for what is only read.
      if (!page.document) return loadPage(options, chatId);
      const chat = chatOf(chatId);
      return chat.use(async () => ((await tryView(chat)) ? chat.list(true) : []));
    },

    watch: (chatId, setMessages) => chatOf(chatId).watch(setMessages),

    client: (chatId) => chatOf(chatId).shared,

    close: (chatId) => {
      // Without an id it is the `dispose` of some chat, which would take all others along.
      const chat = chats.get(chatId!);
      chats.delete(chatId!);
      chat?.close();
    },
  };
  // What travels is not checked against an app's own types: that they are right is the app's word.
  return transport as unknown as ChatTransport<Message, Types>;
}
