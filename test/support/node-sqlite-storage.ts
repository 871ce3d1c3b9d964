// The object's SQLite, stood in for by node:sqlite (Node 24): it refuses what workerd and production refuse, and binds what
// workerd binds. Row counts are approximate: nothing is read, and index rows and DDL are not counted as written.
import { DatabaseSync, type StatementSync } from "node:sqlite";
import {
  MAX_ROW_BYTES,
  MAX_SQL_PARAMS,
  type ObjectStorage,
  type SqlCursor,
  type SqlParam,
  type SqlRow,
} from "../../src/storage/database.ts";
import { BLANK, MAX_STATEMENT_BYTES, parameterCount, refuse } from "../../src/testing/world/sql-rules.ts";

/** One object's storage. In memory unless a path is given; close it when done. */
export class NodeSqliteStorage implements ObjectStorage {
  readonly #db: DatabaseSync;
  readonly #totalChanges: StatementSync;
  #depth = 0;

  constructor(path = ":memory:") {
    this.#db = new DatabaseSync(path, { limits: { length: MAX_ROW_BYTES } });
    this.#totalChanges = this.#db.prepare("SELECT total_changes() AS n");
  }

  readonly sql = { exec: (query: string, ...bindings: SqlParam[]): SqlCursor => this.#exec(query, bindings) };

  transactionSync<T>(fn: () => T): T {
    const savepoint = `nested_${this.#depth}`;
    this.#db.exec(`SAVEPOINT ${savepoint}`);
    this.#depth++;
    try {
      const result = fn();
      this.#db.exec(`RELEASE ${savepoint}`);
      return result;
    } catch (error) {
      this.#db.exec(`ROLLBACK TO ${savepoint}`);
      this.#db.exec(`RELEASE ${savepoint}`);
      throw error;
    } finally {
      this.#depth--;
    }
  }

  close(): void {
    this.#db.close();
  }

  /** Runs each statement of `query` in turn; bindings go to the last one and its rows are the result, as in workerd. */
  #exec(query: string, bindings: readonly unknown[]): SqlCursor {
    if (Buffer.byteLength(query) >= MAX_STATEMENT_BYTES) throw new Error("statement too long: SQLITE_TOOBIG");
    const values = bindings.map(toBound);
    if (values.length > MAX_SQL_PARAMS) throw new Error(`too many SQL variables: SQLITE_ERROR`);
    if (values.reduce((sum: number, value) => sum + sizeOf(value), 0) > MAX_ROW_BYTES)
      throw new Error("string or blob too big: SQLITE_TOOBIG");

    const before = this.#changes();
    let rest = query.replace(BLANK, "");
    for (;;) {
      const statement = this.#db.prepare(rest);
      // `prepare` takes the first statement only, and `sourceSQL` is exactly the text that it took.
      const taken = statement.sourceSQL;
      rest = rest.slice(taken.length).replace(BLANK, "");
      refuse(taken);
      const bound = rest === "" ? values : [];
      if (bound.length !== parameterCount(taken)) throw new Error("Wrong number of parameter bindings for SQL query.");
      const rows = statement.all(...bound) as Record<string, SqlRow[string] | Uint8Array>[];
      if (rest === "") return new ReadCursor(rows.map(toRow), this.#changes() - before);
    }
  }

  #changes(): number {
    return (this.#totalChanges.get() as { n: number }).n;
  }
}

class ReadCursor implements SqlCursor {
  readonly rowsRead = 0;
  readonly rowsWritten: number;
  readonly #rows: Iterator<SqlRow>;

  constructor(rows: SqlRow[], rowsWritten: number) {
    this.#rows = rows.values();
    this.rowsWritten = rowsWritten;
  }

  /** What is left: like the platform's cursor, it is read once. */
  toArray(): SqlRow[] {
    return [...this];
  }

  *[Symbol.iterator](): Iterator<SqlRow> {
    for (let next = this.#rows.next(); !next.done; next = this.#rows.next()) yield next.value;
  }
}

/** The platform's silent conversions, so that a caller that gets past the wrapper sees the same here. */
function toBound(value: unknown): string | number | null | Uint8Array {
  if (value === undefined || value === null || Number.isNaN(value)) return null;
  if (typeof value === "bigint") throw new TypeError("A BigInt cannot be bound.");
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof Uint8Array || typeof value === "number") return value;
  return (value as string | boolean | Date).toString();
}

function sizeOf(value: string | number | null | Uint8Array): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  return value instanceof Uint8Array ? value.byteLength : 8;
}

function toRow(row: Record<string, SqlRow[string] | Uint8Array>): SqlRow {
  const plain: SqlRow = {};
  for (const [name, value] of Object.entries(row)) plain[name] = value instanceof Uint8Array ? value.slice().buffer : value;
  return plain;
}
