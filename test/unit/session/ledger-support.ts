// A ledger on a real SQLite, and ports whose clock and timers the test moves.
import { ToolLedger } from "../../../src/session/tool-ledger.ts";
import type { ToolPorts } from "../../../src/session/tools.ts";
import { Database } from "../../../src/storage/database.ts";
import { CREATE_OVERFLOW_TABLE } from "../../../src/storage/overflow.ts";
import { CREATE_TOOL_CALL_TABLE, ToolCallTable, type ToolCallRow } from "../../../src/storage/tool-call-table.ts";
import { NodeSqliteStorage } from "../../support/node-sqlite-storage.ts";

/** One object's storage with the tables that the ledger needs. */
export class LedgerWorld {
  readonly storage = new NodeSqliteStorage();
  readonly db = new Database(this.storage);
  readonly table = new ToolCallTable(this.db);
  readonly stop = new AbortController();
  /** Timers that are set, by what they do. */
  readonly timers = new Map<() => void, number>();
  /** Why outcomes could not be stored. */
  readonly lost: unknown[] = [];
  now = 1_000;
  isCurrent = true;

  constructor() {
    this.db.run(CREATE_OVERFLOW_TABLE);
    this.db.run(CREATE_TOOL_CALL_TABLE);
  }

  ledger(run = 1, turnId = "turn-1"): ToolLedger {
    const { db, table, lost } = this;
    const ports = { db, table, now: () => this.now++, isCurrent: () => this.isCurrent, onLost: (error: unknown) => lost.push(error) };
    return new ToolLedger(ports, { id: turnId, run });
  }

  ports(ledger: ToolLedger, timeoutMs = 5_000): ToolPorts {
    return {
      ledger,
      signal: this.stop.signal,
      timeoutMs,
      setTimer: (ms, fn) => {
        this.timers.set(fn, ms);
        return () => this.timers.delete(fn);
      },
      errorText: (error) => `shown: ${error instanceof Error ? error.message : String(error)}`,
    };
  }

  /** Lets every timer fire that is set. */
  fire(): void {
    for (const fn of this.timers.keys()) {
      this.timers.delete(fn);
      fn();
    }
  }

  get outcomes(): ToolCallRow["outcome"][] {
    return this.table.list().map(({ outcome }) => outcome);
  }

  [Symbol.dispose](): void {
    this.storage.close();
  }
}

/** A row with what matters to a test. */
export function row(fields: Partial<ToolCallRow> = {}): ToolCallRow {
  return {
    n: 1,
    turnId: "turn-1",
    callId: "call_0",
    run: 1,
    name: "roll",
    input: { sides: 6 },
    isDynamic: false,
    isIdempotent: false,
    startedAt: 1,
    outcome: null,
    ...fields,
  };
}

export const ROLL = { callId: "call_0", name: "roll", input: { sides: 6 }, isDynamic: false, isIdempotent: false };
