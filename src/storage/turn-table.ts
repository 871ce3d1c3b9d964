// cc_turn: live turns only, in order: at most one is running, the others are queued behind it.
import type { Part, ResumeKind, TurnKind, Usage } from "../protocol/messages.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Database } from "./database.ts";
import { dropOverflow, readOverflow, writeOverflow } from "./overflow.ts";
import { decodeBody, encodeBody, tryParseObject } from "./row-codec.ts";

/** What was asked for. */
export interface TurnInput {
  parts: Part[];
  /** The validated per-request body. */
  body?: unknown;
  /** The app state when the turn was accepted. */
  state?: unknown;
  /** `edit`: the message that is replaced. `continue`: the reply that goes on. */
  target?: string;
  /** `append`: the metadata of its message. */
  metadata?: unknown;
}

/** How far a turn has come. Durations in ms, times in epoch ms. */
export interface TurnProgress {
  /** Calls of `onTurn` so far. Attempts are counted from the last answer on, runs are not: chunk ids carry their number. */
  run: number;
  /** Parts that the live message had when this run began. */
  fence: number;
  /** Time at work before the last wait for a person. */
  workedMs: number;
  /** Since when it has been at work. */
  since: number;
  /** Of the runs that have ended. */
  usage?: Usage;
  /** Why the present run was begun, when the message had parts already. */
  resume?: ResumeKind;
  /** Answers that no run has taken up yet. */
  answered?: "approval" | "client-tool";
  /** Client tool calls that a connection has claimed: call id → connection id. */
  claims?: Record<string, string>;
}

/** A turn, or an `append` that waits in line to be stored. */
export type TurnRowKind = TurnKind | "append";

export interface TurnRow {
  /** Place in line; grows. */
  ord: number;
  id: string;
  kind: TurnRowKind;
  state: "queued" | "running" | "waiting";
  /** Id of the user message that is answered; of an `append`, that of its message. */
  messageId: string;
  /** As `turn.principal` will see it, also after a restart. */
  principal: Principal;
  input: TurnInput;
  base: number;
  attempt: number;
  startedAt: number | null;
  /** The lease of a running turn; when the first approval expires, of a waiting one. */
  dueAt: number | null;
  createdAt: number;
  progress: TurnProgress;
}

interface StoredRow {
  ord: number;
  id: string;
  kind: TurnRowKind;
  state: string;
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
  progress: string | null;
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

  /** The running or waiting turn, if there is one: it is always the first in line. */
  live(): TurnRow | undefined {
    const turn = this.first();
    return turn?.state === "queued" ? undefined : turn;
  }

  /** True when the turn is still running, and in this run. Reads one row, and no body. */
  isRunning({ ord, id, progress }: Pick<TurnRow, "ord" | "id" | "progress">): boolean {
    const row = this.#db.first<Pick<StoredRow, "id" | "state" | "progress">>("SELECT id, state, progress FROM cc_turn WHERE ord = ?", ord);
    const stored: Partial<TurnProgress> = (row && tryParseObject(row.progress)) ?? {};
    return row?.id === id && row.state === "running" && (stored.run ?? progress.run) === progress.run;
  }

  /** When the first in line is due; null when it is not, or when there is none. Reads no body. */
  dueAt(): number | null {
    return this.#db.first<{ due_at: number | null }>("SELECT due_at FROM cc_turn ORDER BY ord LIMIT 1")?.due_at ?? null;
  }

  /** Stores a turn at the end of the line, and gives its place. One billed row. */
  insert(turn: Omit<TurnRow, "ord">): number {
    const { format, text } = encodeBody(turn.input);
    const { head, overflow } = writeOverflow(this.#db, TABLE, turn.id, text, 0);
    const row = this.#db.first<{ ord: number }>(
      `INSERT INTO cc_turn (id, kind, state, message_id, principal, format, body, overflow, base, attempt, started_at, due_at, created_at, progress)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING ord`,
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
      JSON.stringify(turn.progress),
    );
    return row!.ord;
  }

  /** Stores where a turn is now, all of it that changes while it lives, in one row write. */
  update({ ord, state, base, attempt, startedAt, dueAt, progress }: TurnRow): void {
    this.#db.run(
      "UPDATE cc_turn SET state = ?, base = ?, attempt = ?, started_at = ?, due_at = ?, progress = ? WHERE ord = ?",
      state,
      base,
      attempt,
      startedAt,
      dueAt,
      JSON.stringify(progress),
      ord,
    );
  }

  /** Replaces what was asked for, of a turn that has not started. */
  setInput(turn: Pick<TurnRow, "ord" | "id">, input: TurnInput): void {
    const { format, text } = encodeBody(input);
    const { head, overflow } = writeOverflow(this.#db, TABLE, turn.id, text);
    this.#db.run("UPDATE cc_turn SET format = ?, body = ?, overflow = ? WHERE ord = ?", format, head, overflow, turn.ord);
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
      state: row.state === "queued" || row.state === "waiting" ? row.state : "running",
      messageId: row.message_id,
      principal: (tryParseObject(row.principal) ?? { id: "unknown" }) as Principal,
      input,
      base: row.base,
      attempt: row.attempt,
      startedAt: row.started_at,
      dueAt: row.due_at,
      createdAt: row.created_at,
      // A row from before this column has had one run for each attempt.
      progress: { run: row.attempt, fence: 0, workedMs: 0, since: row.started_at ?? row.created_at, ...tryParseObject(row.progress) },
    };
  }
}
