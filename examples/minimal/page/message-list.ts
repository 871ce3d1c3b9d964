// The messages of the thread, keyed by id: a message keeps its element from the moment it is typed to long after it is answered.
import type { ChatMessage } from "chatcell/client";
import { setChildren } from "./dom.ts";
import { createMessageView, type MessageActions, type MessageView } from "./message-view.ts";

export interface MessageList {
  /** `isQuiet`: nothing runs and nothing waits. */
  update(messages: readonly ChatMessage[], isQuiet: boolean): void;
}

export function createMessageList(element: HTMLElement, actions: MessageActions): MessageList {
  let views = new Map<string, MessageView>();
  let shown: readonly ChatMessage[] | null = null;
  let wasQuiet = false;
  const update = (messages: readonly ChatMessage[], isQuiet: boolean): void => {
    if (messages === shown && isQuiet === wasQuiet) return;
    shown = messages;
    wasQuiet = isQuiet;
    const last = isQuiet ? messages.at(-1) : undefined;
    const next = new Map<string, MessageView>();
    for (const message of messages) {
      const view = views.get(message.id) ?? createMessageView(message.role, actions);
      view.update(message, message === last);
      next.set(message.id, view);
    }
    views = next;
    setChildren(
      element,
      [...views.values()].map((view) => view.element),
    );
  };
  return { update };
}
