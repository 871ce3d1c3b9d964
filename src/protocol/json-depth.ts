// How deep a JSON text nests, told from the text: what is too deep never reaches the parser.

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN = new Set([91, 123]);
const CLOSE = new Set([93, 125]);

/** Calls `at` for each bracket outside of strings with its index and the depth behind it, until that answers true: then true. */
function someBracket(text: string, at: (index: number, depth: number, isOpening: boolean) => boolean): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === BACKSLASH) i++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (OPEN.has(code)) {
      if (at(i, ++depth, true)) return true;
    } else if (CLOSE.has(code) && at(i, --depth, false)) return true;
  }
  return false;
}

/** True when arrays and objects nest more than `maxDepth` levels deep. */
export function isDeeperThan(text: string, maxDepth: number): boolean {
  return someBracket(text, (_index, depth) => depth > maxDepth);
}

/** A JSON text with `null` in the place of each array and object in it: as long as the text is JSON, that is, too. */
export function withoutNested(text: string): string {
  let flat = "";
  let from = 0;
  someBracket(text, (index, depth, isOpening) => {
    if (isOpening && depth === 2) flat += `${text.slice(from, index)}null`;
    if (!isOpening && depth === 1) from = index + 1;
    return false;
  });
  return flat + text.slice(from);
}
