// The one door to the object's SQLite. Synchronous, like the platform: no call in here may ever await.
// It refuses bindings that the platform would store as something else, and counts rows for cost tests and events.

/** What a column of a result can hold. Integers come back as numbers; only safe integers may be stored. */
export type SqlValue = string | number | null | ArrayBuffer;

/** What may be bound to a `?`. Booleans are stored as 0 and 1 by the caller, times as epoch ms. */
export type SqlParam = SqlValue | Uint8Array;

/** One row of a result, by column name. */
export type SqlRow = Record<string, SqlValue>;

/** The result of one `exec`. Lazy on the platform: the counts are final only after it has been read to its end. */
export interface SqlCursor extends Iterable<SqlRow> {
  toArray(): SqlRow[];
  readonly rowsRead: number;
  readonly rowsWritten: number;
}

/**
 * The part of `DurableObjectStorage` that chatcell's storage needs; `ctx.storage` is one. A simulated world brings its
 * own. `exec` runs every statement of `query`, bindings go to the last one. `transactionSync` nests, and rolls everything
 * back, DDL too, when `fn` throws.
 */
export interface ObjectStorage {
  readonly sql: { exec(query: string, ...bindings: SqlParam[]): SqlCursor };
  transactionSync<T>(fn: () => T): T;
}

/** Rows as the platform bills them, summed over everything that went through one {@link Database}. */
export interface SqlUsage {
  rowsRead: number;
  rowsWritten: number;
}

/** Bound parameters per statement; workerd refuses more. Measured 2026-11-02. */
export const MAX_SQL_PARAMS = 100;

/**
 * The platform's cap for one string, blob or row, in bytes. Production refuses more, local workerd does not, so it is held
 * here too. Source: Durable Objects limits, read 2026-11.
 */
export const MAX_ROW_BYTES = 2_000_000;

/**
 * A thin, synchronous layer over the object's SQLite. Stateless but for {@link Database.usage}; as many as you like may
 * share one storage.
 */
export class Database {
  readonly #storage: ObjectStorage;

  /**
   * Rows read and written since this instance was made. Work that was rolled back is counted, since it is billed.
   * HIBERNATION: a counter for observers only; starting again at zero after a wake is right.
   */
  readonly usage: SqlUsage = { rowsRead: 0, rowsWritten: 0 };

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
  }

  /**
   * Runs one statement and returns all its rows. The row type is the caller's promise about its own SQL.
   * @throws {TypeError} when a parameter is none that SQLite can keep: a mistake in the calling code, nothing was run.
   */
  all<T extends object = SqlRow>(sql: string, ...params: SqlParam[]): T[] {
    checkParams(params);
    // Read to the end at once: an open cursor would see later writes, and its counts would be too low.
    const cursor = this.#storage.sql.exec(sql, ...params);
    const rows = cursor.toArray();
    this.usage.rowsRead += cursor.rowsRead;
    this.usage.rowsWritten += cursor.rowsWritten;
    return rows as T[];
  }

  /** The first row, or undefined. All rows that the statement finds are read and billed: let it find one. */
  first<T extends object = SqlRow>(sql: string, ...params: SqlParam[]): T | undefined {
    return this.all<T>(sql, ...params)[0];
  }

  /** Runs for the effect. Without parameters, `sql` may hold several statements; they are one only inside a transaction. */
  run(sql: string, ...params: SqlParam[]): void {
    this.all(sql, ...params);
  }

  /**
   * Runs `fn` as one transaction and returns what it returns; when it throws, all is as before, DDL and alarm included, and
   * the error goes on. Nests: a failed inner transaction undoes only its own work when the outer one catches.
   * @throws {TypeError} when `fn` returns a promise: its later part would run outside. What it did so far is undone.
   */
  transaction<T>(fn: () => T): T {
    return this.#storage.transactionSync(() => {
      const result = fn();
      if (isThenable(result)) throw new TypeError("A storage transaction is synchronous; its function returned a promise.");
      return result;
    });
  }
}

function checkParams(params: readonly unknown[]): void {
  if (params.length > MAX_SQL_PARAMS) throw new TypeError(`A statement takes at most ${MAX_SQL_PARAMS} parameters, got ${params.length}.`);
  for (const [index, param] of params.entries()) {
    const fault = faultOf(param);
    if (fault) throw new TypeError(`SQL parameter ${index + 1} is ${fault}`);
  }
}

/** Why a value cannot be bound, or undefined. workerd binds most of these silently as NULL or as text. */
function faultOf(param: unknown): string | undefined {
  if (param === null) return undefined;
  switch (typeof param) {
    case "string":
      // Characters are a lower bound of the bytes: this catches a text that skipped the overflow table, for free.
      return param.length > MAX_ROW_BYTES ? `a text of ${param.length} characters; long text continues in cc_overflow.` : undefined;
    case "number":
      if (!Number.isFinite(param)) return `${param}; store null or a finite number.`;
      return Number.isInteger(param) && !Number.isSafeInteger(param)
        ? `${param}, an integer that loses digits; store it as text.`
        : undefined;
    case "object":
      if (param instanceof ArrayBuffer || param instanceof Uint8Array) {
        return param.byteLength > MAX_ROW_BYTES ? `a blob of ${param.byteLength} bytes; the limit is ${MAX_ROW_BYTES}.` : undefined;
      }
      return "an object; store JSON text, epoch milliseconds or a blob.";
    case "undefined":
      return "undefined; store null where there is no value.";
    case "boolean":
      return "a boolean; store 0 or 1.";
    default:
      return `a ${typeof param}, which SQLite cannot keep.`;
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
