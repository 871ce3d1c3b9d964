// Pages of the active branch: read backwards from a message, bounded by count and bytes, always at least one message.
import { utf8Length } from "../protocol/bytes.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Message } from "../protocol/messages.ts";
import { stubLarge } from "../protocol/stubs.ts";
import type { MessageTable } from "../storage/message-table.ts";

export interface Page {
  /** Oldest first. */
  messages: Message[];
  /** True when the branch goes on before the first of `messages`. */
  hasEarlier: boolean;
}

/** A message as it is read, when it is whole. */
const whole = (message: Message): Message => message;

/**
 * The page that ends at (and includes) message `last`; empty for null or an unknown id. Costs a row read for each message, and one
 * for each MB of it. As clients get it, with stubs, or with `isWhole` with all payloads; its bytes are counted as it is. No more
 * than one message is in memory whole that is not so in the page.
 */
export function readPage(messages: MessageTable, last: string | null, { isWhole = false } = {}): Page {
  const view = isWhole ? whole : stubLarge;
  const page: Message[] = [];
  let bytes = 0;
  let next = last;
  while (next !== null && page.length < LIMITS.pageMessages) {
    const found = messages.find(next);
    if (!found || page.some(({ id }) => id === found.id)) return { messages: page.reverse(), hasEarlier: false };
    const message = view(found);
    bytes += utf8Length(JSON.stringify(message));
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
