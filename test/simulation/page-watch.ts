// Looks at every snapshot that a client shows. What it once showed as settled stays; what streams only grows, and is what
// the model said.
import type { ChatMessage, ChatSnapshot } from "../../src/client/types.ts";
import type { Findings } from "./findings.ts";

/** What each run of a turn has said so far, with what it went on from. */
export interface Model {
  saidOf(turnId: string): string[];
  /** True when the turn was run again, which may discard the last step of the run before. */
  isRerun(turnId: string): boolean;
}

/** What all pages of a run have seen: nothing of it may ever be taken back. */
export class Seen {
  /** Settled messages without their facts, as JSON. */
  readonly settled = new Map<string, string>();
  readonly facts = new Map<string, string>();
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
  snapshots = 0;

  constructor(name: string, seen: Seen, model: Model, findings: Findings) {
    this.#name = name;
    this.#seen = seen;
    this.#model = model;
    this.#findings = findings;
  }

  look({ messages, queue }: ChatSnapshot): void {
    this.snapshots++;
    const ids = [...messages.map(({ id }) => id), ...queue.map(({ messageId }) => messageId)];
    if (new Set(ids).size !== ids.length) this.#say("shown twice", `shows ${ids.join(", ")}`);
    for (const [index, message] of messages.entries()) {
      if (this.#known.has(message)) continue;
      this.#known.add(message);
      if (message.delivery !== undefined) continue;
      if (message.createdAt === undefined) this.#lookAtLive(message);
      else this.#lookAtSettled(message, messages[index - 1]);
    }
  }

  #lookAtSettled({ facts, ...message }: ChatMessage, before: ChatMessage | undefined): void {
    if (before && message.parent !== before.id) this.#say("tree", `shows ${message.id} of ${message.parent} under ${before.id}`);
    const content = JSON.stringify(message);
    const former = this.#seen.settled.get(message.id);
    if (former === undefined) this.#seen.settled.set(message.id, content);
    else if (!equal(former, content)) this.#say("settled", `shows ${content}, shown before was ${former}`);
    if (this.#live?.id === message.id) this.#lookAtGrowth(this.#live, message);
    if (!facts) return;
    const told = this.#seen.facts.get(message.id);
    if (told === undefined) this.#seen.facts.set(message.id, JSON.stringify(facts));
    else if (!equal(told, JSON.stringify(facts))) this.#say("settled", `shows facts ${JSON.stringify(facts)}, shown before were ${told}`);
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
    const other = now.parts[index];
    if (other?.type !== part.type)
      return `part ${index} was ${JSON.stringify(part).slice(0, 200)}, is ${JSON.stringify(other)?.slice(0, 200)}`;
    if ("text" in part && !(other as { text: string }).text.startsWith(part.text))
      return `the text of part ${index} is not what it began with`;
    if ("toolCallId" in part) {
      const call = other as typeof part;
      if (call.toolCallId !== part.toolCallId) return `part ${index} is another call`;
      if (part.state.startsWith("output-") && JSON.stringify(part.output) !== JSON.stringify(call.output))
        return `the output of ${part.toolCallId} changed`;
    }
  }
  return null;
}

/** What another run of the turn leaves: all but a last step without a call, which it may discard. */
export function lasting({ parts }: Pick<ChatMessage, "parts">): Pick<ChatMessage, "parts"> {
  const step = parts.findLastIndex(({ type }) => type === "step-start");
  const hasCall = parts.slice(step + 1).some((part) => "toolCallId" in part);
  return { parts: hasCall || step < 0 ? parts : parts.slice(0, step) };
}

/** The text parts of a message as one text. */
export function textOf({ parts }: Pick<ChatMessage, "parts">): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** Equal as JSON values, whatever the order of keys. */
export function equal(a: string, b: string): boolean {
  return a === b || JSON.stringify(sorted(JSON.parse(a))) === JSON.stringify(sorted(JSON.parse(b)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

function tail(text: string): string {
  return text.slice(-80);
}
