// cc_command: one row for each accepted command, so that a repeat over any road gets the same answer and does nothing.
import type { CommandResult } from "../protocol/frames.ts";
import type { Database } from "./database.ts";

/** A row goes only when it is older than this *and* not among the newest {@link KEEP_NEWEST}. */
const KEEP_MS = 7 * 24 * 60 * 60 * 1000;
const KEEP_NEWEST = 1_000;

export interface CommandRow {
  fingerprint: string;
  rev: number;
  result?: CommandResult;
}

export class CommandTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  find(id: string): CommandRow | undefined {
    const row = this.#db.first<{ fingerprint: string; rev: number; result: string | null }>(
      "SELECT fingerprint, rev, result FROM cc_command WHERE id = ?",
      id,
    );
    if (!row) return undefined;
    return {
      fingerprint: row.fingerprint,
      rev: row.rev,
      ...(row.result !== null ? { result: JSON.parse(row.result) as CommandResult } : {}),
    };
  }

  insert(id: string, row: CommandRow, now: number): void {
    this.#db.run(
      "INSERT INTO cc_command (id, fingerprint, rev, result, created_at) VALUES (?, ?, ?, ?, ?)",
      id,
      row.fingerprint,
      row.rev,
      row.result ? JSON.stringify(row.result) : null,
      now,
    );
  }

  /** Drops what no client can repeat any more, and returns how many rows are left. Reads the whole table: call it for few of the commands. */
  trim(now: number): number {
    // The sorter holds no more rows than it is asked for.
    const newest = this.#db.first<{ at: number }>(
      "SELECT created_at AS at FROM cc_command ORDER BY created_at DESC LIMIT 1 OFFSET ?",
      KEEP_NEWEST - 1,
    );
    if (newest) this.#db.run("DELETE FROM cc_command WHERE created_at < ?", Math.min(newest.at, now - KEEP_MS));
    return this.#db.first<{ n: number }>("SELECT count(*) AS n FROM cc_command")!.n;
  }
}
