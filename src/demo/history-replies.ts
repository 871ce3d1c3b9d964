// Answers that come from the conversation itself. They prove that history reached the model, so they quote it exactly.
import type { Conversation } from "./conversation.ts";

const MAX_QUOTE = 400;
const HEAD_LENGTH = 500;
/** The first word of a name may be small; the words after it belong to it only when they begin with a capital. */
const NAME = /\b[Mm]y [Nn]ame(?: is|['’]s)\s+([\p{L}\p{M}][\p{L}\p{M}'’-]{0,40}(?: \p{Lu}[\p{L}\p{M}'’-]{0,40}){0,2})/u;

/** Cuts a text to about so many characters, at a code point. */
export function shorten(text: string, limit = MAX_QUOTE): string {
  const flat = text.trim();
  if (flat.length <= limit) return flat;
  return `${flat.slice(0, limit).replace(/[\uD800-\uDBFF]$/u, "")}…`;
}

/** The name that the person gave last, if any. */
export function knownName(said: readonly string[]): string | undefined {
  for (let index = said.length - 1; index >= 0; index -= 1) {
    const name = NAME.exec((said[index] ?? "").slice(0, HEAD_LENGTH))?.[1];
    if (name !== undefined) return name;
  }
  return undefined;
}

/** An answer about the conversation, or undefined when the last message does not ask for one. */
export function historyReply({ said, answered }: Conversation): string | undefined {
  const text = (said.at(-1) ?? "").slice(0, HEAD_LENGTH);
  const earlier = said.slice(0, -1);
  if (/\b(?:what(?:'s|’s| is) my name|who am i|(?:do you )?(?:know|remember) my name)\b/iu.test(text)) return nameReply(earlier);
  if (NAME.test(text))
    return `Nice to meet you, ${NAME.exec(text)?.[1] ?? "friend"}. Ask me for your name later: it is in this thread now.`;
  if (/\bhow many messages\b/iu.test(text)) return countReply(said.length, answered.length);
  if (/\bwhat did you (?:just )?say\b|\brepeat (?:that|yourself|your (?:last )?answer)\b/iu.test(text))
    return quoteReply("My last answer was", answered.at(-1));
  if (/\bwhat did i (?:just )?say\b|\b(?:repeat|tell me) what i (?:just )?said\b|\bmy (?:first|last) message\b/iu.test(text)) {
    if (/\bfirst\b/iu.test(text)) return quoteReply("You said first", earlier[0]);
    return quoteReply("Just before this, you said", earlier.at(-1));
  }
  if (/\b(?:summari[sz]e|summary|sum up)\b/iu.test(text)) return summaryReply(said);
  return undefined;
}

function nameReply(earlier: readonly string[]): string {
  const name = knownName(earlier);
  return name === undefined
    ? "You have not told me your name in this thread. Say “my name is …”, and I will know."
    : `Your name is ${name}. You told me in this thread.`;
}

function countReply(fromUser: number, fromModel: number): string {
  return `I can see ${fromUser + fromModel} messages: ${fromUser} from you, this one included, and ${fromModel} from me.`;
}

function quoteReply(opening: string, quoted: string | undefined): string {
  if (quoted === undefined) return "Nothing came before this message, as far as I can see.";
  return quoted.trim() === "" ? `${opening} something without words.` : `${opening}: “${shorten(quoted)}”`;
}

function summaryReply(said: readonly string[]): string {
  const earlier = said.slice(0, -1).filter((text) => text.trim() !== "");
  if (earlier.length === 0) return `There is little to sum up yet: ${shorten(said.at(-1) ?? "", 200)}`;
  const shown = earlier.slice(-8).map((text) => `- ${shorten(text, 100).replaceAll("\n", " ")}`);
  const omitted = earlier.length - shown.length;
  return `In short, you wrote to me about this${omitted > 0 ? ` (and ${omitted} earlier messages)` : ""}:\n\n${shown.join("\n")}`;
}
