import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Database, type ObjectStorage } from "../../../src/storage/database.ts";
import { dropOverflow, dropTableOverflow, MAX_TEXT_BYTES, readOverflow, splitText, writeOverflow } from "../../../src/storage/overflow.ts";
import { LIBRARY_MIGRATIONS } from "../../../src/storage/schema.ts";
import { createSchema } from "../../../src/storage/migrate.ts";
import { record, type WithStorage } from "../../support/storage-probes.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text).byteLength;
/** Any UTF-16, lone surrogates included, with all lengths of UTF-8 mixed. */
const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom("a", "é", "€", "😀", "👩‍🚀", "\ud83d", "\ude00", "\u0000", "\ufffd"),
    fc.string({ unit: "binary", maxLength: 1 }),
  ),
  maxLength: 200,
});

function prepare(storage: ObjectStorage): Database {
  const db = new Database(storage);
  createSchema(db, { library: LIBRARY_MIGRATIONS, app: [], now: () => 1, mode: "strict", report: () => {} });
  return db;
}

function splitSuite(): void {
  describe("splitText", () => {
    test("cuts any text into pieces that fit, are well-formed and join to the text as SQLite keeps it", () => {
      fc.assert(
        fc.property(anyText, fc.integer({ min: 4, max: 64 }), (text, maxBytes) => {
          const pieces = splitText(text, maxBytes);
          expect(pieces.join("")).toBe(new TextDecoder("utf-8", { ignoreBOM: true, fatal: false }).decode(new TextEncoder().encode(text)));
          for (const piece of pieces) {
            expect(bytesOf(piece)).toBeLessThanOrEqual(maxBytes);
            // A half of a pair would not survive the round trip through UTF-8.
            expect(new TextDecoder("utf-8", { ignoreBOM: true, fatal: false }).decode(new TextEncoder().encode(piece))).toBe(piece);
          }
          // No piece could have taken the next code point: the pieces are as few as a greedy cut makes them.
          pieces.slice(0, -1).forEach((piece, index) => {
            const next = String.fromCodePoint(pieces[index + 1]!.codePointAt(0)!);
            expect(bytesOf(piece + next)).toBeGreaterThan(maxBytes);
          });
        }),
        { numRuns: 500 },
      );
    });

    test("keeps a text of exactly the limit whole and cuts one byte more", () => {
      expect(splitText("é".repeat(5), 10)).toEqual(["é".repeat(5)]);
      expect(splitText(`${"é".repeat(5)}a`, 10)).toEqual(["é".repeat(5), "a"]);
      expect(splitText("", 4)).toEqual([""]);
    });

    test("never cuts inside a pair, also where one byte of it would still fit", () => {
      expect(splitText("aaa😀aaa😀", 6)).toEqual(["aaa", "😀aa", "a😀"]);
    });

    test("refuses a limit that the longest code point does not fit in", () => {
      expect(() => splitText("😀", 3)).toThrow(RangeError);
    });
  });
}

function storeSuite(withStorage: WithStorage): void {
  const testDb = (name: string, body: (db: Database, storage: ObjectStorage) => void) =>
    test(name, () => withStorage((storage) => body(prepare(storage), storage)));
  const count = (db: Database) => db.first<{ n: number }>("SELECT count(*) AS n FROM cc_overflow")!.n;
  const long = (fill: string, bytes: number) => fill.repeat(Math.ceil(bytes / bytesOf(fill)));

  describe("long text", () => {
    testDb("comes back whole from a head and its pieces", (db) => {
      const text = long("€uro 😀 ", 2.5 * MAX_TEXT_BYTES);
      const stored = writeOverflow(db, "cc_message", "m1", text);
      expect(stored.overflow).toBe(2);
      expect(bytesOf(stored.head)).toBeLessThanOrEqual(MAX_TEXT_BYTES);
      expect(readOverflow(db, "cc_message", "m1", stored)).toBe(text);
    });

    testDb("keeps texts of the same key in two tables apart", (db) => {
      const [a, b] = [long("a", MAX_TEXT_BYTES + 1), long("b", MAX_TEXT_BYTES + 2)];
      const first = writeOverflow(db, "cc_message", "1", a);
      const second = writeOverflow(db, "cc_turn", "1", b);
      expect(readOverflow(db, "cc_message", "1", first)).toBe(a);
      expect(readOverflow(db, "cc_turn", "1", second)).toBe(b);
      dropOverflow(db, "cc_message", "1");
      expect(readOverflow(db, "cc_turn", "1", second)).toBe(b);
    });

    testDb("is replaced by a shorter and by a longer one, with no stale piece left", (db) => {
      const write = (fill: string, pieces: number, before?: number) => {
        const text = long(fill, pieces * MAX_TEXT_BYTES);
        const { head, overflow } = writeOverflow(db, "cc_message", "m", text, before);
        expect(overflow).toBe(pieces - 1);
        expect(readOverflow(db, "cc_message", "m", { head, overflow })).toBe(text);
        expect(count(db)).toBe(overflow);
        return overflow;
      };
      const before = write("a", 3);
      write("b", 2, before);
      write("c", 4, 1);
      write("d", 1);
    });

    testDb("goes when its row goes, alone or with its table", (db) => {
      const text = long("a", 2 * MAX_TEXT_BYTES);
      for (const key of ["1", "2", "3"]) writeOverflow(db, "cc_message", key, text);
      dropOverflow(db, "cc_message", "2", 1);
      expect(count(db)).toBe(2);
      dropTableOverflow(db, "cc_message");
      expect(count(db)).toBe(0);
    });

    testDb("whose pieces were lost reads as a strict beginning, never with a hole", (db) => {
      const text = long("a", MAX_TEXT_BYTES) + long("b", MAX_TEXT_BYTES) + long("c", MAX_TEXT_BYTES);
      const { head, overflow } = writeOverflow(db, "cc_message", "m", text);
      db.run("DELETE FROM cc_overflow WHERE n = 1");
      expect(readOverflow(db, "cc_message", "m", { head, overflow })).toBe(long("a", MAX_TEXT_BYTES));
    });
  });

  describe("short text", () => {
    testDb("costs no row and, for a row that is known to have no piece, no statement", (_db, storage) => {
      const watched = record(storage);
      const db = new Database(watched);
      expect(writeOverflow(db, "cc_message", "m", "short", 0)).toEqual({ head: "short", overflow: 0 });
      expect(readOverflow(db, "cc_message", "m", { head: "short", overflow: 0 })).toBe("short");
      dropOverflow(db, "cc_message", "m", 0);
      expect(watched.queries).toEqual([]);
      writeOverflow(db, "cc_message", "m", "short");
      expect(db.usage.rowsWritten).toBe(0);
    });

    testDb("with lone surrogates is returned as SQLite keeps it", (db) => {
      const { head } = writeOverflow(db, "cc_message", "m", "a\ud83dz\ude00");
      expect(head).toBe("a\ufffdz\ufffd");
      expect(db.first<{ kept: string }>("SELECT ? AS kept", head)?.kept).toBe(head);
    });
  });
}

/** Long text over any storage: cut, stored, read back, replaced. */
export function overflowSuite(withStorage: WithStorage): void {
  splitSuite();
  storeSuite(withStorage);
}
