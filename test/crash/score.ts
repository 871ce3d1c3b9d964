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
export function wordsOf({ tag, words }: Score): string[] {
  return Array.from({ length: words }, (_, index) => `${tag}:${index + 1} `);
}
