// Counts what the platform bills, and makes statements fail, for every object of this isolate, constructors included: the
// prototypes of the platform's classes are wrapped while a body runs. One at a time. No assertions.
import { runInDurableObject } from "cloudflare:test";
import { PLAIN } from "./objects.ts";

/** Billed rows and alarm calls of a stretch of a test. */
export interface Bill {
  rowsRead: number;
  /** Of SQL alone: alarm calls are apart. */
  rowsWritten: number;
  alarmsSet: number;
  alarmsDeleted: number;
  /** Rows by the first words of each statement, for whoever has to read a failure. */
  writes: Record<string, number>;
  reads: Record<string, number>;
}

type Method = (...args: never[]) => unknown;
type Cursor = { rowsRead: number; rowsWritten: number };

/** Runs `body` and says what everything in it cost. */
export async function metered(body: () => Promise<void>): Promise<Bill> {
  const cursors: { query: string; cursor: Cursor }[] = [];
  const bill: Bill = { rowsRead: 0, rowsWritten: 0, alarmsSet: 0, alarmsDeleted: 0, writes: {}, reads: {} };
  const { sql, storage } = await prototypes();
  const restore = [
    wrap(sql, "exec", (call, query) => {
      const cursor = call() as Cursor;
      cursors.push({ query: String(query), cursor });
      return cursor;
    }),
    wrap(storage, "setAlarm", (call) => (bill.alarmsSet++, call())),
    wrap(storage, "deleteAlarm", (call) => (bill.alarmsDeleted++, call())),
  ];
  try {
    await body();
  } finally {
    for (const undo of restore) undo();
  }
  for (const { query, cursor } of cursors) {
    bill.rowsRead += cursor.rowsRead;
    bill.rowsWritten += cursor.rowsWritten;
    const name = query.trim().replace(/\s+/g, " ").slice(0, 40);
    if (cursor.rowsWritten > 0) bill.writes[name] = (bill.writes[name] ?? 0) + cursor.rowsWritten;
    if (cursor.rowsRead > 0) bill.reads[name] = (bill.reads[name] ?? 0) + cursor.rowsRead;
  }
  return bill;
}

/** Rows written, alarm calls among them, as the platform bills them. */
export function billedWrites(bill: Bill): number {
  return bill.rowsWritten + bill.alarmsSet + bill.alarmsDeleted;
}

/** Runs `body` with the `count`-th statement from now (from 1) carried out and then thrown. Returns how many statements ran. */
export async function failingAfter(count: number, body: () => Promise<void>): Promise<number> {
  const { sql } = await prototypes();
  let seen = 0;
  const undo = wrap(sql, "exec", (call) => {
    const cursor = call() as { toArray(): unknown };
    if (++seen !== count) return cursor;
    cursor.toArray();
    throw new Error(`injected after statement ${count}`);
  });
  try {
    await body();
  } finally {
    undo();
  }
  return seen;
}

function prototypes(): Promise<{ sql: object; storage: object }> {
  return runInDurableObject(PLAIN.get(PLAIN.idFromName("prototypes")), (_plain, { storage }) => ({
    sql: Object.getPrototypeOf(storage.sql) as object,
    storage: Object.getPrototypeOf(storage) as object,
  }));
}

function wrap(target: object, name: string, around: (call: () => unknown, ...args: unknown[]) => unknown): () => void {
  const methods = target as Record<string, Method>;
  const original = methods[name]!;
  methods[name] = function (this: unknown, ...args: never[]) {
    return around(() => original.apply(this, args), ...args);
  };
  return () => {
    methods[name] = original;
  };
}
