// Brings the schema of one object up to the code, forward only, and opens schemas that are ahead where that is safe.
// A blank object stays blank: only createSchema writes to one. A failed step leaves no trace of itself.
import { ChatError, isChatError } from "../errors.ts";
import type { Database } from "./database.ts";
import { describeMigration, migrationHash, statementsOf, validateMigrations, type Migration, type MigrationScope } from "./migration.ts";

/** A stored migration and the code's list that do not agree. */
export interface SchemaProblem {
  /** `changed`: other text was applied. `removed`: the code no longer has it. `skipped`: added below the newest, never run. */
  kind: "changed" | "removed" | "skipped";
  scope: MigrationScope;
  id: number;
  name: string;
}

/** What a schema should become, and what to do where history and code disagree. */
export interface SchemaPlan {
  library: readonly Migration[];
  app: readonly Migration[];
  /** Epoch ms. */
  now: () => number;
  /**
   * `strict` (development, tests) reads every stored row, and a {@link SchemaProblem} throws. `report` (production) compares
   * only the newest row of each scope and passes a problem to `report`; the thread opens.
   */
  mode: "strict" | "report";
  /** Called synchronously, in `report` mode only. Must not throw. */
  report: (problem: SchemaProblem) => void;
}

interface AppliedRow {
  id: number;
  name: string;
  hash: string;
}

interface Step {
  scope: MigrationScope;
  migration: Migration;
}

/** Made before every other table, so that {@link isBlank} finds it in the first row of the catalogue. */
const CREATE_MIGRATION_TABLE = `CREATE TABLE cc_migration (
  scope TEXT NOT NULL,
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  hash TEXT NOT NULL,
  breaking INTEGER NOT NULL,
  applied_at INTEGER NOT NULL,
  PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID`;

/**
 * True when the object has no chatcell schema. Reads one row, and one more for each table that stood there before ours, and
 * writes nothing. Tables of others, such as those that the platform makes for alarms, do not make an object less blank.
 */
export function isBlank(db: Database): boolean {
  return db.first("SELECT 1 AS found FROM sqlite_master WHERE name = 'cc_migration' LIMIT 1") === undefined;
}

/**
 * Brings an existing schema up to the code and says `ready`, or says `blank` and writes nothing. Each step is a transaction
 * of its own with its row in `cc_migration`: after a failure the steps before it stay, and the next call goes on from there.
 * When nothing is to do it reads one row for {@link isBlank} and one per scope (all of them in `strict` mode).
 * @throws {ChatError} `schema_ahead` when newer code applied a breaking step; nothing was touched.
 * @throws {ChatError} `migration_failed` when a step failed; `cause` says why.
 * @throws {ChatError} `configuration` when a list is unsound, history disagrees (`strict`), or an app step touches `cc_`.
 */
export function openSchema(db: Database, plan: SchemaPlan): "blank" | "ready" {
  validatePlan(plan);
  if (isBlank(db)) return "blank";
  bringUpToDate(db, plan);
  return "ready";
}

/**
 * Makes the schema of a blank object: all of it or nothing, so a failed create leaves a blank object. Fit for use inside the
 * transaction that stores the first message. On an object that has a schema it does what {@link openSchema} does, all or
 * nothing.
 * @throws {ChatError} as {@link openSchema}.
 */
export function createSchema(db: Database, plan: SchemaPlan): void {
  validatePlan(plan);
  db.transaction(() => {
    if (isBlank(db)) db.run(CREATE_MIGRATION_TABLE);
    bringUpToDate(db, plan);
  });
}

function validatePlan(plan: SchemaPlan): void {
  validateMigrations("chatcell", plan.library);
  validateMigrations("app", plan.app);
}

function bringUpToDate(db: Database, plan: SchemaPlan): void {
  // Both scopes are judged before either is written: a schema that is ahead must stay untouched as a whole.
  const steps = [...pendingSteps(db, plan, "chatcell", plan.library), ...pendingSteps(db, plan, "app", plan.app)];
  for (const step of steps) applyStep(db, step, plan.now());
}

function pendingSteps(db: Database, plan: SchemaPlan, scope: MigrationScope, migrations: readonly Migration[]): Step[] {
  const newest = db.first<AppliedRow>("SELECT id, name, hash FROM cc_migration WHERE scope = ? ORDER BY id DESC LIMIT 1", scope);
  if (newest) {
    const highest = migrations.at(-1)?.id ?? 0;
    if (newest.id > highest) refuseBreakingAhead(db, scope, highest);
    const problems = plan.mode === "strict" ? allProblems(db, scope, migrations, newest.id) : problemsOf(scope, migrations, [newest]);
    for (const problem of problems) tell(plan, problem);
  }
  const done = newest?.id ?? 0;
  return migrations.filter(({ id }) => id > done).map((migration) => ({ scope, migration }));
}

function refuseBreakingAhead(db: Database, scope: MigrationScope, highest: number): void {
  const ahead = db.first<AppliedRow>(
    "SELECT id, name, hash FROM cc_migration WHERE scope = ? AND id > ? AND breaking = 1 ORDER BY id LIMIT 1",
    scope,
    highest,
  );
  if (!ahead) return;
  throw new ChatError(
    "schema_ahead",
    `Newer code applied the breaking migration ${describeMigration(scope, ahead)} to this thread; this code ends at ${highest}. ` +
      "Nothing was changed. Deploy code that has that migration.",
    { details: { scope, id: ahead.id, name: ahead.name } },
  );
}

/** Where stored rows and code disagree. Rows above the code's last id are ahead, not wrong. */
function problemsOf(scope: MigrationScope, migrations: readonly Migration[], rows: readonly AppliedRow[]): SchemaProblem[] {
  const highest = migrations.at(-1)?.id ?? 0;
  const problems: SchemaProblem[] = [];
  for (const { id, name, hash } of rows) {
    if (id > highest) continue;
    const migration = migrations.find((candidate) => candidate.id === id);
    if (!migration) problems.push({ kind: "removed", scope, id, name });
    else if (migrationHash(migration) !== hash) problems.push({ kind: "changed", scope, id, name: migration.name });
  }
  return problems;
}

function allProblems(db: Database, scope: MigrationScope, migrations: readonly Migration[], newestId: number): SchemaProblem[] {
  const rows = db.all<AppliedRow>("SELECT id, name, hash FROM cc_migration WHERE scope = ? ORDER BY id", scope);
  const applied = new Set(rows.map(({ id }) => id));
  const skipped = migrations.filter(({ id }) => id < newestId && !applied.has(id));
  return [...problemsOf(scope, migrations, rows), ...skipped.map(({ id, name }) => ({ kind: "skipped" as const, scope, id, name }))];
}

const ADVICE = {
  changed: "its text differs from the text that this thread ran. Put the old text back and add a new migration",
  removed: "this thread ran it and the code no longer has it. Put it back",
  skipped: "it was added below a migration that this thread already ran, so it would never run. Give it a higher id",
} as const satisfies Record<SchemaProblem["kind"], string>;

function tell(plan: SchemaPlan, problem: SchemaProblem): void {
  if (plan.mode === "report") return plan.report(problem);
  const { kind, scope, id, name } = problem;
  const reset = "; if this storage is only for development, delete it.";
  throw new ChatError("configuration", `Migration ${describeMigration(scope, problem)}: ${ADVICE[kind]}${reset}`, {
    details: { kind, scope, id, name },
  });
}

function applyStep(db: Database, { scope, migration }: Step, now: number): void {
  const { id, name, breaking } = migration;
  try {
    db.transaction(() => {
      const before = scope === "app" ? ownCatalogue(db) : undefined;
      for (const sql of statementsOf(migration)) db.run(sql);
      if (before !== undefined && before !== ownCatalogue(db)) throw refusedTables(scope, migration);
      db.run(
        "INSERT INTO cc_migration (scope, id, name, hash, breaking, applied_at) VALUES (?, ?, ?, ?, ?, ?)",
        scope,
        id,
        name,
        migrationHash(migration),
        breaking === true ? 1 : 0,
        now,
      );
    });
  } catch (cause) {
    if (isChatError(cause)) throw cause;
    // The message may reach a browser, and SQLite's own text can hold SQL: that stays in `cause`, for the log.
    throw new ChatError("migration_failed", `Migration ${describeMigration(scope, migration)} failed and was rolled back; see the cause.`, {
      details: { scope, id, name },
      cause,
    });
  }
}

function refusedTables(scope: MigrationScope, migration: Migration): ChatError {
  return new ChatError(
    "configuration",
    `Migration ${describeMigration(scope, migration)} makes, changes or drops something named cc_, or adds an index or trigger to such a ` +
      "table. These belong to chatcell; use another name. The migration was rolled back.",
    { details: { scope, id: migration.id, name: migration.name } },
  );
}

/**
 * Everything in the catalogue that is ours, as one comparable text. SQLite keeps it, so no way of writing a statement gets
 * round it; the rowid also shows most tables that were dropped and made again.
 */
function ownCatalogue(db: Database): string {
  const rows = db.all(
    `SELECT rowid AS position, type, name, tbl_name, sql FROM sqlite_master
     WHERE lower(substr(name, 1, 3)) = 'cc_' OR lower(substr(tbl_name, 1, 3)) = 'cc_' ORDER BY rowid`,
  );
  return JSON.stringify(rows);
}
