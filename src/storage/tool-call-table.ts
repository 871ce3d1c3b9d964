// cc_tool_call: the ledger of the live turn's tool calls, in the order in which their tools were started. A row is there before
// its tool runs and has its outcome before anyone sees that; the rows go with their turn, so only one turn's are ever here.
import type { Database } from "./database.ts";
import { dropTableOverflow, readOverflow, writeOverflow } from "./overflow.ts";
import { decodeBody, encodeBody } from "./row-codec.ts";

/** For the library's migrations. No index: a turn has few calls, and each index would be a billed row a call. */
export const CREATE_TOOL_CALL_TABLE = `CREATE TABLE cc_tool_call (
  n INTEGER PRIMARY KEY,
  turn_id TEXT NOT NULL,
  call_id TEXT NOT NULL,
  run INTEGER NOT NULL,
  name TEXT NOT NULL,
  is_idempotent INTEGER NOT NULL,
  format INTEGER NOT NULL,
  body TEXT NOT NULL,
  overflow INTEGER NOT NULL,
  outcome_format INTEGER,
  outcome TEXT,
  outcome_overflow INTEGER NOT NULL,
  started_at INTEGER NOT NULL
) STRICT`;

/** How a call ended. */
export type ToolOutcome =
  | {
      type: "output";
      /** A JSON value. */
      output: unknown;
    }
  | {
      type: "error";
      /** As clients and the model of a later run read it. */
      errorText: string;
    };

/** A call whose tool was started. */
export interface ToolCallRow {
  /** Place among the calls of the turn, from 1. Never given out twice in a turn. */
  n: number;
  turnId: string;
  /** As the provider gave it; several calls of one turn may share it. */
  callId: string;
  /** Number of the run that started it. */
  run: number;
  name: string;
  input: unknown;
  /** True for a tool whose types are known at run time only, as those of MCP. */
  isDynamic: boolean;
  isIdempotent: boolean;
  /** Epoch ms. */
  startedAt: number;
  /** Null while its tool may be at work. */
  outcome: ToolOutcome | null;
}

interface StoredRow {
  n: number;
  turn_id: string;
  call_id: string;
  run: number;
  name: string;
  is_idempotent: number;
  format: number;
  body: string;
  overflow: number;
  outcome_format: number | null;
  outcome: string | null;
  outcome_overflow: number;
  started_at: number;
}

/** What is read of an outcome whose text is damaged: the call has one, so its tool must not run again. */
const UNREADABLE: ToolOutcome = { type: "error", errorText: "The outcome could not be read." };

const TABLE = "cc_tool_call";
/** Long texts of a row: what the tool gets, and its outcome. */
const TEXTS = 2;

/** Keys of the long texts of a row. */
const inputKey = (n: number): string => String(n);
const outcomeKey = (n: number): string => `${n}:outcome`;

export class ToolCallTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Every call of the live turn, in the order of their starts. A damaged row is read as far as it goes. */
  list(): ToolCallRow[] {
    return this.#db.all<StoredRow>("SELECT * FROM cc_tool_call ORDER BY n").map((row) => this.#decode(row));
  }

  /**
   * Stores a call that is about to start and returns its `n`. One billed row.
   * @throws {TypeError} when the input has no JSON form
   */
  insert(row: Omit<ToolCallRow, "n" | "outcome">): number {
    const { format, text } = encodeBody({ input: row.input, isDynamic: row.isDynamic });
    const { n } = this.#db.first<{ n: number }>("SELECT coalesce(max(n), 0) + 1 AS n FROM cc_tool_call")!;
    const { head, overflow } = writeOverflow(this.#db, TABLE, inputKey(n), text, 0, TEXTS);
    this.#db.run(
      `INSERT INTO cc_tool_call (n, turn_id, call_id, run, name, is_idempotent, format, body, overflow, outcome_overflow, started_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
      n,
      row.turnId,
      row.callId,
      row.run,
      row.name,
      row.isIdempotent ? 1 : 0,
      format,
      head,
      overflow,
      row.startedAt,
    );
    return n;
  }

  /**
   * Stores the outcome of a call. One billed row; none for a call that is not here (any more) or that has its outcome.
   * @throws {TypeError} when an output has no JSON form
   */
  settle({ n, turnId }: Pick<ToolCallRow, "n" | "turnId">, outcome: ToolOutcome): void {
    // `n` begins anew with each turn: the turn's id keeps a late outcome away from a row of the next one.
    const open = "FROM cc_tool_call WHERE n = ? AND turn_id = ? AND outcome IS NULL";
    if (!this.#db.first(`SELECT n ${open}`, n, turnId)) return;
    const { format, text } = encodeBody(outcome);
    const { head, overflow } = writeOverflow(this.#db, TABLE, outcomeKey(n), text, 0, TEXTS);
    this.#db.run("UPDATE cc_tool_call SET outcome_format = ?, outcome = ?, outcome_overflow = ? WHERE n = ?", format, head, overflow, n);
  }

  /** Drops every call. One billed row each. */
  clear(): void {
    dropTableOverflow(this.#db, TABLE);
    this.#db.run("DELETE FROM cc_tool_call");
  }

  #decode(row: StoredRow): ToolCallRow {
    const body = decodeBody(row.format, readOverflow(this.#db, TABLE, inputKey(row.n), { head: row.body, overflow: row.overflow }));
    const { input, isDynamic } = (body.ok && body.value !== null ? body.value : { input: {} }) as Partial<ToolCallRow>;
    return {
      n: row.n,
      turnId: row.turn_id,
      callId: row.call_id,
      run: row.run,
      name: row.name,
      input,
      isDynamic: isDynamic === true,
      isIdempotent: row.is_idempotent === 1,
      startedAt: row.started_at,
      outcome: this.#outcomeOf(row),
    };
  }

  #outcomeOf({ n, outcome, outcome_format, outcome_overflow }: StoredRow): ToolOutcome | null {
    if (outcome === null) return null;
    const text = readOverflow(this.#db, TABLE, outcomeKey(n), { head: outcome, overflow: outcome_overflow });
    const decoded = decodeBody(outcome_format ?? 0, text);
    return decoded.ok && isOutcome(decoded.value) ? decoded.value : UNREADABLE;
  }
}

function isOutcome(value: unknown): value is ToolOutcome {
  if (typeof value !== "object" || value === null || !("type" in value)) return false;
  return value.type === "output"
    ? "output" in value
    : value.type === "error" && "errorText" in value && typeof value.errorText === "string";
}
