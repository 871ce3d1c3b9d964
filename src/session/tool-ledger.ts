// The ledger of one turn's tool calls, as one run keeps it: a call is stored before its tool runs, its outcome before anyone
// sees it. So after a crash it is known which tools have run, and none of them runs twice.
import { ChatError } from "../errors.ts";
import type { Database } from "../storage/database.ts";
import type { ToolCallRow, ToolCallTable, ToolOutcome } from "../storage/tool-call-table.ts";
import type { Deps } from "./deps.ts";
import { isSameJson } from "./same-json.ts";

/** A call whose tool is about to run. */
export type ToolCallStart = Pick<ToolCallRow, "callId" | "name" | "input" | "isDynamic" | "isIdempotent">;

/** A call that has begun. */
export interface ToolCallEntry {
  readonly n: number;
  /** The same for each run of this call, different for every other call of any turn. */
  readonly idempotencyKey: string;
}

export interface ToolLedgerPorts {
  db: Database;
  table: ToolCallTable;
  now: Deps["now"];
  /** False when the turn is no longer in this run, as far as storage knows. */
  isCurrent(): boolean;
  /** An outcome could not be stored: the run has to end, or the model would be told of a failure and ask again. */
  onLost(error: unknown): void;
}

export class ToolLedger {
  readonly #ports: ToolLedgerPorts;
  readonly #turnId: string;
  readonly #run: number;
  /** HIBERNATION: calls of this run that are under way. Lost with their tools; their rows then have no outcome. */
  readonly #open = new Set<number>();
  /** HIBERNATION: what earlier runs left that may run again, read before this one stores its first call. The rows are still there. */
  #left: ToolCallRow[] | null = null;
  /** HIBERNATION: ids of the calls that this run began. */
  readonly #begun = new Set<string>();
  readonly #closing = new AbortController();

  /** @param turn its `run` is the number of the run that keeps this ledger: each run of a turn has a larger one */
  constructor(ports: ToolLedgerPorts, turn: { id: string; run: number }) {
    this.#ports = ports;
    this.#turnId = turn.id;
    this.#run = turn.run;
  }

  /** How many tools of this run are at work. */
  get inFlight(): number {
    return this.#open.size;
  }

  /** True when a call with this id has begun in this run. */
  hasBegun(callId: string): boolean {
    return this.#begun.has(callId);
  }

  /** Aborts when the ledger is closed. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * Stores that a tool is about to run; call it before the tool. The same call of an earlier run, idempotent and without an
   * outcome, is taken up again with its key. Every other one is a new call, whatever its id: providers use ids again.
   * @throws {ChatError} `interrupted` after {@link close}, `configuration` for an input without a JSON form: do not run the tool
   */
  begin(call: ToolCallStart): ToolCallEntry {
    if (this.#closing.signal.aborted || !this.#ports.isCurrent()) {
      throw new ChatError("interrupted", `The turn has ended: the tool ${JSON.stringify(call.name)} is not run.`);
    }
    const n = this.#takeUp(call) ?? this.#insert(call);
    this.#open.add(n);
    this.#begun.add(call.callId);
    return { n, idempotencyKey: `${this.#turnId}:${n}` };
  }

  /**
   * Stores the outcome of a call, once. Nothing happens after {@link close}: a late result is dropped.
   * @throws what storage throws; the call then has no outcome, and its run has ended
   */
  settle({ n }: ToolCallEntry, outcome: ToolOutcome): void {
    if (!this.#open.delete(n)) return;
    const { db, table } = this.#ports;
    try {
      db.transaction(() => table.settle({ n, turnId: this.#turnId }, outcome));
    } catch (error) {
      this.#ports.onLost(error);
      throw error;
    }
  }

  /** The run has ended or was detached: no call begins any more, and those under way keep the outcome that they have: none. */
  close(): void {
    this.#open.clear();
    this.#closing.abort(new ChatError("interrupted", "The turn has ended."));
  }

  #takeUp(call: ToolCallStart): number | undefined {
    this.#left ??= this.#ports.table.list().filter((row) => row.isIdempotent && row.outcome === null);
    // Its input too: under a key that the world knows already, another call with the same id would have no effect.
    const at = this.#left.findIndex(
      ({ callId, name, input }) => call.isIdempotent && callId === call.callId && name === call.name && isSameJson(input, call.input),
    );
    return at < 0 ? undefined : this.#left.splice(at, 1)[0]!.n;
  }

  #insert(call: ToolCallStart): number {
    const { db, table, now } = this.#ports;
    const row = { ...call, turnId: this.#turnId, run: this.#run, startedAt: now() };
    if (jsonOf({ input: call.input }) === undefined) {
      throw new ChatError(
        "configuration",
        `The input of the tool ${JSON.stringify(call.name)} has no JSON form, so the call cannot be stored. Let its schema give JSON values.`,
      );
    }
    return db.transaction(() => table.insert(row));
  }
}

/** The JSON text of a value; undefined when it has none: a function, a cycle, a bigint. */
export function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // A TypeError for a cycle or a bigint, or what the value's own `toJSON` throws.
    return undefined;
  }
}
