// Who shows a chat beside the streams of `useChat`, and what each was shown last. It is called only for what did not come
// through such a stream, and never while one runs: its reader owns the message until it is whole.
import type { ChatClient, ChatMessage, ChatQueueItem } from "../client/types.ts";

type SetMessages = (messages: ChatMessage[]) => void;

export interface Watchers {
  /** All messages at hand, those that wait for their turn last. `isSettled`: without the live one and those that wait. */
  list: (isSettled?: boolean) => ChatMessage[];
  /** @returns ends it */
  add: (setMessages: SetMessages) => () => void;
  /** Shows all to those who were shown others. */
  show: (isSettled?: boolean) => void;
  /** What `useChat` shows may be anything: each is shown all next time. */
  forget: () => void;
  isEmpty: () => boolean;
  close: () => void;
}

/** What was shown to one who was shown nothing. */
const NOTHING: readonly ChatMessage[] = [];

/** @param isOwn true for the id of a message that `useChat` has by itself; @param mayShow false while a stream runs */
export function createWatchers({ getSnapshot, subscribe }: ChatClient, isOwn: (id: string) => boolean, mayShow: () => boolean): Watchers {
  const watchers = new Map<SetMessages, readonly ChatMessage[]>();
  /** Message or queue item → what is shown of it: not the client's own object, which whoever shows it may change. */
  const copies = new WeakMap<object, ChatMessage>();
  let hasView = false;
  let unsubscribe: (() => void) | undefined;

  const copyOf = (source: ChatMessage | ChatQueueItem): ChatMessage => {
    let copy = copies.get(source);
    if (!copy) {
      const parts = source.parts.map((part) => ({ ...part }));
      copies.set(source, (copy = { role: "user", id: (source as ChatQueueItem).messageId, ...source, parts }));
    }
    return copy;
  };

  const list = (isSettled?: boolean) => {
    const { messages, queue, turn } = getSnapshot();
    const shown = isSettled
      ? messages.filter(({ id }) => id !== turn?.messageId)
      : [...messages, ...queue.filter(({ parts }) => parts.length)];
    return shown.map(copyOf);
  };

  const show = (isSettled?: boolean) => {
    // Before the first view nothing is known.
    hasView ||= getSnapshot().connection.kind === "live";
    if (!hasView || !mayShow()) return;
    const all = list(isSettled);
    const ofOthers = (each: readonly ChatMessage[]) => each.filter(({ id }) => !isOwn(id));
    const news = ofOthers(all);
    for (const [setMessages, former] of watchers) {
      const olds = ofOthers(former);
      watchers.set(setMessages, all);
      if (former === NOTHING || news.length !== olds.length || news.some((each, i) => each !== olds[i])) setMessages([...all]);
    }
  };

  const leave = () => {
    unsubscribe?.();
    unsubscribe = undefined;
  };

  return {
    list,
    show,
    add: (setMessages) => {
      const watcher: SetMessages = (all) => setMessages(all);
      watchers.set(watcher, NOTHING);
      unsubscribe ??= subscribe(() => show());
      show();
      return () => {
        watchers.delete(watcher);
        if (!watchers.size) leave();
      };
    },
    forget: () => {
      for (const watcher of watchers.keys()) watchers.set(watcher, NOTHING);
    },
    isEmpty: () => !watchers.size,
    close: () => {
      watchers.clear();
      leave();
    },
  };
}
