// What a JSON text that is still arriving says so far. For the beginning of a JSON text it gives what the AI SDK's
// `parsePartialJson` gives, so that a call's input looks the same through either fold while it streams.

/** An escape, an escape that is cut (with all that follows), or what gives a text its structure. */
const MARKS = /\\u[\da-f]{4}|\\[^u]|(\\[^]*)|["{}[\],]/gi;
/** What may be cut at the end of a text: a word of JSON, or what a number cannot end with. */
const CUT_LITERAL = /[-+.a-z]{1,5}$/i;

/** The texts that `text` may stand for, best first: as it is, with all that is open closed, without its last entry. */
function* readingsOf(text: string): Iterable<string> {
  yield text;
  /** What closes all that is open. */
  let end = "";
  let isString = false;
  /** Where the last entry of an object or array begins. */
  let entryAt = 0;
  const kept = text.replace(MARKS, (mark: string, cutEscape: string | undefined, index: number) => {
    if (cutEscape) return "";
    if (mark === '"') isString = !isString;
    else if (isString) return mark;
    else if (mark === ",") entryAt = index;
    else if (mark === "{" || mark === "[") {
      entryAt = index + 1;
      end = (mark === "{" ? "}" : "]") + end;
    } else end = end.slice(1);
    return mark;
  });
  const wordOf = (start: string) => ["true", "false", "null"].find((word) => word.startsWith(start)) ?? "";
  yield (isString ? `${kept}"` : kept.replace(CUT_LITERAL, wordOf)) + end;
  yield text.slice(0, entryAt) + end;
}

/** Refuses the keys through which a copy of the object could reach a prototype, as the AI SDK's parser does. */
function refuseUnsafe(key: string, value: unknown): unknown {
  if (key === "__proto__" || (key === "constructor" && Object.hasOwn(Object(value) as object, "prototype"))) throw key;
  return value;
}

/**
 * The value that `text`, the beginning of a JSON text, stands for so far: open strings, arrays and objects count as
 * closed, what is not yet readable is left out. Undefined when there is nothing readable. Never throws.
 */
export function parsePartialJson(text: string): unknown {
  // A reviver makes parsing slow, so it is used only where one of its keys can be.
  const reviver = /__proto__|constructor|\\u/.test(text) ? refuseUnsafe : undefined;
  for (const reading of readingsOf(text)) {
    try {
      return JSON.parse(reading, reviver) as unknown;
    } catch {
      // Expected for every text that is still arriving: the next reading says less.
    }
  }
  return undefined;
}
