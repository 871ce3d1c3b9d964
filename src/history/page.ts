// Pages of the active branch: read backwards from a message, bounded by count and bytes, always at least one message.
import { LIMITS } from "../protocol/limits.ts";
import type { Message } from "../protocol/messages.ts";
import { bytesAsSent, stubMessage } from "../protocol/stubs.ts";
import type { MessageTable } from "../storage/message-table.ts";

export interface Page {
  /** Oldest first. */
  messages: Message[];
  /** True when the branch goes on before the first of `messages`. */
  hasEarlier: boolean;
}

/**
 * The page that ends at (and includes) message `last`; empty for null or an unknown id. Costs a row read for each message, and one for each MB of it. Its
 * bytes are counted as clients get it, with stubs; its payloads are whole.
 */
export function readPage(messages: MessageTable, last: string | null): Page {
  const page: Message[] = [];
  let bytes = 0;
  let next = last;
  while (next !== null && page.length < LIMITS.pageMessages) {
    const message = messages.find(next);
    if (!message || page.some(({ id }) => id === message.id)) return { messages: page.reverse(), hasEarlier: false };
    bytes += bytesAsSent(message, stubMessage);
    if (page.length > 0 && bytes > LIMITS.pageBytes) break;
    page.push(message);
    next = message.parent;
  }
  return { messages: page.reverse(), hasEarlier: next !== null };
}

/** The whole branch that ends at `last`, oldest first. One whose parents run in a circle (damage) has each message once. */
export function readBranch(messages: MessageTable, last: string | null): Message[] {
  const branch = new Map<string, Message>();
  for (let next = last; next !== null && !branch.has(next);) {
    const message = messages.find(next);
    if (!message) break;
    branch.set(next, message);
    next = message.parent;
  }
  return [...branch.values()].reverse();
}
