// `ctx.storage` of an object in a simulated world, as an app sees it: the SQL cursor with all of its methods, and the
// key-value storage in a table of the same SQLite, as in workerd.
import { deserialize, serialize } from "node:v8";
import type { ObjectStorage, SqlCursor, SqlParam, SqlRow, SqlValue } from "../../storage/database.ts";

/** The alarm, as one incarnation may set it. */
export interface AlarmPort {
  at(): number | null;
  set(at: number | null): void;
}

/** workerd's own name. */
const KV_TABLE = "_cf_KV";

/** The part of `DurableObjectStorage` that there is. */
export function objectStorage(view: ObjectStorage, alarm: AlarmPort) {
  const sql = {
    exec: (query: string, ...bindings: unknown[]) => new Cursor(view.sql.exec(query, ...bindings.map(bound))),
    get databaseSize(): number {
      const query = "SELECT page_count * page_size AS size FROM pragma_page_count, pragma_page_size";
      return view.sql.exec(query).toArray()[0]!.size as number;
    },
  };
  const kv = keyValues(view);
  return {
    sql,
    kv,
    transactionSync: <T>(fn: () => T): T => view.transactionSync(fn),
    setAlarm: async (at: number | Date) => alarm.set(Number(at)),
    deleteAlarm: async () => alarm.set(null),
    getAlarm: async () => alarm.at(),
    get: async (key: string) => kv.get(key),
    put: async (key: string, value: unknown) => kv.put(key, value),
    delete: async (key: string) => kv.delete(key),
    list: async (options?: ListOptions) => new Map(kv.list(options)),
    sync: async () => {},
  };
}

interface ListOptions {
  start?: string;
  end?: string;
  prefix?: string;
  reverse?: boolean;
  limit?: number;
}

function keyValues({ sql }: ObjectStorage) {
  const hasTable = (): boolean => sql.exec("SELECT 1 AS one FROM sqlite_master WHERE name = ?", KV_TABLE).toArray().length > 0;
  const rows = (query: string, ...params: SqlParam[]): SqlRow[] => (hasTable() ? sql.exec(query, ...params).toArray() : []);
  return {
    get: (key: string): unknown => {
      const [row] = rows(`SELECT value FROM ${KV_TABLE} WHERE key = ?`, key);
      return row && read(row.value!);
    },
    put: (key: string, value: unknown): void => {
      if (!hasTable()) sql.exec(`CREATE TABLE ${KV_TABLE} (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID`);
      sql.exec(`INSERT OR REPLACE INTO ${KV_TABLE} VALUES (?, ?)`, key, new Uint8Array(serialize(value)));
    },
    delete: (key: string): boolean => rows(`DELETE FROM ${KV_TABLE} WHERE key = ? RETURNING key`, key).length > 0,
    list: ({ start, end, prefix = "", reverse = false, limit = Infinity }: ListOptions = {}): [string, unknown][] => {
      const found = rows(`SELECT key, value FROM ${KV_TABLE} ORDER BY key`)
        .map(({ key, value }) => ({ key: key as string, value: value! }))
        .filter(({ key }) => key.startsWith(prefix) && (start === undefined || key >= start) && (end === undefined || key < end));
      if (reverse) found.reverse();
      return found.slice(0, limit).map(({ key, value }) => [key, read(value)]);
    },
  };
}

const read = (value: SqlValue): unknown => deserialize(value as unknown as Uint8Array);

/** What workerd makes of a binding. Measured 2026-11. */
function bound(value: unknown): SqlParam {
  if (value === undefined || Number.isNaN(value)) return null;
  if (typeof value === "boolean" || value instanceof Date) return String(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (typeof value === "bigint") throw new TypeError("A BigInt cannot be bound.");
  return value as SqlParam;
}

/** A result of `sql.exec`, read once. Rows are plain objects, blobs array buffers, as in workerd. */
class Cursor implements SqlCursor {
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly columnNames: string[];
  readonly #rows: SqlRow[];

  constructor(cursor: SqlCursor) {
    this.#rows = cursor.toArray().map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, unbound(value)])));
    this.rowsRead = cursor.rowsRead;
    this.rowsWritten = cursor.rowsWritten;
    this.columnNames = Object.keys(this.#rows[0] ?? {});
  }

  toArray(): SqlRow[] {
    return this.#rows.splice(0);
  }

  one(): SqlRow {
    const [row, ...others] = this.toArray();
    if (!row) throw new Error("Expected exactly one result from SQL query, but got no results.");
    if (others.length > 0) throw new Error("Expected exactly one result from SQL query, but got multiple results.");
    return row;
  }

  next(): { done?: false; value: SqlRow } | { done: true; value?: never } {
    const value = this.#rows.shift();
    return value ? { value } : { done: true };
  }

  *raw(): Generator<SqlValue[]> {
    for (const row of this) yield Object.values(row);
  }

  *[Symbol.iterator](): Iterator<SqlRow> {
    for (let next = this.next(); next.value; next = this.next()) yield next.value;
  }
}

function unbound(value: SqlValue | Uint8Array): SqlValue {
  return value instanceof Uint8Array ? value.slice().buffer : value;
}
