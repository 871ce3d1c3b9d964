// Looks at every snapshot that a client shows. What it once showed as settled stays; what streams only grows, and is what
// the model said.
import { isDeepStrictEqual } from "node:util";
import type { ChatMessage, ChatSnapshot } from "../../src/client/types.ts";
import { isCall } from "../../src/protocol/tool-part.ts";
import type { Findings } from "./findings.ts";
import type { Version } from "./history-watch.ts";
import { rankOf } from "./log-watch.ts";

/** What each run of a turn has said so far, with what it went on from. */
export interface Model {
  /** What each run of a live message has said so far, with what it went on from. */
  saidOf(liveId: string): string[];
  /** True when a turn of it was run again, which may discard the last step of the run before. */
  isRerun(liveId: string): boolean;
  /** Every content that a message ever had in storage. */
  versionsOf(id: string): readonly Version[];
}

/** What all pages of a run have seen: nothing of it may ever be taken back. */
export class Seen {
  /** Messages that were shown as settled. */
  readonly settled = new Set<string>();
  /** The last live view of each message, by page: the longest that it showed. */
  readonly live = new Map<string, ChatMessage[]>();
}

export class PageWatch {
  readonly #name: string;
  readonly #seen: Seen;
  readonly #model: Model;
  readonly #findings: Findings;
  readonly #known = new WeakSet<ChatMessage>();
  #live: ChatMessage | null = null;
  /** Which version of a message was shown last. */
  readonly #versions = new Map<string, number>();
  snapshots = 0;

  constructor(name: string, seen: Seen, model: Model, findings: Findings) {
    this.#name = name;
    this.#seen = seen;
    this.#model = model;
    this.#findings = findings;
  }

  look({ messages, queue }: ChatSnapshot): void {
    this.snapshots++;
    const ids = [
      ...messages.map(({ id }) => id),
      ...queue.flatMap(({ messageId, kind }) => (kind === "send" || kind === "edit" ? [messageId] : [])),
    ];
    if (new Set(ids).size !== ids.length) this.#say("shown twice", `shows ${ids.join(", ")}`);
    for (const [index, message] of messages.entries()) {
      if (this.#known.has(message)) continue;
      this.#known.add(message);
      if (message.delivery !== undefined) continue;
      if (message.createdAt === undefined) this.#lookAtLive(message);
      else this.#lookAtSettled(message, messages[index - 1]);
    }
  }

  /** It is as it was stored at some time, and never as it was before the time that was shown. */
  #lookAtSettled(message: ChatMessage, before: ChatMessage | undefined): void {
    if (before && message.parent !== before.id) this.#say("tree", `shows ${message.id} of ${message.parent} under ${before.id}`);
    const { id, parts, metadata, facts = null, lastTurn = null } = message;
    const body = { parts, ...(metadata !== undefined ? { metadata } : {}) };
    const versions = this.#model.versionsOf(id);
    const shown = versions.findLastIndex(
      (version) =>
        isDeepStrictEqual(version.body, body) && isDeepStrictEqual(version.facts, facts) && isDeepStrictEqual(version.lastTurn, lastTurn),
    );
    if (shown < 0) this.#say("settled", `shows ${JSON.stringify(message)}, stored are ${JSON.stringify(versions)}`);
    if (shown < (this.#versions.get(id) ?? 0)) this.#say("settled", `shows ${id} as it was before: ${JSON.stringify(message)}`);
    this.#versions.set(id, Math.max(shown, 0));
    this.#seen.settled.add(id);
    if (this.#live?.id === id) this.#lookAtGrowth(this.#live, message);
  }

  #lookAtLive(message: ChatMessage): void {
    if (this.#live?.id === message.id) this.#lookAtGrowth(this.#live, message);
    this.#live = message;
    const said = this.#model.saidOf(message.id);
    const shown = textOf(message);
    // It may still show a run before the present one.
    const isSaid = shown === "" || said.some((text) => text.startsWith(shown));
    if (!isSaid) this.#say("live text", `shows "${tail(shown)}" of ${message.id}, said was "${said.map(tail).join('", "')}"`);
    const lives = this.#seen.live.get(message.id) ?? [];
    const mine = lives.findIndex((other) => (other as { page?: string }).page === this.#name);
    const noted = { ...message, page: this.#name };
    if (mine >= 0) lives[mine] = noted;
    else lives.push(noted);
    this.#seen.live.set(message.id, lives);
  }

  #lookAtGrowth(before: ChatMessage, now: ChatMessage): void {
    const lost = lostOf(this.#model.isRerun(now.id) ? lasting(before) : before, now);
    if (lost) this.#say("taken back", `of ${now.id}: ${lost}`);
  }

  #say(check: string, text: string): void {
    this.#findings.say(check, `${this.#name} ${text}`);
  }
}

/** What `now` lacks of what `before` showed of one message; null when it has all. */
export function lostOf(before: Pick<ChatMessage, "parts">, now: Pick<ChatMessage, "parts">): string | null {
  for (const [index, part] of before.parts.entries()) {
    // A notice ends a reply; one that goes on has none.
    if (part.type === "data-notice" && index === before.parts.length - 1) continue;
    const other = now.parts[index];
    // A step that shows nothing yet is no content.
    if (!before.parts.slice(index).some(isContent)) return null;
    if (other?.type !== part.type)
      return `part ${index} was ${JSON.stringify(part).slice(0, 200)}, is ${JSON.stringify(other)?.slice(0, 200)}`;
    if ("text" in part && !(other as { text: string }).text.startsWith(part.text))
      return `the text of part ${index} is not what it began with`;
    if ("toolCallId" in part) {
      const call = other as typeof part;
      if (call.toolCallId !== part.toolCallId) return `part ${index} is another call`;
      if (rankOf(call) < rankOf(part)) return `${part.toolCallId} went from ${part.state} to ${call.state}`;
      const isFinal = part.state.startsWith("output-") && !("preliminary" in part && part.preliminary === true);
      if (isFinal && !isDeepStrictEqual(part, call)) return `the outcome of ${part.toolCallId} changed`;
      const answer = part.approval as { approved?: boolean } | undefined;
      if (answer?.approved !== undefined && !isDeepStrictEqual(answer, call.approval)) return `the answer to ${part.toolCallId} changed`;
    }
  }
  return null;
}

/** True for a part that shows something. */
export function isContent(part: ChatMessage["parts"][number]): boolean {
  return part.type !== "step-start" && !("text" in part && part.text === "");
}

/** What another run of the turn leaves: all but a last step without a call, which it may discard. */
export function lasting({ parts }: Pick<ChatMessage, "parts">): Pick<ChatMessage, "parts"> {
  const step = parts.findLastIndex(({ type }) => type === "step-start");
  const hasCall = parts.slice(step + 1).some(isCall);
  return { parts: hasCall || step < 0 ? parts : parts.slice(0, step) };
}

/** The text parts of a message as one text. */
export function textOf({ parts }: Pick<ChatMessage, "parts">): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

function tail(text: string): string {
  return text.slice(-80);
}
