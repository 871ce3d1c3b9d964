// One chat of a transport: its client, and what is known of `useChat`'s own list: ids that are only its, and messages that it has
// by itself. The client connects when it is first used, and disconnects some time after nothing uses it any more.
import { createChatClient } from "../client/chat-client.ts";
import { CLOSED, NOT_FOUND, toChatError } from "../client/errors.ts";
import type { ChatClient, ChatSnapshot, Sending } from "../client/types.ts";
import type { Chunk, Part } from "../protocol/messages.ts";
import type { Told } from "./message-chunks.ts";
import { streamTurn } from "./turn-stream.ts";
import type { ChatTransportOptions } from "./types.ts";
import { createWatchers, type Watchers } from "./watchers.ts";

/** A client that nobody uses disconnects after this time. */
const IDLE_MS = 30_000;
/** An id that the server takes. */
const ID = /^[\w-]{8,64}$/;

export interface Chat extends Pick<Watchers, "list" | "show"> {
  readonly client: ChatClient;
  /** The id in the thread of a message that `useChat` has under `localId`. */
  idOf: (localId: string) => string;
  /** True once its transport has let go of it. */
  isClosed: () => boolean;
  /** The turn that was asked for last, here. */
  asked: () => string | undefined;
  /** What `sending` makes is the message that `useChat` has under `localId`. */
  as: (localId: string, sending: Sending) => Sending;
  /** Sends a message, which makes the thread when there is none. It gets the `localId` too, where the server takes such an id. */
  send: (localId: string, parts: Part[], body: unknown) => Sending;
  /** Until `work` is done, the chat is in use. */
  use: <Result>(work: () => Promise<Result>) => Promise<Result>;
  stream: (turnId: string, held?: Told) => ReadableStream<Chunk>;
  watch: Watchers["add"];
  /** The client for others: in use while they are subscribed. */
  shared: ChatClient;
  close: () => void;
}

/** Resolves with the view of the server as soon as there is one, rejects with what stopped the client, or that it was closed. */
export function viewOf({ connect, subscribe }: ChatClient, isClosed = () => false): Promise<ChatSnapshot> {
  connect(); // What has stopped it may be over.
  return new Promise((resolve, reject) => {
    const end = subscribe((snapshot) => {
      const { connection } = snapshot;
      if (connection.kind === "live") resolve(snapshot);
      else if (connection.kind === "stopped") reject(toChatError(connection.reason));
      else if (connection.kind === "idle") reject(toChatError(isClosed() ? CLOSED : NOT_FOUND));
      else return;
      queueMicrotask(() => end());
    });
  });
}

/** The chat of a thread. Opens nothing by itself. */
export function createChat(options: ChatTransportOptions, threadId: string): Chat {
  const { deps, create = true } = options;
  const setTimer = deps?.setTimer ?? ((run: () => void, delayMs: number) => clearTimeout.bind(null, setTimeout(run, delayMs)));
  const ids = new Map<string, string>();
  /** Messages that `useChat` has by itself: written here, or streamed to it. */
  const own = new Set<string>();
  /** Requests and streams that are under way. */
  let uses = 0;
  /** Streams whose message is their reader's to show. */
  let readers = 0;
  /** Of the client that is shared. */
  let subscribers = 0;
  let isClosed = false;
  let asked: string | undefined;
  let cancelIdle: (() => void) | undefined;

  const client = createChatClient({ ...options, threadId, create: create && "if-missing" });
  const { getSnapshot: _get, subscribe: _subscribe, on: _on, close: _close, ...commands } = client;
  const watchers = createWatchers(
    client,
    (id) => own.has(id),
    () => !readers,
  );

  const begin = () => {
    cancelIdle?.();
    uses++;
  };

  const end = () => {
    if (--uses) return;
    own.clear();
    cancelIdle?.();
    if (watchers.isEmpty() && !subscribers) cancelIdle = setTimer(client.close, IDLE_MS);
  };

  const use: Chat["use"] = async (work) => {
    begin();
    try {
      return await work();
    } finally {
      end();
    }
  };

  const as: Chat["as"] = (localId, sending) => {
    const { turnId, messageId } = sending;
    asked = turnId;
    ids.set(localId, messageId);
    own.add(turnId).add(messageId);
    return sending;
  };

  const send: Chat["send"] = (localId, parts, body) => {
    const isFree = ID.test(localId) && !client.getSnapshot().messages.some(({ id }) => id === localId);
    return as(localId, client.send({ parts, body, ...(isFree && { messageId: localId }) }));
  };

  const stream: Chat["stream"] = (turnId, held) => {
    let isReading = false;
    begin();
    return streamTurn({
      client,
      turnId,
      held,
      onStart: (messageId) => {
        // Some releases put what streams behind the last message: what waits behind this turn is no part of that.
        if (!held) watchers.show(true);
        own.add(messageId);
        isReading = true;
        readers++;
      },
      onEnd: (isWhole) => {
        if (isReading) readers--;
        if (!isWhole) watchers.forget();
        // A reply that waits is its reader's still: the page may have answers in it that no server knows yet.
        const isOver = client.getSnapshot().turn?.id !== turnId;
        if (!isOver) watchers.show();
        end();
        // One that has ended is like any other: what the server says of its end is shown.
        if (isOver) watchers.show();
      },
    });
  };

  return {
    client,
    isClosed: () => isClosed,
    asked: () => asked,
    idOf: (localId) => ids.get(localId) ?? localId,
    as,
    send,
    use,
    stream,
    watch: (setMessages) => {
      cancelIdle?.();
      const leave = watchers.add(setMessages);
      return () => {
        leave();
        begin();
        end();
      };
    },
    list: watchers.list,
    show: watchers.show,
    shared: {
      ...client,
      ...Object.fromEntries(
        Object.entries(commands).map(([name, call]) => [
          name,
          (...args: unknown[]): unknown => {
            const result = Reflect.apply(call, undefined, args) as Sending | undefined;
            use(async () => result?.settled ?? result).catch(() => {});
            return result;
          },
        ]),
      ),
      subscribe: (listener) => {
        cancelIdle?.();
        let held = 1;
        subscribers++;
        const leave = client.subscribe(listener);
        return () => {
          leave();
          subscribers -= held;
          held = 0;
          begin();
          end();
        };
      },
    },
    close: () => {
      isClosed = true;
      watchers.close();
      cancelIdle?.();
      client.close();
    },
  };
}
