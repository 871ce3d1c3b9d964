// cc_turn: live turns only, in order: at most one is running, the others are queued behind it.
import type { Part, TurnView } from "../protocol/messages.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Database } from "./database.ts";
import { dropOverflow, readOverflow, writeOverflow } from "./overflow.ts";
import { decodeBody, encodeBody, tryParseObject } from "./row-codec.ts";

/** What was asked for. */
export interface TurnInput {
  parts: Part[];
  /** The validated per-request body. */
  body?: unknown;
}

export interface TurnRow {
  /** Place in line; grows. */
  ord: number;
  id: string;
  kind: TurnView["kind"];
  state: "queued" | "running";
  /** Id of the user message. */
  messageId: string;
  /** As `turn.principal` will see it, also after a restart. */
  principal: Principal;
  input: TurnInput;
  base: number;
  attempt: number;
  startedAt: number | null;
  dueAt: number | null;
  createdAt: number;
}

interface StoredRow {
  ord: number;
  id: string;
  kind: TurnView["kind"];
  state: "queued" | "running";
  message_id: string;
  principal: string;
  format: number;
  body: string;
  overflow: number;
  base: number;
  attempt: number;
  started_at: number | null;
  due_at: number | null;
  created_at: number;
}

const TABLE = "cc_turn";

export class TurnTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Every live turn, the running one first. At most one and {@link LIMITS.maxQueue}. */
  list(): TurnRow[] {
    return this.#db.all<StoredRow>("SELECT * FROM cc_turn ORDER BY ord").map((row) => this.#decode(row));
  }

  /** The first in line, running or not: one row, however long the queue is. */
  first(): TurnRow | undefined {
    const row = this.#db.first<StoredRow>("SELECT * FROM cc_turn ORDER BY ord LIMIT 1");
    return row && this.#decode(row);
  }

  /** The running turn, if there is one: it is always the first in line. */
  running(): TurnRow | undefined {
    const turn = this.first();
    return turn?.state === "running" ? turn : undefined;
  }

  /** When the first in line is due; null when it is not, or when there is none. Reads no body. */
  dueAt(): number | null {
    return this.#db.first<{ due_at: number | null }>("SELECT due_at FROM cc_turn ORDER BY ord LIMIT 1")?.due_at ?? null;
  }

  /** Stores a turn at the end of the line. One billed row. */
  insert(turn: Omit<TurnRow, "ord">): void {
    const { format, text } = encodeBody(turn.input);
    const { head, overflow } = writeOverflow(this.#db, TABLE, turn.id, text, 0);
    this.#db.run(
      `INSERT INTO cc_turn (id, kind, state, message_id, principal, format, body, overflow, base, attempt, started_at, due_at, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      turn.id,
      turn.kind,
      turn.state,
      turn.messageId,
      JSON.stringify(turn.principal),
      format,
      head,
      overflow,
      turn.base,
      turn.attempt,
      turn.startedAt,
      turn.dueAt,
      turn.createdAt,
    );
  }

  /** Marks a queued turn as running, its attempt counted, before anything is run. */
  start(ord: number, change: { attempt: number; startedAt: number; dueAt: number }): void {
    this.#db.run(
      "UPDATE cc_turn SET state = 'running', attempt = ?, started_at = ?, due_at = ? WHERE ord = ?",
      change.attempt,
      change.startedAt,
      change.dueAt,
      ord,
    );
  }

  setDue(ord: number, dueAt: number): void {
    this.#db.run("UPDATE cc_turn SET due_at = ? WHERE ord = ?", dueAt, ord);
  }

  delete(turn: Pick<TurnRow, "ord" | "id">): void {
    const row = this.#db.first<{ overflow: number }>("SELECT overflow FROM cc_turn WHERE ord = ?", turn.ord);
    dropOverflow(this.#db, TABLE, turn.id, row?.overflow ?? 0);
    this.#db.run("DELETE FROM cc_turn WHERE ord = ?", turn.ord);
  }

  #decode(row: StoredRow): TurnRow {
    const decoded = decodeBody(row.format, readOverflow(this.#db, TABLE, row.id, { head: row.body, overflow: row.overflow }));
    const input = decoded.ok && decoded.value ? (decoded.value as TurnInput) : { parts: [] };
    return {
      ord: row.ord,
      id: row.id,
      kind: row.kind,
      state: row.state === "queued" ? "queued" : "running",
      messageId: row.message_id,
      principal: (tryParseObject(row.principal) ?? { id: "unknown" }) as Principal,
      input,
      base: row.base,
      attempt: row.attempt,
      startedAt: row.started_at,
      dueAt: row.due_at,
      createdAt: row.created_at,
    };
  }
}
