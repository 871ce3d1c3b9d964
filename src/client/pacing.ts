// What of the live message is on the screen already. A function of the messages and of the clock, and of nothing else: replica,
// cursor and promises never wait for it. What is shown only grows, as long as the message does.
import { cutText, END_SPREAD_MS, letOut, SPREAD_MS, type Pace } from "../protocol/pacing.ts";
import type { Part, TurnView } from "../protocol/messages.ts";
import type { ConnectionState } from "./connection-machine.ts";
import { isSeen, page } from "./page.ts";
import type { ChatClientOptions, ChatMessage, ClientDeps } from "./types.ts";
import { keep } from "./view.ts";

/** What comes so soon after the first view of a connection was missed before it, and is history. */
const CATCH_UP_MS = 100;

/** How much of one message is shown. */
export interface Reveal extends Pace {
  readonly id: string;
  /** As shown: text may be cut, and what stands behind it is not there. Each that is whole is the part of the message. */
  readonly parts: readonly Part[];
  /** True when a part is cut. */
  readonly isCut: boolean;
}

/** Text and reasoning are paced: parts of other types have no `text`. */
const textOf = (part?: Part) => (part as { text?: string } | undefined)?.text ?? "";
const lengthOf = (parts: readonly Part[]) => parts.reduce((sum, part) => sum + textOf(part).length, 0);

/** The reveal of a message of which all `parts` are shown. */
export function revealed(id: string, parts: readonly Part[]): Reveal {
  const total = lengthOf(parts);
  return { id, parts, isCut: false, total, out: total, at: 0, due: 0 };
}

/**
 * `former` at `now`, when its message has `parts`; `limitMs` as in {@link letOut}. A part that is cut is still streaming. What
 * shows the same as in `former` is that same object, up to the list of parts.
 */
export function reveal(former: Reveal, parts: readonly Part[], limitMs: number, now: number): Reveal {
  const pace = letOut(former, lengthOf(parts), limitMs, now);
  const shown: Part[] = [];
  // The unit that is on its way counts as out.
  let left = pace.out + 1;
  let isCut = false;
  for (const [i, part] of parts.entries()) {
    const old = former.parts[i];
    // What stands behind hidden text waits for it, but for what was there before that text came.
    if (isCut && !old) break;
    const full = textOf(part);
    const text = cutText(full, Math.max(left, textOf(old).length));
    const isWhole = text === full;
    shown.push(isWhole ? part : keep(old, { ...part, text, state: "streaming" } as Part));
    left -= text.length;
    isCut ||= !isWhole;
  }
  return { ...pace, id: former.id, parts: keep(former.parts, shown), isCut };
}

/** `messages` with one of them as far as it is shown: one that is cut has not ended yet. */
export function withCut(messages: readonly ChatMessage[], message: ChatMessage, { parts }: Reveal): ChatMessage[] {
  const shown = { ...message, parts, createdAt: undefined, facts: undefined } as unknown as ChatMessage;
  return messages.map((each) => (each === message ? shown : each));
}

/**
 * Makes what is on the screen of messages: the live one as far as it is shown, and one whose turn has ended as live until all of
 * it is. Nothing is hidden where nobody looks or motion is unwanted, nor of what was there when the connection came up.
 * @param again hears each time that something is hidden
 */
export function createPacer({ pacing = true }: ChatClientOptions, { now: clock }: ClientDeps, again: () => void) {
  let former: Reveal | undefined;

  return (messages: ChatMessage[], turn: TurnView | null, connection: ConnectionState): ChatMessage[] => {
    const live = messages.find(({ id }) => id === turn?.messageId);
    const message = live ?? (former?.isCut && messages.find(({ id }) => id === former!.id));
    if (!message) return messages;
    const { id, parts } = message as { id: string; parts: Part[] };
    const now = clock();
    const { since = now } = connection as { since?: number };
    const isPaced = pacing && isSeen() && now - since >= CATCH_UP_MS && !page.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
    // What another message was continued from was seen before.
    if (id !== former?.id) former = revealed(id, parts.slice(0, turn?.base));
    former = reveal(former, parts, isPaced ? (live ? SPREAD_MS : END_SPREAD_MS) : 0, now);
    if (!former.isCut) return messages;
    again();
    return withCut(messages, message, former);
  };
}
