// cc_member: who may do what in this thread.
import type { Role } from "../protocol/frames.ts";
import type { Database } from "./database.ts";

export class MemberTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** The stored role of a principal, null when there is none or it has expired. */
  roleOf(principalId: string, now: number): Role | null {
    const row = this.#db.first<{ role: Role; expires_at: number | null }>(
      "SELECT role, expires_at FROM cc_member WHERE principal = ?",
      principalId,
    );
    return row && (row.expires_at === null || row.expires_at > now) ? row.role : null;
  }

  put(principalId: string, role: Role): void {
    this.#db.run(
      "INSERT INTO cc_member (principal, role) VALUES (?, ?) ON CONFLICT (principal) DO UPDATE SET role = excluded.role",
      principalId,
      role,
    );
  }
}
