// Bodies as they stand in rows: JSON text with a format number beside it. Reading tolerates everything, because one row that
// newer code wrote, or that was damaged, must never keep a thread from opening.

/** The format that {@link encodeBody} writes. It grows when the shape of stored bodies changes; reading keeps all older ones. */
export const BODY_FORMAT = 1;

/** A body as a row holds it. */
export interface EncodedBody {
  format: number;
  /** Well-formed JSON text: safe for SQLite as it is. May be long: pass it through the overflow table. */
  text: string;
}

/** A decoded body, or why there is none. The caller shows a placeholder for the latter and leaves the row as it is. */
export type DecodedBody =
  | { ok: true; value: unknown }
  | {
      ok: false;
      /** `unknown_format`: written by newer code, or no format at all. `invalid_json`: damaged, or a part of it is lost. */
      reason: "unknown_format" | "invalid_json";
      format: number;
    };

/**
 * Encodes a value for a row. What JSON leaves out (undefined, functions) is left out.
 * @throws {TypeError} for a value that has no JSON form at all: undefined, a function, a cycle, a bigint.
 */
export function encodeBody(value: unknown): EncodedBody {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`A body must have a JSON form; got ${typeof value}.`);
  return { format: BODY_FORMAT, text };
}

/** Decodes a body of any format up to ours. Never throws. The shape of the value is not checked. */
export function decodeBody(format: number, text: string): DecodedBody {
  if (!Number.isInteger(format) || format < 1 || format > BODY_FORMAT) return { ok: false, reason: "unknown_format", format };
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch {
    // A SyntaxError for damaged text (or a RangeError for absurd depth); which one makes no difference to who shows it.
    return { ok: false, reason: "invalid_json", format };
  }
}

/** The object in a small JSON column, null for anything else: damaged text must never keep a thread from opening. */
export function tryParseObject(text: string | null): object | null {
  try {
    const value: unknown = text === null ? null : JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null; // Damaged: as if it were not there.
  }
}
