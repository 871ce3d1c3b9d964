// Half a surrogate pair is legal in a JavaScript string and written by JSON.stringify, but strict JSON parsers, among them
// those of providers, refuse the whole request for it. It comes from text that was cut between the halves of an emoji.

/** Applies `change` to each entry; the same array when every entry stays as it is. Entries for which it gives undefined go. */
export function mapShared<T>(list: readonly T[], change: (entry: T, index: number) => T | undefined): T[] {
  let isSame = true;
  const changed: T[] = [];
  list.forEach((entry, index) => {
    const next = change(entry, index);
    if (next !== entry) isSame = false;
    if (next !== undefined) changed.push(next);
  });
  return isSame ? (list as T[]) : changed;
}

/** Whether no text in the JSON value, keys included, has a lone surrogate. Makes no copy: most values are as they should be. */
function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isWellFormed);
  return Object.keys(value).every((key) => key.isWellFormed() && isWellFormed((value as Record<string, unknown>)[key]));
}

function toWellFormed(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(toWellFormed);
  // From entries, so that a key named `__proto__` stays an ordinary one.
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.toWellFormed(), toWellFormed(inner)]));
}

/** The JSON value with U+FFFD for each lone surrogate, in keys too; the same value when it has none. Changes nothing in place. */
export function wellFormed<T>(value: T): T {
  return isWellFormed(value) ? value : (toWellFormed(value) as T);
}
