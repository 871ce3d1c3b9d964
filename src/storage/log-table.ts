// cc_log: the chunks of the live turn as JSON lines, in blocks of about 32 KB, so that a flush is one row write.
// A chunk that is larger than a block spans blocks; a block in which no chunk starts has no first_seq.
import { utf8Length } from "../protocol/bytes.ts";
import type { Chunk } from "../protocol/messages.ts";
import type { Database } from "./database.ts";
import { splitText } from "./overflow.ts";
import { tryParseObject } from "./row-codec.ts";

/** Target size of a block in UTF-8 bytes. Larger ones cost more to rewrite, smaller ones more rows at the end. */
const BLOCK_BYTES = 32_768;

/** Size of one piece of a chunk that does not fit a block: well under the platform's 2 MB row. */
const PIECE_BYTES = 524_288;

/** Where the next append goes. Kept by the turn's log in memory, read again after a wake. */
export interface LogTail {
  /** Number of the last block; 0 when there is none. */
  n: number;
  bytes: number;
}

export class LogTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Appends chunks, the first of which has seq `from`. One billed row for all that fits the last block or one new block. */
  append(tail: LogTail, turnId: string, from: number, chunks: readonly Chunk[]): LogTail {
    const text = chunks.map((chunk) => `${JSON.stringify(chunk)}\n`).join("");
    const bytes = utf8Length(text);
    if (tail.n > 0 && tail.bytes + bytes <= BLOCK_BYTES) {
      this.#db.run("UPDATE cc_log SET body = body || ? WHERE n = ?", text, tail.n);
      return { n: tail.n, bytes: tail.bytes + bytes };
    }
    let n = tail.n;
    for (const [index, piece] of splitText(text, PIECE_BYTES).entries()) {
      // Only the first piece is sure to begin with a chunk: a replay from inside the others starts there, and skips.
      this.#db.run("INSERT INTO cc_log (n, turn_id, first_seq, body) VALUES (?, ?, ?, ?)", ++n, turnId, index === 0 ? from : null, piece);
    }
    return { n, bytes };
  }

  /** The end of the stored log, for one that goes on after its process died. */
  tail(): LogTail {
    const row = this.#db.first<{ n: number; bytes: number }>(
      "SELECT n, length(CAST(body AS BLOB)) AS bytes FROM cc_log ORDER BY n DESC LIMIT 1",
    );
    return row ?? { n: 0, bytes: 0 };
  }

  /** Every stored chunk from `seq` on, in order, as far as they can be read. */
  readFrom(seq: number): Chunk[] {
    const rows = this.#db.all<{ first_seq: number | null; body: string }>(
      `SELECT first_seq, body FROM cc_log
       WHERE n >= coalesce((SELECT n FROM cc_log WHERE first_seq <= ? ORDER BY n DESC LIMIT 1), 0) ORDER BY n`,
      seq,
    );
    const first = rows[0]?.first_seq ?? null;
    return first === null ? [] : parseBlocks(rows).chunks.slice(Math.max(0, seq - first));
  }

  /** The whole log, as far as it can be read. */
  readAll(): { chunks: Chunk[]; isWhole: boolean } {
    return parseBlocks(this.#db.all<{ body: string }>("SELECT body FROM cc_log ORDER BY n"));
  }

  /** Drops the whole log. */
  clear(): void {
    this.#db.run("DELETE FROM cc_log");
  }
}

/** The chunks of consecutive blocks. At a damaged line what comes before it is kept, and nothing after it can be placed. */
function parseBlocks(rows: readonly { body: string }[]): { chunks: Chunk[]; isWhole: boolean } {
  const lines = rows
    .map(({ body }) => body)
    .join("")
    .split("\n");
  // Each chunk ends its line, so that after the last one there is nothing.
  const rest = lines.pop();
  const parsed = lines.map(tryParseObject);
  const damaged = parsed.indexOf(null);
  const chunks = (damaged === -1 ? parsed : parsed.slice(0, damaged)) as Chunk[];
  return { chunks, isWhole: damaged === -1 && rest === "" };
}
