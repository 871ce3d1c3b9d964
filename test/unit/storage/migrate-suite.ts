import { describe, expect, test } from "vitest";
import { Database, type ObjectStorage } from "../../../src/storage/database.ts";
import { createSchema, isBlank, openSchema, type SchemaPlan, type SchemaProblem } from "../../../src/storage/migrate.ts";
import type { Migration, MigrationScope } from "../../../src/storage/migration.ts";
import { dump, failAfter, InjectedFailure, record, type WithStorage } from "../../support/storage-probes.ts";

const LIBRARY: Migration[] = [
  { id: 1, name: "base", sql: ["CREATE TABLE cc_a (x TEXT)", "CREATE INDEX cc_a_x ON cc_a (x)", "INSERT INTO cc_a VALUES ('1')"] },
  { id: 2, name: "more", sql: ["ALTER TABLE cc_a ADD COLUMN y TEXT", "UPDATE cc_a SET y = x || '!'"] },
  { id: 4, name: "rebuild", sql: ["CREATE TABLE cc_b (z TEXT)", "INSERT INTO cc_b SELECT y FROM cc_a", "DROP INDEX cc_a_x"] },
];
const APP: Migration[] = [
  { id: 1, name: "tasks", sql: "CREATE TABLE tasks (id TEXT PRIMARY KEY); -- the app's;\nINSERT INTO tasks VALUES ('t;1')" },
  { id: 2, name: "notes", sql: ["CREATE TABLE notes (id TEXT)", "INSERT INTO notes SELECT id FROM tasks"] },
];

function planOf(parts: Partial<SchemaPlan> = {}): SchemaPlan {
  const report = (problem: SchemaProblem) => {
    throw new Error(`unexpected report: ${JSON.stringify(problem)}`);
  };
  return { library: LIBRARY, app: APP, now: () => 1_000, mode: "strict", report, ...parts };
}

const coded = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, ...(message && { message: expect.stringMatching(message) }) });
const appliedIds = (db: Database) =>
  db
    .all<{ scope: MigrationScope; id: number }>("SELECT scope, id FROM cc_migration ORDER BY scope DESC, id")
    .map(({ scope, id }) => `${scope} ${id}`);
const ALL = ["chatcell 1", "chatcell 2", "chatcell 4", "app 1", "app 2"];

type Harness = (name: string, body: (db: Database, storage: ObjectStorage) => void) => void;

function blankCases(testDb: Harness): void {
  describe("a blank object", () => {
    testDb("is recognised, opened as blank and left without a table", (db, storage) => {
      const before = dump(storage);
      expect(isBlank(db)).toBe(true);
      expect(openSchema(db, planOf())).toBe("blank");
      expect(dump(storage)).toBe(before);
      expect(db.usage.rowsWritten).toBe(0);
    });

    testDb("is looked at with one statement", (_db, storage) => {
      const watched = record(storage);
      openSchema(new Database(watched), planOf());
      expect(watched.queries).toHaveLength(1);
    });

    testDb("is one with tables of others in it", (db) => {
      db.run("CREATE TABLE other (x)");
      expect(isBlank(db)).toBe(true);
      createSchema(db, planOf());
      expect(isBlank(db)).toBe(false);
    });

    testDb("gets the whole schema, in order, with a row for each step", (db) => {
      createSchema(db, planOf({ library: LIBRARY.map((migration) => ({ ...migration, breaking: migration.id === 4 })) }));
      expect(appliedIds(db)).toEqual(ALL);
      const rows = db.all<{ name: string; breaking: number; applied_at: number }>(
        "SELECT name, breaking, applied_at FROM cc_migration WHERE scope = 'chatcell' ORDER BY id",
      );
      expect(rows).toEqual([
        { name: "base", breaking: 0, applied_at: 1_000 },
        { name: "more", breaking: 0, applied_at: 1_000 },
        { name: "rebuild", breaking: 1, applied_at: 1_000 },
      ]);
      expect(db.all("SELECT z FROM cc_b")).toEqual([{ z: "1!" }]);
      expect(db.all("SELECT id FROM notes")).toEqual([{ id: "t;1" }]);
    });

    testDb("is blank again when the transaction around its create throws", (db, storage) => {
      const before = dump(storage);
      expect(() =>
        db.transaction(() => {
          createSchema(db, planOf());
          throw new Error("refused after the create");
        }),
      ).toThrow("refused after the create");
      expect(dump(storage)).toBe(before);
    });

    testDb("stays blank when the list of migrations is unsound", (db) => {
      const plan = planOf({ app: [{ id: 0, name: "zero", sql: "SELECT 1" }] });
      expect(() => createSchema(db, plan)).toThrow(coded("configuration", /app 0 "zero"/));
      expect(isBlank(db)).toBe(true);
    });
  });
}

function forwardCases(testDb: Harness): void {
  describe("a schema that is behind", () => {
    testDb("gets only the missing steps, of each scope by itself", (db) => {
      createSchema(db, planOf({ library: LIBRARY.slice(0, 2), app: [] }));
      db.run("INSERT INTO cc_a (x, y) VALUES ('kept', 'kept!')");
      expect(openSchema(db, planOf({ now: () => 2_000 }))).toBe("ready");
      expect(appliedIds(db)).toEqual(ALL);
      expect(db.all("SELECT z FROM cc_b")).toEqual([{ z: "1!" }, { z: "kept!" }]);
      expect(db.first("SELECT applied_at AS at FROM cc_migration WHERE scope = 'chatcell' AND id = 2")).toEqual({ at: 1_000 });
      expect(db.first("SELECT applied_at AS at FROM cc_migration WHERE scope = 'chatcell' AND id = 4")).toEqual({ at: 2_000 });
    });

    testDb("names scope, id and name of a step that fails, keeps SQL out of the message, and keeps the steps before it", (db) => {
      createSchema(db, planOf({ app: [] }));
      const broken = { id: 2, name: "notes", sql: "CREATE TABLE half (x); INSERT INTO secret_table VALUES (1)" };
      let caught: unknown;
      try {
        openSchema(db, planOf({ app: [APP[0]!, broken] }));
      } catch (error) {
        caught = error;
      }
      expect(caught).toEqual(coded("migration_failed", /app 2 "notes"/));
      expect((caught as Error).message).not.toContain("secret_table");
      expect(String((caught as Error).cause)).toContain("secret_table");
      expect(db.first("SELECT 1 FROM sqlite_master WHERE name = 'half'")).toBeUndefined();
      expect(appliedIds(db)).toEqual(ALL.slice(0, 4));
      expect(openSchema(db, planOf())).toBe("ready");
    });
  });

  describe("a schema that is up to date", () => {
    testDb("is opened twice with no write and, in production, with three statements", (_db, storage) => {
      createSchema(new Database(storage), planOf());
      const before = dump(storage);
      const watched = record(storage);
      const db = new Database(watched);
      expect(openSchema(db, planOf({ mode: "report" }))).toBe("ready");
      expect(watched.queries).toHaveLength(3);
      createSchema(db, planOf());
      expect(openSchema(db, planOf())).toBe("ready");
      expect(db.usage.rowsWritten).toBe(0);
      expect(dump(storage)).toBe(before);
    });
  });
}

/** Every `exec` of a run that does all the work, as a point to fail after. */
function pointsOf(storage: ObjectStorage, work: (db: Database) => void): number {
  const watched = record(storage);
  const stop = new Error("measured");
  expect(() =>
    storage.transactionSync(() => {
      work(new Database(watched));
      throw stop;
    }),
  ).toThrow(stop);
  return watched.queries.length;
}

function crashCases(testDb: Harness): void {
  describe("a failure after any statement", () => {
    testDb("of the first create leaves the object blank, and the next create succeeds", (db, storage) => {
      const create = (target: Database) => createSchema(target, planOf());
      const points = pointsOf(storage, create);
      expect(points).toBeGreaterThan(15);
      const blank = dump(storage);
      for (let point = 1; point <= points; point++) {
        expect(() => create(new Database(failAfter(storage, point)))).toThrow();
        expect(dump(storage)).toBe(blank);
      }
      create(db);
      expect(appliedIds(db)).toEqual(ALL);
    });

    testDb("of an upgrade leaves whole steps only, and the next open ends in the same schema", (db, storage) => {
      // The states that whole steps make, in order: nothing else may ever be seen.
      createSchema(db, planOf({ library: LIBRARY.slice(0, 1), app: [] }));
      const undo = new Error("undo");
      const states: string[] = [];
      const inTrial = (body: () => void) =>
        expect(() =>
          storage.transactionSync(() => {
            body();
            throw undo;
          }),
        ).toThrow(undo);
      inTrial(() => {
        states.push(dump(storage));
        for (const [library, app] of [
          [2, 0],
          [3, 0],
          [3, 1],
          [3, 2],
        ] as const) {
          openSchema(db, planOf({ library: LIBRARY.slice(0, library), app: APP.slice(0, app) }));
          states.push(dump(storage));
        }
      });
      const points = pointsOf(storage, (target) => openSchema(target, planOf()));
      const seen = new Set<number>();
      for (let point = 1; point <= points; point++) {
        inTrial(() => {
          let caught: unknown;
          try {
            openSchema(new Database(failAfter(storage, point)), planOf());
          } catch (error) {
            caught = error;
          }
          expect(caught instanceof InjectedFailure || (caught as Error).cause instanceof InjectedFailure).toBe(true);
          const state = states.indexOf(dump(storage));
          expect(state, `whole steps after a failure at statement ${point}`).toBeGreaterThanOrEqual(0);
          seen.add(state);
          openSchema(db, planOf());
          expect(dump(storage)).toBe(states.at(-1));
        });
      }
      expect([...seen].sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    });
  });
}

function aheadCases(testDb: Harness): void {
  describe("a schema that is ahead", () => {
    const newer = (breaking: boolean): Migration[] => [
      ...LIBRARY,
      { id: 5, name: "newer", sql: "ALTER TABLE cc_b ADD COLUMN w TEXT", breaking },
      { id: 6, name: "newest", sql: "CREATE TABLE cc_c (x)" },
    ];

    for (const mode of ["strict", "report"] as const) {
      testDb(`by additive steps opens untouched (${mode})`, (db, storage) => {
        createSchema(db, planOf({ library: newer(false) }));
        const before = dump(storage);
        expect(openSchema(db, planOf({ mode }))).toBe("ready");
        expect(dump(storage)).toBe(before);
      });

      testDb(`by a breaking step below its newest one is refused untouched, with app steps waiting (${mode})`, (db, storage) => {
        createSchema(db, planOf({ library: newer(true), app: [] }));
        const before = dump(storage);
        expect(() => openSchema(db, planOf({ mode }))).toThrow(coded("schema_ahead", /chatcell 5 "newer".*ends at 4/));
        expect(dump(storage)).toBe(before);
      });
    }

    testDb("in the app's scope by a breaking step is refused before a step of the library runs", (db, storage) => {
      const app: Migration[] = [...APP, { id: 3, name: "split", sql: "DROP TABLE notes", breaking: true }];
      createSchema(db, planOf({ library: LIBRARY.slice(0, 1), app }));
      const before = dump(storage);
      expect(() => openSchema(db, planOf())).toThrow(coded("schema_ahead", /app 3 "split"/));
      expect(() => openSchema(db, planOf({ app: [] }))).toThrow(coded("schema_ahead", /ends at 0/));
      expect(dump(storage)).toBe(before);
      expect(openSchema(db, planOf({ app }))).toBe("ready");
    });

    testDb("by a step that the code knows as breaking opens", (db) => {
      createSchema(db, planOf({ library: newer(true) }));
      expect(openSchema(db, planOf({ library: newer(true).slice(0, 4) }))).toBe("ready");
    });
  });
}

function historyCases(testDb: Harness): void {
  const changedAt = (id: number) => APP.map((step) => (step.id === id ? { ...step, sql: `${String(step.sql)} ` } : step));

  describe("history that does not match the code", () => {
    for (const id of [1, 2]) {
      testDb(`throws in strict mode when the text of app step ${id} gained one space`, (db, storage) => {
        createSchema(db, planOf());
        const before = dump(storage);
        expect(() => openSchema(db, planOf({ app: changedAt(id) }))).toThrow(
          coded("configuration", new RegExp(`app ${id} ".*text differs`)),
        );
        expect(dump(storage)).toBe(before);
      });
    }

    testDb("is reported in production when the newest text changed, and the thread opens", (db) => {
      createSchema(db, planOf());
      const problems: SchemaProblem[] = [];
      const plan = planOf({ app: changedAt(2), mode: "report", report: (problem) => problems.push(problem) });
      expect(openSchema(db, plan)).toBe("ready");
      expect(problems).toEqual([{ kind: "changed", scope: "app", id: 2, name: "notes" }]);
    });

    testDb("is no matter of a renamed step", (db) => {
      createSchema(db, planOf());
      expect(openSchema(db, planOf({ app: APP.map((step) => ({ ...step, name: `${step.name}-renamed` })) }))).toBe("ready");
    });

    testDb("throws in strict mode when an applied step was removed below the newest", (db) => {
      createSchema(db, planOf());
      expect(() => openSchema(db, planOf({ app: APP.slice(1) }))).toThrow(coded("configuration", /app 1 "tasks".*no longer has it/));
    });

    testDb("throws in strict mode when a step was added below the newest", (db) => {
      createSchema(db, planOf());
      const library = [...LIBRARY.slice(0, 2), { id: 3, name: "late", sql: "CREATE TABLE cc_late (x)" }, LIBRARY[2]!];
      expect(() => openSchema(db, planOf({ library }))).toThrow(coded("configuration", /chatcell 3 "late".*higher id/));
    });
  });
}

/** What an app step may not do, however it is written. */
const TRESPASSES: [string, string][] = [
  ["makes a cc_ table", "CREATE TABLE cc_mine (x)"],
  ["makes one in capitals and quotes, behind a comment", 'CREATE /* ; */ TABLE "CC_mine" (x)'],
  ["makes a cc_ view", "CREATE VIEW [cc_view] AS SELECT 1"],
  ["makes a cc_ index on its own table", "CREATE INDEX cc_index ON tasks (id)"],
  ["makes one in capitals", "CREATE INDEX CC_Index ON tasks (id)"],
  ["makes a cc_ trigger on its own table", "CREATE TRIGGER cc_trigger AFTER INSERT ON tasks BEGIN SELECT 1; END"],
  ["renames its table into ours", "ALTER TABLE tasks RENAME TO cc_tasks"],
  ["renames our table away", "ALTER TABLE cc_a RENAME TO mine"],
  ["adds a column to our table", "ALTER TABLE cc_a ADD COLUMN mine TEXT"],
  ["drops our table", "DROP TABLE cc_a"],
  ["drops our table and makes it again", "DROP TABLE cc_a; CREATE TABLE cc_a (x TEXT, y TEXT)"],
  ["makes it again with its index, to the letter", "DROP TABLE cc_a; CREATE TABLE cc_a (x TEXT, y TEXT); CREATE INDEX cc_a_x ON cc_a (x)"],
  ["drops our index", "DROP INDEX cc_a_x"],
  ["adds an index to our table", "CREATE INDEX mine ON cc_a (y)"],
  ["adds a trigger to our table", "CREATE TRIGGER mine AFTER INSERT ON cc_a BEGIN SELECT 1; END"],
  ["drops the migration table itself", "DROP TABLE cc_migration"],
];

function guardCases(testDb: Harness): void {
  describe("an app step", () => {
    const plan = (sql: string) => planOf({ library: LIBRARY.slice(0, 2), app: [APP[0]!, { id: 2, name: "bold", sql }] });

    for (const [what, sql] of TRESPASSES) {
      testDb(`is refused and rolled back when it ${what}`, (db, storage) => {
        createSchema(db, planOf({ library: LIBRARY.slice(0, 2), app: [APP[0]!] }));
        const before = dump(storage);
        expect(() => openSchema(db, plan(`CREATE TABLE fine (x); ${sql}`))).toThrow(coded("configuration", /app 2 "bold".*cc_/));
        expect(dump(storage)).toBe(before);
      });
    }

    testDb("may use cc_ inside names and texts, read our tables in a view, and rebuild its own", (db) => {
      const sql = `CREATE TABLE acc_cc_ (cc_number TEXT DEFAULT 'cc_x'); CREATE VIEW mine AS SELECT x FROM cc_a;
        CREATE TABLE tasks2 (id TEXT); INSERT INTO tasks2 SELECT id FROM tasks; DROP TABLE tasks; ALTER TABLE tasks2 RENAME TO tasks;`;
      createSchema(db, plan(sql));
      expect(db.all("SELECT id FROM tasks")).toEqual([{ id: "t;1" }]);
      expect(db.all("SELECT x FROM mine")).toEqual([{ x: "1" }]);
    });
  });
}

/** The contract of the migration runner over any storage. */
export function migrateSuite(withStorage: WithStorage): void {
  const testDb: Harness = (name, body) => {
    test(name, () => withStorage((storage) => body(new Database(storage), storage)));
  };
  blankCases(testDb);
  forwardCases(testDb);
  crashCases(testDb);
  aheadCases(testDb);
  historyCases(testDb);
  guardCases(testDb);
}
