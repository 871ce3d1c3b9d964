// What a test asks the model of the fixture to play, as the text of the message: worker and test read the same words.

/** An answer of `words` words, one every `everyMs`, the first after `afterMs`. `tag` makes message and answer unlike all others. */
export interface Score {
  tag: string;
  words: number;
  everyMs: number;
  afterMs: number;
}

export function formatScore({ tag, words, everyMs, afterMs }: Score): string {
  return `${words} words of ${tag}, one every ${everyMs} ms, after ${afterMs} ms`;
}

export function readScore(text: string): Score {
  const match = /^(\d+) words of ([\w-]+), one every (\d+) ms, after (\d+) ms$/.exec(text);
  if (!match) throw new Error(`This is no score: ${text}`);
  return { words: Number(match[1]), tag: match[2]!, everyMs: Number(match[3]), afterMs: Number(match[4]) };
}

/** The whole answer, delta by delta. */
export function wordsOf({ tag, words }: Pick<Score, "tag" | "words">): string[] {
  return Array.from({ length: words }, (_, index) => `${tag}:${index + 1} `);
}

/** One call of a tool. `ms`: how long it is at work, outside. */
export interface ScoreCall {
  /** `book` acts, `search` is idempotent, `pay` acts and asks a person first. */
  tool: "book" | "search" | "pay";
  ms: number;
}

/** An answer in several steps: each is a call of the model, and ends with calls of tools; the last one is only text. */
export interface Errand {
  tag: string;
  /** Of all steps together. */
  words: number;
  steps: readonly Step[];
  /** How long each chunk of a tool is on its way from the model's stream to the reply: so long, tools run ahead of what is told. */
  lagMs: number;
}

export type Step = Omit<Score, "tag"> & { calls: readonly ScoreCall[] };

export function errandOf(tag: string, steps: readonly Step[], lagMs = 0): Errand {
  return { tag, words: steps.reduce((sum, { words }) => sum + words, 0), steps, lagMs };
}

export function isErrand(score: Score | Errand): score is Errand {
  return "steps" in score;
}

export function formatErrand(errand: Errand): string {
  return JSON.stringify(errand);
}

/** A score is an errand of one step. Null for a text that is neither. */
export function tryReadErrand(text: string): Errand | null {
  if (text.startsWith("{")) return JSON.parse(text) as Errand;
  if (!text.includes(" words of ")) return null;
  const { tag, ...step } = readScore(text);
  return errandOf(tag, [{ ...step, calls: [] }]);
}

/** What one step says, delta by delta: no word stands twice in an errand. */
export function wordsOfStep({ tag, steps }: Errand, step: number): string[] {
  const before = steps.slice(0, step).reduce((sum, { words }) => sum + words, 0);
  return wordsOf({ tag, words: before + steps[step]!.words }).slice(before);
}

/** What a tool is given: `what` names the call among all calls of all tests, see {@link stepOfCall}. */
export interface CallInput {
  what: string;
  ms: number;
}

export function callsOfStep({ tag, steps }: Errand, step: number): { tool: ScoreCall["tool"]; input: CallInput }[] {
  return steps[step]!.calls.map(({ tool, ms }, index) => ({ tool, input: { what: `${tag}/${step}/${index}`, ms } }));
}

/** The step that a call belongs to, from the `what` of its input. */
export function stepOfCall({ what }: Pick<CallInput, "what">): number {
  return Number(what.split("/")[1]);
}
