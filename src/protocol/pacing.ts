// How text that arrives in flushes is let out evenly, so that it reads as it was written. Pure arithmetic, for a page that
// reveals a message and for a stream that passes chunks on.

/** Longest time that text is held: the steady interval of flushes. */
export const SPREAD_MS = 500;
/** The same once the turn has ended. */
export const END_SPREAD_MS = 250;

/** How far a text is out. Lengths are UTF-16 units, times epoch ms. */
export interface Pace {
  /** Length of the text so far. */
  readonly total: number;
  /** Length that is out at `at`. A fraction, so that slow text is even, too; the unit that it falls in is out. */
  readonly out: number;
  readonly at: number;
  /** When all is out. */
  readonly due: number;
}

/**
 * `former` at `now`, when the text is of length `total`. What is new is spread over `limitMs`, together with what is not out
 * yet; a lower limit, down to 0, also hurries what came before. Setting the clock back cannot stop it.
 */
export function letOut(former: Pace, total: number, limitMs: number, now: number): Pace {
  const hasMore = total > former.total;
  const at = hasMore ? now : former.at;
  const due = Math.min(hasMore ? Infinity : former.due, now + limitMs);
  const out = due > now ? former.out + ((total - former.out) * (now - at)) / (due - at) : total;
  return { total, out, at: now, due };
}

/** The first `length` units of `text`, and one more rather than half of a surrogate pair. */
export function cutText(text: string, length: number): string {
  return text.slice(0, length + +/[\udc00-\udfff]/.test(text.charAt(length)));
}
