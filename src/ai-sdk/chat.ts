// One chat of a transport: its client, and what is known of `useChat`'s own list: ids that are only its, and messages that it has
// by itself. The client connects when it is first used, and disconnects some time after nothing uses it any more.
import { createChatClient } from "../client/chat-client.ts";
import { toChatError } from "../client/errors.ts";
import type { ChatClient, ChatClientOptions, ChatSnapshot } from "../client/types.ts";
import type { SendCommand } from "../protocol/frames.ts";
import { newId as randomId } from "../protocol/ids.ts";
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
  /**
   * Runs `call`, which makes one message: that which `useChat` has under `localId`. It gets that id too, where the server takes
   * such an id. Not so when it is not `isNew`: what takes the place of a message has another.
   */
  as: <Result>(localId: string, isNew: boolean, call: () => Result) => Result;
  /** Sends a message, which makes the thread when there is none. @returns the id of its turn */
  send: (localId: string, parts: Part[], body: unknown) => Promise<string>;
  /** Until `work` is done, the chat is in use. */
  use: <Result>(work: () => Promise<Result>) => Promise<Result>;
  stream: (turnId: string, held?: Told) => ReadableStream<Chunk>;
  watch: Watchers["add"];
  /** From now on always in use. */
  hold: () => void;
  close: () => void;
}

/** Resolves with the view of the server as soon as there is one, rejects with what stopped the client. */
export function viewOf({ connect, subscribe }: ChatClient): Promise<ChatSnapshot> {
  connect(); // What has stopped it may be over.
  return new Promise((resolve, reject) => {
    const end = subscribe((snapshot) => {
      const { connection } = snapshot;
      if (connection.kind === "live") resolve(snapshot);
      else if (connection.kind === "stopped") reject(toChatError(connection.reason));
      else return;
      queueMicrotask(() => end());
    });
  });
}

/** A client whose ticket makes the thread with the message that `first` gives; without one, it is asked for as it is. */
function createClient(options: ChatClientOptions, first: () => SendCommand | undefined): ChatClient {
  const { fetch = (...request) => globalThis.fetch(...request) } = options;
  return createChatClient({
    ...options,
    fetch: (url, init) => {
      const command = `${url as string}`.endsWith("/ticket") && first();
      return fetch(url, command ? { ...init, body: JSON.stringify({ create: true, command }) } : init);
    },
  });
}

/** The chat of a thread. Opens nothing by itself. */
export function createChat(options: ChatTransportOptions, threadId: string): Chat {
  const { deps, create = true } = options;
  const newId = deps?.newId ?? randomId;
  const setTimer = deps?.setTimer ?? ((run: () => void, delayMs: number) => clearTimeout.bind(null, setTimeout(run, delayMs)));
  /** Ids to give out before new ones: of a turn, and of its message. */
  const proposed: string[] = [];
  /** The message that a thread is to be made with. */
  let first: SendCommand | undefined;
  const ids = new Map<string, string>();
  /** Messages that `useChat` has by itself: written here, or streamed to it. */
  const own = new Set<string>();
  /** Requests and streams that are under way. */
  let uses = 0;
  /** Streams whose message is their reader's to show. */
  let readers = 0;
  let isHeld = false;
  let cancelIdle: (() => void) | undefined;

  /** True while there may be no thread: one that let us in once is there. */
  const isUnseen = () => create && !client.getSnapshot().principal;
  const isOnItsWay = ({ messageId }: SendCommand) =>
    client.getSnapshot().messages.some(({ id, delivery }) => id === messageId && delivery === "sending");
  const client = createClient({ ...options, threadId, deps: { ...deps, newId: () => proposed.shift() ?? newId() } }, () =>
    first && isUnseen() && isOnItsWay(first) ? first : undefined,
  );
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
    if (watchers.isEmpty() && !isHeld) cancelIdle = setTimer(client.close, IDLE_MS);
  };

  const as: Chat["as"] = (localId, isNew, call) => {
    const isFree = isNew && ID.test(localId) && !client.getSnapshot().messages.some(({ id }) => id === localId);
    const messageId = isFree ? localId : newId();
    ids.set(localId, messageId);
    proposed.push(newId(), messageId);
    for (const id of proposed) own.add(id);
    try {
      return call();
    } finally {
      proposed.length = 0;
    }
  };

  const send: Chat["send"] = async (localId, parts, body) => {
    const sending = as(localId, true, () => {
      const [id, messageId] = proposed as [string, string];
      first = { type: "send", id, messageId, parts, body };
      return client.send({ parts, body });
    });
    const messageId = ids.get(localId)!;
    // When there is no thread, the client may have been told so before there was a message to make it with.
    const { turnId } = await sending.catch((error: { code?: string }) => {
      if (error.code !== "not_found" || !isUnseen()) throw error;
      return client.retry(messageId);
    });
    return turnId;
  };

  const stream: Chat["stream"] = (turnId, held) => {
    let isReading = false;
    begin();
    return streamTurn({
      client,
      turnId,
      held,
      onStart: (messageId) => {
        own.add(messageId);
        isReading = true;
        readers++;
      },
      onEnd: (isWhole) => {
        if (isReading) readers--;
        if (!isWhole) watchers.forget();
        watchers.show();
        end();
      },
    });
  };

  return {
    client,
    idOf: (localId) => ids.get(localId) ?? localId,
    as,
    send,
    use: async (work) => {
      begin();
      try {
        return await work();
      } finally {
        end();
      }
    },
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
    hold: () => {
      isHeld = true;
      cancelIdle?.();
    },
    close: () => {
      watchers.close();
      cancelIdle?.();
      client.close();
    },
  };
}
