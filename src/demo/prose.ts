// Prose of an exact length: sentences from a small grammar, then one closing sentence that fills what is left.
// A word is what lies between white space. No word is longer than 16 characters, so the pacer never splits one.
import { createRandom, pick, type Random } from "./random.ts";

/** More words than this are not written in one answer. */
export const MAX_WORDS = 20_000;

const OPENERS = [
  "",
  "",
  "",
  "In the morning",
  "Late at night",
  "After the rain",
  "Now and then",
  "For a while",
  "Just before dawn",
] as const;
const SUBJECTS = [
  "the harbour master",
  "an old fisherman",
  "the lighthouse keeper",
  "a small dog",
  "the baker",
  "a night watchman",
  "the schoolteacher",
  "a patient cat",
  "the ferry captain",
] as const;
const VERBS = ["watched", "remembered", "followed", "sketched", "greeted", "counted", "forgot", "guarded", "described", "painted"] as const;
const OBJECTS = [
  "the last ferry",
  "a paper boat",
  "the quiet harbour",
  "every passing gull",
  "the same star",
  "a lost umbrella",
  "the distant bells",
  "an empty chair",
  "the long tide",
  "a borrowed lamp",
] as const;
const TAILS = [
  "",
  "without any hurry",
  "as always",
  "until the fog lifted",
  "from the old pier",
  "with a slow smile",
  "and said nothing",
  "for the third time",
  "in the blue light",
  "beside the open window",
  "and hummed a tune",
] as const;

/** `CLOSINGS[n - 1]` has exactly n words. The longest sentence of the grammar has 14, so 13 is the most that can be left. */
const CLOSINGS = [
  "Goodnight.",
  "The end.",
  "And that's all.",
  "Nothing else was needed.",
  "The rest can wait outside.",
  "By then the sea was quiet.",
  "Nobody in the harbour said a word.",
  "Then the light went on, and everyone slept.",
  "It was late, and the water kept its secrets.",
  "In the end the tide came back, as it does.",
  "That was the whole story, or as much as anyone knew.",
  "And when the morning came, the boats were all where they belonged.",
  "So they left the lamp burning, in case somebody was still out there.",
] as const;

function sentence(random: Random): string {
  const words = [pick(OPENERS, random), pick(SUBJECTS, random), pick(VERBS, random), pick(OBJECTS, random), pick(TAILS, random)];
  const text = words.filter((word) => word !== "").join(" ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** How many words `text` has. */
export function countWords(text: string): number {
  return text.split(/\s+/u).filter((word) => word !== "").length;
}

/** Exactly `words` words (bounded to 1 … {@link MAX_WORDS}) in paragraphs; `opening` is used first where it fits. */
export function writeProse(words: number, seed: number, opening = ""): string {
  const random = createRandom(seed);
  let left = Math.min(Math.max(Math.floor(words), 1), MAX_WORDS);
  let text = "";
  let sentences = 0;
  let next = opening !== "" && countWords(opening) <= left ? opening : sentence(random);
  while (left > 0) {
    const length = countWords(next);
    const chosen = length <= left ? next : (CLOSINGS[left - 1] ?? next);
    const gap = sentences === 0 ? "" : sentences % 5 === 0 ? "\n\n" : " ";
    text += gap + chosen;
    left -= Math.min(length, left);
    sentences += 1;
    next = sentence(random);
  }
  return text;
}
