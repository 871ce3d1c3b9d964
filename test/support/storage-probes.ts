// Wrappers around any ObjectStorage that make it fail or tell what it was asked. No assertions.
import type { ObjectStorage } from "../../src/storage/database.ts";

/** Runs a test body on a fresh, blank storage: node:sqlite in unit tests, an object's own in workerd. */
export type WithStorage = (body: (storage: ObjectStorage) => void) => void | Promise<void>;

/** What {@link failAfter} throws. */
export class InjectedFailure extends Error {}

/** A storage whose `count`-th `exec` (from 1) is carried out and then throws; later ones work. */
export function failAfter(storage: ObjectStorage, count: number): ObjectStorage {
  let seen = 0;
  return {
    sql: {
      exec: (query, ...bindings) => {
        const cursor = storage.sql.exec(query, ...bindings);
        if (++seen === count) {
          cursor.toArray();
          throw new InjectedFailure(`injected after statement ${count}`);
        }
        return cursor;
      },
    },
    transactionSync: (fn) => storage.transactionSync(fn),
  };
}

/** A storage that notes each query in `queries`. */
export function record(storage: ObjectStorage): ObjectStorage & { queries: string[] } {
  const queries: string[] = [];
  return {
    queries,
    sql: {
      exec: (query, ...bindings) => {
        queries.push(query);
        return storage.sql.exec(query, ...bindings);
      },
    },
    transactionSync: (fn) => storage.transactionSync(fn),
  };
}

/** The whole catalogue and the content of every table of ours or the app's, for comparing before and after. */
export function dump(storage: ObjectStorage): string {
  const catalogue = storage.sql
    .exec("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\'")
    .toArray();
  const tables = catalogue.filter(({ type }) => type === "table").map(({ name }) => name as string);
  const content = tables.map((table) => [table, storage.sql.exec(`SELECT * FROM "${table}"`).toArray()]);
  return JSON.stringify([catalogue, content]);
}
