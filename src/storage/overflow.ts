// Lossless continuation of text that is too long for one row: the head stays in the row of its own table, the rest goes to
// cc_overflow. The row stores how many pieces follow, so a text that fits costs no read and no write here.
import type { Database } from "./database.ts";

/** UTF-8 bytes of the long texts that one row may hold: half of what the platform takes, so that other columns always fit beside. */
export const MAX_TEXT_BYTES = 1_048_576;

/** For the first migration of chatcell's own scope. `n` counts from 1; piece 0 is the head in the row itself. */
export const CREATE_OVERFLOW_TABLE = `CREATE TABLE cc_overflow (
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  n INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (tbl, key, n)
) STRICT, WITHOUT ROWID`;

/** What the row of a long text stores: `head` in its text column, `overflow` in an INTEGER column of its own. */
export interface StoredText {
  head: string;
  /** How many pieces follow in `cc_overflow`; 0 for nearly every row. */
  overflow: number;
}

/**
 * Cuts a text into pieces of at most `maxBytes` UTF-8 bytes; joined they are the text. Never inside a code point. Lone
 * surrogates become U+FFFD first, as SQLite would make them, so that memory and storage agree. At least one piece.
 * @throws {RangeError} when `maxBytes` is under 4, the longest code point.
 */
export function splitText(text: string, maxBytes: number = MAX_TEXT_BYTES): string[] {
  if (maxBytes < 4) throw new RangeError(`maxBytes must be at least 4, got ${maxBytes}.`);
  const whole = toWellFormed(text);
  // A UTF-16 unit takes at most 3 bytes (a pair takes 4), so most texts need no measuring.
  if (whole.length * 3 <= maxBytes) return [whole];
  const encoder = new TextEncoder();
  const scratch = new Uint8Array(maxBytes);
  const pieces: string[] = [];
  let start = 0;
  while (start < whole.length) {
    // `encodeInto` stops before the first code point that does not fit. A unit takes at least one byte, so the slice is enough;
    // where it ends between the halves of a pair, the bytes ran out before that.
    const { read } = encoder.encodeInto(whole.slice(start, start + maxBytes), scratch);
    const end = start + read;
    pieces.push(whole.slice(start, end));
    start = end;
  }
  return pieces;
}

/**
 * Stores what does not fit into the row of (`tbl`, `key`) and returns what the row itself must store. Replaces the pieces of
 * an older text. Call it in the transaction that writes the row.
 * @param before pieces that the row has now, where the caller knows: 0 for a new row saves a statement. Without it, stale
 * pieces are looked for. A text that fits writes no row either way, unless there are stale pieces.
 * @param texts long texts of this row, which share what it may hold
 */
export function writeOverflow(db: Database, tbl: string, key: string, text: string, before?: number, texts = 1): StoredText {
  const pieces = splitText(text, MAX_TEXT_BYTES / texts);
  const overflow = pieces.length - 1;
  for (let n = 1; n <= overflow; n++) {
    db.run(
      "INSERT INTO cc_overflow (tbl, key, n, body) VALUES (?, ?, ?, ?) ON CONFLICT (tbl, key, n) DO UPDATE SET body = excluded.body",
      tbl,
      key,
      n,
      pieces[n]!,
    );
  }
  if (before === undefined || before > overflow) db.run("DELETE FROM cc_overflow WHERE tbl = ? AND key = ? AND n > ?", tbl, key, overflow);
  return { head: pieces[0]!, overflow };
}

/**
 * The whole text of a row. Costs nothing when `overflow` is 0, else one row read per piece. When pieces are lost, it returns
 * the text up to the gap: JSON cut there does not parse, so the row codec reports it and the thread still opens.
 */
export function readOverflow(db: Database, tbl: string, key: string, { head, overflow }: StoredText): string {
  if (overflow === 0) return head;
  const rows = db.all<{ n: number; body: string }>(
    "SELECT n, body FROM cc_overflow WHERE tbl = ? AND key = ? AND n BETWEEN 1 AND ? ORDER BY n",
    tbl,
    key,
    overflow,
  );
  const gap = rows.findIndex((row, index) => row.n !== index + 1);
  const intact = gap === -1 ? rows : rows.slice(0, gap);
  return head + intact.map(({ body }) => body).join("");
}

/** Deletes the pieces of one row. Pass the row's `overflow` where it is known: 0 saves the statement. */
export function dropOverflow(db: Database, tbl: string, key: string, overflow?: number): void {
  if (overflow !== 0) db.run("DELETE FROM cc_overflow WHERE tbl = ? AND key = ?", tbl, key);
}

/** Deletes the pieces of all rows of one table. */
export function dropTableOverflow(db: Database, tbl: string): void {
  db.run("DELETE FROM cc_overflow WHERE tbl = ?", tbl);
}

/** ES2024, in every supported runtime; the type library of this project ends at ES2023. */
function toWellFormed(text: string): string {
  return (text as string & { toWellFormed(): string }).toWellFormed();
}
