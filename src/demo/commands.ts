// The plain commands of the demo model: the list that is shown to people and the patterns that recognise them.
// Patterns run over the first 500 characters only, so that no message, however long, makes them slow.
import { MAX_WORDS } from "./prose.ts";

/** One thing to try with the demo model. */
export interface DemoCommand {
  /** What to send, ready to be used as it is. */
  example: string;
  /** What happens then, in one sentence. */
  description: string;
}

/**
 * What the demo model understands, for a help page or for suggestion chips. Every `example` is a message that works as it stands.
 * Case and a leading "please" do not matter. "… at N words per second" at the end of any message sets the pace of that answer.
 */
export const DEMO_COMMANDS: readonly DemoCommand[] = [
  { example: "say Hello from a Durable Object", description: "Answers with exactly the text after “say ”." },
  { example: "count to 20", description: "Counts from 1 to the number, up to 20,000." },
  { example: "write 300 words", description: "Writes exactly so many words, up to 20,000." },
  { example: "write 300 words at 100 words per second", description: "The same at another pace; works with every message." },
  { example: "think about the sea", description: "Streams reasoning first, then an answer." },
  {
    example: "use a tool",
    description: "Calls a bound tool: one that your message names, else the first. JSON after “with” is its input.",
  },
  { example: "roll a die", description: "Calls a bound tool with “roll” in its name, else the first." },
  { example: "weather in Paris", description: "Calls a bound tool with “weather” in its name, else the first." },
  { example: "markdown", description: "Answers with a list, a code block and bold text." },
  { example: "unicode", description: "Answers with emoji, Chinese, Japanese, Arabic and combining marks." },
  { example: "my name is Ada", description: "Remembers the name; ask “what is my name?” later." },
  { example: "what did I say first?", description: "Quotes your first message; without “first” the one before this." },
  { example: "how many messages", description: "Counts the messages that reached the model." },
  { example: "summarise our chat", description: "Sums up what you said so far." },
  { example: "continue", description: "Goes on with an answer that was cut off, at the exact place." },
  { example: "fail", description: "Fails before the first word." },
  { example: "fail after 12 words", description: "Writes so many words, then fails." },
  { example: "stall", description: "Says nothing: stop it, or watch it being given up." },
  { example: "stall after 12 words", description: "Writes so many words, then nothing: stop it, or watch it being given up." },
  { example: "What is chatcell?", description: "Explains; ask also about hibernation, resume, two tabs or a killed server." },
  { example: "help", description: "Lists these commands." },
];

/** Which tool a message asks for. */
export type ToolWish = "any" | "roll" | "weather";

/** A command as it was understood. */
export type Command =
  | { kind: "say"; text: string }
  | { kind: "count"; to: number }
  | { kind: "write"; words: number; topic: string }
  | { kind: "think"; topic: string }
  | { kind: "tool"; wish: ToolWish }
  | { kind: "cut"; how: "fail" | "stall"; afterWords: number }
  | { kind: "markdown" }
  | { kind: "unicode" }
  | { kind: "continue" };

/** A message, taken apart. */
export interface Request {
  /** The message without its pace. */
  text: string;
  /** Undefined for a message that is conversation and not a command. */
  command?: Command;
  wordsPerSecond?: number;
}

const HEAD_LENGTH = 500;
const TAIL_LENGTH = 80;
const PACE = /\sat\s+(\d{1,9}(?:\.\d{1,3})?)\s+words?\s+(?:per|a)\s+second[.!?]?\s*$/iu;
const POLITE = /^\s*(?:(?:please|now|can you|could you)[,\s]\s*)?/iu;
const SAY = /^say\s(?=[\s\S]*\S)/iu;
const SMALL_NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

type Rule = readonly [pattern: RegExp, read: (match: RegExpExecArray) => Command];

const RULES: readonly Rule[] = [
  [/^(fail|stall)(?:\s+after\s+(\d[\d,]{0,12})\s+words?)?[.!]*\s*$/iu, (match) => readCut(match[1] ?? "", match[2])],
  [/^count\s+(?:up\s+)?to\s+(?:(\d[\d,]{0,12})|([a-z]+))[.!]*\s*$/iu, (match) => ({ kind: "count", to: readNumber(match[1] ?? match[2]) })],
  [/^think(?:\s+(?:hard|aloud|carefully))?(?:\s+(?:about|on)\s+(.+?))?[.!?\s]*$/iu, (match) => ({ kind: "think", topic: match[1] ?? "" })],
  [
    /^(?:(?:show|use|with)\s+)?(?:me\s+)?(?:your\s+|some\s+)?reasoning(?:\s+(?:about|on)\s+(.+?))?[.!?\s]*$/iu,
    (match) => ({ kind: "think", topic: match[1] ?? "" }),
  ],
  [
    /\b(?:write|answer|story|essay|text)\b[^.?!]{0,80}?\b(\d[\d,]{0,12})[ -]words?\b(?:\s+(?:about|on)\s+([^.?!\n]{1,60}))?/iu,
    (match) => ({ kind: "write", words: readNumber(match[1]), topic: match[2] ?? "" }),
  ],
  [
    /^(?:(?:write|give|tell|show|send|i want|i need)\s+(?:me\s+)?)?(?:(?:a|one)\s+)?(?:very\s+)?long\s+(?:answer|text|story|reply)\b/iu,
    () => ({ kind: "write", words: 400, topic: "" }),
  ],
  [/\b(?:use|call|run|try)\s+(?:(?:a|an|the|your|some|any)\s+)?(?:[`\w-]+\s+)?tools?\b/iu, () => ({ kind: "tool", wish: "any" })],
  [/^roll\b|\b(?:roll|throw)\b[^.?!]{0,40}\b(?:die|dice|d\d{1,3})\b/iu, () => ({ kind: "tool", wish: "roll" })],
  [
    /^(?:(?:the|how is the|how(?:'s|’s) the|what is the|what(?:'s|’s) the)\s+)?weather\b|\bweather\s+(?:in|for|at)\b/iu,
    () => ({ kind: "tool", wish: "weather" }),
  ],
  [/^markdown\b|\b(?:in|some|use|me)\s+markdown\b/iu, () => ({ kind: "markdown" })],
  [/^(?:unicode|emojis?)\b|\b(?:some|use|me)\s+(?:unicode|emojis?)\b/iu, () => ({ kind: "unicode" })],
  [
    /^\W*(?:continue|go on|carry on|keep going)\b|\b(?:interrupted|cut off|stopped|broke off)\b.*\bcontinue\b|\bcontinue\b.*\b(?:interrupted|cut off|stopped|broke off|left off)\b/isu,
    () => ({ kind: "continue" }),
  ],
];

function readNumber(text: string | undefined): number {
  const word = (text ?? "").toLowerCase();
  const small = SMALL_NUMBERS.indexOf(word) + 1;
  const number = small > 0 ? small : Number(word.replaceAll(",", ""));
  return Number.isFinite(number) ? Math.min(Math.max(number, 1), MAX_WORDS) : 10;
}

function readCut(how: string, after: string | undefined): Command {
  return {
    kind: "cut",
    how: how.toLowerCase() === "fail" ? "fail" : "stall",
    afterWords: Number(after ?? 0) === 0 ? 0 : readNumber(after),
  };
}

/** Understands a message. Never throws, whatever the message holds. */
export function readRequest(message: string): Request {
  const pace = PACE.exec(message.slice(-TAIL_LENGTH));
  const text = pace === null ? message : message.slice(0, message.length - pace[0].length);
  const request: Request = { text };
  if (pace !== null) request.wordsPerSecond = Math.min(Math.max(Number(pace[1]), 0.1), 1_000_000);
  const body = text.replace(POLITE, "");
  if (SAY.test(body)) return { ...request, command: { kind: "say", text: body.slice("say ".length) } };
  const head = body.slice(0, HEAD_LENGTH);
  for (const [pattern, read] of RULES) {
    const match = pattern.exec(head);
    if (match !== null) return { ...request, command: read(match) };
  }
  return request;
}
