// The SQLite of one object on node:sqlite, in memory. It refuses what workerd and production refuse. What it adds is death:
// each incarnation has a view of its own, and once that is dead, what was not committed is gone and nothing of it counts.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { MAX_ROW_BYTES, MAX_SQL_PARAMS, type ObjectStorage, type SqlCursor, type SqlParam, type SqlRow } from "../../storage/database.ts";
import { BLANK, MAX_STATEMENT_BYTES, parameterCount, refuse } from "./sql-rules.ts";
import type { VirtualAlarm } from "./virtual-alarm.ts";

/** Looks at every step of the storage. What `beforeStatement` and `beforeCommit` throw comes out of that step. */
export interface StorageProbe {
  beforeStatement(isInTransaction: boolean): void;
  beforeCommit(): void;
  /** After each transaction, and after each statement outside of one that may have written. */
  afterCommit(): void;
}

/** Whose statements these are. */
export interface StorageOwner {
  readonly isDead: boolean;
}

/** What an incarnation gets that lives no more. */
export class DeadIncarnation extends Error {
  override readonly name = "DeadIncarnation";
}

interface Prepared {
  statement: StatementSync;
  parameters: number;
  isWrite: boolean;
}

export class VirtualStorage {
  readonly #db = openDatabase();
  readonly #alarm: VirtualAlarm;
  readonly #probe: StorageProbe;
  readonly #prepared = new Map<string, Prepared>();
  #depth = 0;

  constructor(alarm: VirtualAlarm, probe: StorageProbe) {
    this.#alarm = alarm;
    this.#probe = probe;
  }

  /** True inside a transaction, whose work may still be undone. */
  get isInTransaction(): boolean {
    return this.#depth > 0;
  }

  /** Rows as they are now, for those who watch: no probe sees it. Outside of a transaction, this is what is committed. */
  query<Row extends object>(sql: string, ...params: SqlParam[]): Row[] {
    return this.#prepareLast(sql).statement.all(...(params as string[])) as Row[];
  }

  /** The storage as one incarnation sees it. */
  viewOf(owner: StorageOwner): ObjectStorage {
    return {
      sql: {
        exec: (query, ...params) => {
          requireAlive(owner);
          this.#probe.beforeStatement(this.isInTransaction);
          return this.#exec(query, params);
        },
      },
      transactionSync: (fn) => {
        requireAlive(owner);
        return this.#transaction(owner, fn);
      },
    };
  }

  close(): void {
    this.#db.close();
  }

  #transaction<T>(owner: StorageOwner, fn: () => T): T {
    const isOutermost = this.#depth === 0;
    const savepoint = `nested_${this.#depth}`;
    this.#db.exec(`SAVEPOINT ${savepoint}`);
    const undoAlarm = this.#alarm.save();
    this.#depth++;
    let result: T;
    try {
      result = fn();
      if (isOutermost) this.#probe.beforeCommit();
      // Who caught the crash and went on is dead all the same.
      requireAlive(owner);
      this.#db.exec(`RELEASE ${savepoint}`);
    } catch (error) {
      this.#db.exec(`ROLLBACK TO ${savepoint}`);
      this.#db.exec(`RELEASE ${savepoint}`);
      undoAlarm();
      throw error;
    } finally {
      this.#depth--;
      if (isOutermost) this.#alarm.end();
    }
    if (isOutermost) this.#probe.afterCommit();
    return result;
  }

  /** Runs each statement of `query` in turn; bindings go to the last one and its rows are the result, as in workerd. */
  #exec(query: string, params: readonly SqlParam[]): SqlCursor {
    if (params.length > MAX_SQL_PARAMS) throw new Error("too many SQL variables: SQLITE_ERROR");
    if (sizeOf(params) > MAX_ROW_BYTES) throw new Error("string or blob too big: SQLITE_TOOBIG");
    const { statement, parameters, isWrite } = this.#prepareLast(query);
    if (parameters !== params.length) throw new Error("Wrong number of parameter bindings for SQL query.");
    const before = isWrite ? this.#changes() : 0;
    const rows = statement.all(...(params as string[])) as SqlRow[];
    const written = isWrite ? this.#changes() - before : 0;
    if (isWrite && this.#depth === 0) this.#probe.afterCommit();
    return new Rows(rows, written);
  }

  #changes(): number {
    return this.query<{ n: number }>("SELECT total_changes() AS n")[0]!.n;
  }

  /** The last statement of `query`; those before it have been run. Only a query of one statement is kept. */
  #prepareLast(query: string): Prepared {
    const known = this.#prepared.get(query);
    if (known) return known;
    if (Buffer.byteLength(query) >= MAX_STATEMENT_BYTES) throw new Error("statement too long: SQLITE_TOOBIG");
    for (let text = query.replace(BLANK, ""); ;) {
      const statement = this.#db.prepare(text);
      // `prepare` takes the first statement only, and `sourceSQL` is exactly the text that it took.
      const taken = statement.sourceSQL;
      refuse(taken);
      const prepared = { statement, parameters: parameterCount(taken), isWrite: !/^(select|pragma|explain)\b/i.test(taken) };
      const rest = text.slice(taken.length).replace(BLANK, "");
      if (rest === "") {
        if (text === query) this.#prepared.set(query, prepared);
        return prepared;
      }
      statement.run();
      text = rest;
    }
  }
}

/** Only here is SQLite loaded: not every Node has it, and most of them warn of it. */
function openDatabase(): DatabaseSync {
  const sqlite = process.getBuiltinModule("node:sqlite");
  if (!sqlite) throw new Error("A simulated world keeps its objects in node:sqlite, which this Node does not have: take 22.13 or later.");
  // An older Node does not know the limit, and takes a row of any size.
  return new sqlite.DatabaseSync(":memory:", { limits: { length: MAX_ROW_BYTES } });
}

/** A result, read once like the platform's. What was read is not counted, nor the rows of indexes. */
class Rows implements SqlCursor {
  readonly rowsRead = 0;
  readonly rowsWritten: number;
  readonly #rows: SqlRow[];

  constructor(rows: SqlRow[], rowsWritten: number) {
    this.#rows = rows;
    this.rowsWritten = rowsWritten;
  }

  toArray(): SqlRow[] {
    return this.#rows.splice(0);
  }

  *[Symbol.iterator](): Iterator<SqlRow> {
    while (this.#rows.length > 0) yield this.#rows.shift()!;
  }
}

function requireAlive(owner: StorageOwner): void {
  if (owner.isDead) throw new DeadIncarnation("This incarnation of the object is dead.");
}

/** UTF-8 bytes of what is bound; an upper bound where that is far below the limit. */
function sizeOf(params: readonly SqlParam[]): number {
  let size = 0;
  for (const param of params) {
    if (typeof param === "string") size += param.length * 3 > MAX_ROW_BYTES ? Buffer.byteLength(param) : param.length;
    else if (param instanceof ArrayBuffer || param instanceof Uint8Array) size += param.byteLength;
  }
  return size;
}
