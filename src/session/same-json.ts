// Whether two values are the same once they are JSON, in whatever order their keys stand.

type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

/** True when both have the same JSON form, apart from the order of keys. Values without a JSON form are like nothing. */
export function isSameJson(a: unknown, b: unknown): boolean {
  try {
    return isEqual(plain(a), plain(b));
  } catch {
    // A cycle, a bigint, a `toJSON` that throws: not to be compared.
    return false;
  }
}

function plain(value: unknown): Json {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? null : (JSON.parse(text) as Json);
}

function isEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as { [key: string]: Json | undefined };
  const right = b as { [key: string]: Json | undefined };
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => Object.hasOwn(right, key) && isEqual(left[key], right[key]));
}
