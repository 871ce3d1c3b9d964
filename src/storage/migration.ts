// What a migration is, when a list of them is sound, and the hash that notices a changed one.
import { ChatError } from "../errors.ts";

/** Who owns a step: chatcell's own tables, or the app's. Each counts its ids by itself. */
export type MigrationScope = "chatcell" | "app";

/**
 * One step of a schema, forward only. Once a thread somewhere has run it, its text must never change: add another one.
 * @example
 * import type { Migration } from "chatcell";
 *
 * const step: Migration = { id: 1, name: "tasks", sql: "CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT) WITHOUT ROWID" };
 */
export interface Migration {
  /** A positive integer; each one greater than the one before it in the list. Gaps are fine. */
  readonly id: number;
  /** For people: it is stored and stands in errors. */
  readonly name: string;
  /**
   * Statements without parameters. A string may hold several; SQLite itself finds where each ends, so strings, comments and
   * triggers need no care, but the platform takes under 100,000 bytes in one string. A list lifts that.
   */
  readonly sql: string | readonly string[];
  /**
   * True when older code cannot work with the schema after this step. Such code then refuses the thread with
   * `schema_ahead` instead of opening it. Decides at the time it is applied.
   * @default false
   */
  readonly breaking?: boolean;
}

/** The texts of a migration, in order. Each is one call of the platform. */
export function statementsOf(migration: Migration): readonly string[] {
  return typeof migration.sql === "string" ? [migration.sql] : migration.sql;
}

/** The hash of a migration's text, exact to the space. Name and `breaking` are not part of it. */
export function migrationHash(migration: Migration): string {
  return hashText(statementsOf(migration).join("\u0000"));
}

/**
 * Checks a list of migrations before anything is run.
 * @throws {ChatError} `configuration` when an id, a name, a text or the order is wrong.
 */
export function validateMigrations(scope: MigrationScope, migrations: readonly Migration[]): void {
  let last = 0;
  for (const migration of migrations) {
    const fault = faultOf(migration, last);
    if (fault) throw new ChatError("configuration", `Migration ${describeMigration(scope, migration)}: ${fault}`);
    last = migration.id;
  }
}

/** `app 3 "tasks"`: how errors name a migration. */
export function describeMigration(scope: MigrationScope, migration: { id: number; name: string }): string {
  return `${scope} ${migration.id} "${migration.name}"`;
}

function faultOf(migration: Migration, last: number): string | undefined {
  const { id, name } = migration;
  if (!Number.isSafeInteger(id) || id < 1) return "the id must be a positive integer.";
  if (id <= last) return `the id must be greater than ${last}, the id of the migration before it.`;
  if (typeof name !== "string" || name.trim() === "") return "it needs a name.";
  const statements = statementsOf(migration);
  if (!Array.isArray(statements) || statements.length === 0) return "sql must be a text or a list of texts.";
  const isText = statements.every((sql) => typeof sql === "string" && sql.trim() !== "");
  return isText ? undefined : "sql holds something that is not a text, or is empty.";
}

/**
 * A 53-bit hash of a text as 14 hex digits: notices change, resists nobody. Synchronous, unlike the platform's digests.
 * Never change it: its results are stored.
 */
export function hashText(text: string): string {
  // Two FNV-1a lanes over UTF-16 units with different offsets and odd multipliers, each mixed with the other at the end.
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x5bd1e995);
  }
  a = avalanche(a ^ (b >>> 15));
  b = avalanche(b ^ (a >>> 13));
  return ((b & 0x1fffff) * 0x1_0000_0000 + (a >>> 0)).toString(16).padStart(14, "0");
}

/** Spreads each bit over the word: without it, the last characters of a text would reach only the low bits. */
function avalanche(word: number): number {
  const half = Math.imul(word ^ (word >>> 16), 0x2c1b3c6d);
  const most = Math.imul(half ^ (half >>> 13), 0x297a2d39);
  return most ^ (most >>> 16);
}
