// The messages of the thread, keyed by id: a message keeps its element from the moment it is typed to long after it is answered.
import type { ChatMessage } from "chatcell/client";
import { setChildren } from "./dom.ts";
import { createMessageView, type MessageView } from "./message-view.ts";

export interface MessageList {
  update(messages: readonly ChatMessage[]): void;
}

export function createMessageList(element: HTMLElement, retry: (messageId: string) => void): MessageList {
  let views = new Map<string, MessageView>();
  let shown: readonly ChatMessage[] | null = null;
  const update = (messages: readonly ChatMessage[]): void => {
    if (messages === shown) return;
    shown = messages;
    const next = new Map<string, MessageView>();
    for (const message of messages) {
      const view = views.get(message.id) ?? createMessageView(message.role, retry);
      view.update(message);
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
