import { describe, expect, test } from "vitest";
import { Database, MAX_SQL_PARAMS, type SqlParam } from "../../../src/storage/database.ts";
import type { WithStorage } from "../../support/storage-probes.ts";

const NOTES = "CREATE TABLE note (id INTEGER PRIMARY KEY, body)";

/** What workerd would bind as NULL, as text or with lost digits, and SQLite cannot keep. */
const HOSTILE: [string, unknown, RegExp][] = [
  ["undefined", undefined, /parameter 2 is undefined/],
  ["NaN", NaN, /parameter 2 is NaN/],
  ["an infinite number", -Infinity, /parameter 2 is -Infinity/],
  ["an integer beyond 2^53", 2 ** 53, /loses digits/],
  ["a bigint", 1n, /a bigint/],
  ["a boolean", true, /a boolean/],
  ["a date", new Date(0), /an object/],
  ["an array", [1], /an object/],
  ["a symbol", Symbol("x"), /a symbol/],
  ["a function", () => 1, /a function/],
  ["a text over the row limit", "x".repeat(2_000_001), /cc_overflow/],
  ["a blob over the row limit", new Uint8Array(2_000_001), /limit is 2000000/],
];

/** The contract of `Database` over any storage. */
export function databaseSuite(withStorage: WithStorage): void {
  const testDb = (name: string, body: (db: Database) => void) => test(name, () => withStorage((storage) => body(new Database(storage))));

  describe("statements", () => {
    testDb("returns all rows, the first row, and undefined for none", (db) => {
      db.run(NOTES);
      db.run("INSERT INTO note (id, body) VALUES (?, ?), (?, ?)", 1, "a", 2, "b");
      expect(db.all("SELECT id, body FROM note ORDER BY id")).toEqual([
        { id: 1, body: "a" },
        { id: 2, body: "b" },
      ]);
      expect(db.first<{ body: string }>("SELECT body FROM note WHERE id = ?", 2)?.body).toBe("b");
      expect(db.first("SELECT body FROM note WHERE id = ?", 3)).toBeUndefined();
    });

    testDb("keeps null, fractions, the largest safe integer, emoji and bytes as they are", (db) => {
      db.run("CREATE TABLE kept (a, b REAL, c INTEGER, d TEXT, e BLOB, f BLOB)");
      const bytes = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
      db.run("INSERT INTO kept VALUES (?, ?, ?, ?, ?, ?)", null, 0.1, Number.MAX_SAFE_INTEGER, "👩‍🚀\n", bytes, bytes.slice().buffer);
      const row = db.first<{ a: null; b: number; c: number; d: string; e: ArrayBuffer; f: ArrayBuffer }>("SELECT * FROM kept")!;
      expect([row.a, row.b, row.c, row.d]).toEqual([null, 0.1, Number.MAX_SAFE_INTEGER, "👩‍🚀\n"]);
      expect([[...new Uint8Array(row.e)], [...new Uint8Array(row.f)]]).toEqual([
        [1, 2, 3],
        [1, 2, 3],
      ]);
    });

    testDb("runs several statements of one text, past semicolons in strings, comments and triggers", (db) => {
      db.run(`
        -- first; not a statement
        CREATE TABLE a (x TEXT); /* nor; this */
        CREATE TABLE b (x TEXT);
        CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO b VALUES (new.x || ';'); INSERT INTO b VALUES ('?'); END;
        INSERT INTO a VALUES ('x;y');
      `);
      expect(db.all("SELECT x FROM b")).toEqual([{ x: "x;y;" }, { x: "?" }]);
    });

    testDb("counts the rows that it wrote", (db) => {
      db.run(NOTES);
      const before = db.usage.rowsWritten;
      db.run("INSERT INTO note (id, body) VALUES (1, 'a'), (2, 'b')");
      expect(db.usage.rowsWritten - before).toBe(2);
      db.all("SELECT * FROM note");
      expect(db.usage.rowsWritten - before).toBe(2);
    });

    testDb("takes a hundred parameters and refuses one more", (db) => {
      const params = Array.from({ length: MAX_SQL_PARAMS }, (_, index) => index);
      const marks = params.map(() => "?").join(",");
      expect(db.first<{ most: number }>(`SELECT max(${marks}) AS most`, ...params)?.most).toBe(99);
      expect(() => db.all(`SELECT max(${marks},?)`, ...params, 100)).toThrow(TypeError);
    });

    for (const [name, value, message] of HOSTILE) {
      testDb(`refuses ${name} as a parameter and runs nothing`, (db) => {
        db.run(NOTES);
        const insert = () => db.run("INSERT INTO note (id, body) VALUES (?, ?)", 1, value as SqlParam);
        expect(insert).toThrow(TypeError);
        expect(insert).toThrow(message);
        expect(db.all("SELECT * FROM note")).toEqual([]);
      });
    }

    for (const query of ["BEGIN", "SAVEPOINT s", "PRAGMA user_version = 3", "-- c\n VACUUM", "SELECT 1; COMMIT"]) {
      testDb(`runs on a storage that refuses ${JSON.stringify(query)}`, (db) => {
        expect(() => db.run(query)).toThrow();
      });
    }

    testDb("runs on a storage that refuses a wrong number of parameters", (db) => {
      db.run(NOTES);
      expect(() => db.run("INSERT INTO note (id, body) VALUES (?, '?')")).toThrow();
      expect(() => db.run("INSERT INTO note (id, body) VALUES (1, '?')", 1)).toThrow();
      db.run("INSERT INTO note (id, body) VALUES (?2, ?1 || '?' || ?1)", "a", 2);
      expect(db.all("SELECT * FROM note")).toEqual([{ id: 2, body: "a?a" }]);
    });
  });

  describe("transactions", () => {
    testDb("returns the function's result and keeps its writes", (db) => {
      expect(
        db.transaction(() => {
          db.run(NOTES);
          return 7;
        }),
      ).toBe(7);
      expect(db.all("SELECT * FROM note")).toEqual([]);
    });

    testDb("undoes writes and DDL when the function throws, and passes the error on", (db) => {
      const fault = new Error("late");
      expect(() =>
        db.transaction(() => {
          db.run(NOTES);
          db.run("INSERT INTO note VALUES (1, 'a')");
          throw fault;
        }),
      ).toThrow(fault);
      expect(db.first("SELECT 1 FROM sqlite_master WHERE name = 'note'")).toBeUndefined();
    });

    testDb("undoes only the inner transaction when the outer one catches", (db) => {
      db.run(NOTES);
      db.transaction(() => {
        db.run("INSERT INTO note VALUES (1, 'outer')");
        expect(() =>
          db.transaction(() => {
            db.run("INSERT INTO note VALUES (2, 'inner')");
            throw new Error("inner");
          }),
        ).toThrow("inner");
        db.run("INSERT INTO note VALUES (3, 'after')");
      });
      expect(db.all("SELECT id FROM note ORDER BY id")).toEqual([{ id: 1 }, { id: 3 }]);
    });

    testDb("undoes a committed inner transaction when the outer one throws", (db) => {
      db.run(NOTES);
      expect(() =>
        db.transaction(() => {
          db.transaction(() => db.run("INSERT INTO note VALUES (1, 'inner')"));
          throw new Error("outer");
        }),
      ).toThrow("outer");
      expect(db.all("SELECT id FROM note")).toEqual([]);
    });

    testDb("refuses an async function and undoes what it did before its first await", (db) => {
      db.run(NOTES);
      expect(() =>
        db.transaction(async () => {
          db.run("INSERT INTO note VALUES (1, 'a')");
        }),
      ).toThrow(TypeError);
      expect(db.all("SELECT id FROM note")).toEqual([]);
    });
  });
}
