// What a JSON text that is still arriving says so far. For every text, also an invalid one, it gives what the AI SDK's
// `parsePartialJson` gives, odd cases included, so that a call's input looks the same through either fold.

/** What the next character is read as. */
type Mode = "value" | "item" | "first key" | "key" | "in key" | "colon" | "end" | "string" | "escape" | "hex" | "number" | "word";

/** The word of JSON that begins with `start`. */
const wordOf = (start: string): string | undefined => ["true", "false", "null"].find((word) => word.startsWith(start));

/** Cuts `text` after the last character that it can end with, and closes what is open there. */
function closeJson(text: string): string {
  let mode: Mode = "value";
  /** Length of the part of `text` that stays. */
  let kept = 0;
  /** Closing brackets of the open containers, innermost last. */
  const closers: string[] = [];
  let start = 0;
  let digits = 0;

  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    const closer = closers.at(-1);
    let keep = false;
    if (mode === "string") {
      keep = char !== "\\";
      mode = char === '"' ? "end" : keep ? mode : "escape";
    } else if (mode === "escape") {
      digits = 0;
      keep = char !== "u";
      mode = keep ? "string" : "hex";
    } else if (mode === "hex") {
      keep = /[\da-f]/i.test(char) && ++digits > 3;
      if (keep) mode = "string";
    } else if (mode === "in key") {
      if (char === '"') mode = "colon";
    } else if (mode === "colon") {
      if (char === ":") mode = "value";
    } else if (mode === "number" && /[\deE.-]/.test(char)) {
      keep = /\d/.test(char);
    } else if (mode === "word" && wordOf(text.slice(start, at + 1))) {
      keep = true;
    } else if (char === closer && mode !== "value" && mode !== "key") {
      closers.pop();
      keep = true;
      mode = "end";
    } else if (mode === "value" || mode === "item") {
      start = at;
      keep = /["{[\dtfn]/.test(char);
      if (char === '"') mode = "string";
      else if (char === "-" || /\d/.test(char)) mode = "number";
      else if (char === "{") mode = "first key";
      else if (char === "[") mode = "item";
      else if (keep) mode = "word";
      if (/[{[]/.test(char)) closers.push(char === "{" ? "}" : "]");
    } else if (mode === "key" || mode === "first key") {
      if (char === '"') mode = "in key";
    } else {
      // After a value. A number or word has no end of its own: it ends before what cannot belong to it.
      keep = mode === "end" && closer === "]" && char !== ",";
      mode = char !== "," || !closer ? "end" : closer === "}" ? "key" : "value";
    }
    if (keep) kept = at + 1;
  }

  const begun = text.slice(start);
  const rest = /string|escape|hex/.test(mode) ? '"' : mode === "word" ? wordOf(begun)!.slice(begun.length) : "";
  return text.slice(0, kept) + rest + closers.reverse().join("");
}

/** Refuses the keys through which a copy of the object could reach a prototype, as the AI SDK's parser does. */
function refuseUnsafe(key: string, value: unknown): unknown {
  if (key === "__proto__" || (key === "constructor" && value instanceof Object && Object.hasOwn(value, "prototype"))) throw key;
  return value;
}

/**
 * The value that `text`, the beginning of a JSON text, stands for so far: open strings, arrays and objects count as
 * closed, what is not yet readable is left out. Undefined when there is nothing readable. Never throws.
 */
export function parsePartialJson(text: string): unknown {
  // A reviver makes parsing slow, so it is used only where one of its keys can be.
  const reviver = /__proto__|constructor|\\u/.test(text) ? refuseUnsafe : undefined;
  try {
    return JSON.parse(text, reviver) as unknown;
  } catch {
    // Not JSON yet: expected for every text that is still arriving.
  }
  try {
    return JSON.parse(closeJson(text), reviver) as unknown;
  } catch {
    return undefined;
  }
}
