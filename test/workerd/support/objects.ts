// The inside of one thread's object, for tests: its storage, its alarm, its life. No assertions.
import { env } from "cloudflare:workers";
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import type { SqlRow } from "../../../src/storage/database.ts";
import { isScripted } from "../scripted.ts";
import { constructions, type Env, type Play, type Puppet } from "../worker.ts";

export const { PUPPET, PLAIN, SCRIPTED, CHATCELL_SECRET } = env as unknown as Env;

/** A thread with a scene has a class of its own. */
const namespaceOf = (threadId: string) => (isScripted(threadId) ? (SCRIPTED as unknown as typeof PUPPET) : PUPPET);

export const idOf = (threadId: string): DurableObjectId => namespaceOf(threadId).idFromName(`/${threadId}`);

export function stubOf(threadId: string): DurableObjectStub<Puppet> {
  return namespaceOf(threadId).get(idOf(threadId));
}

/** How often the object has been constructed. Asking does not wake it. */
export function constructionsOf(threadId: string): number {
  return constructions.get(idOf(threadId).toString()) ?? 0;
}

/** Rows of a statement, run inside the object. */
export function query<T extends object = SqlRow>(threadId: string, sql: string, ...params: (string | number | null)[]): Promise<T[]> {
  return runInDurableObject(stubOf(threadId), (_puppet, state) => state.storage.sql.exec(sql, ...params).toArray() as T[]);
}

/** What the object has in storage: the names in its catalogue, and its alarm. A blank one has neither. */
export function traceOf(threadId: string): Promise<{ catalogue: unknown[]; alarm: number | null }> {
  return runInDurableObject(stubOf(threadId), async (_puppet, state) => ({
    catalogue: state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\'").toArray(),
    alarm: await state.storage.getAlarm(),
  }));
}

export const BLANK = { catalogue: [], alarm: null };

/** Every row of every table of chatcell, as one comparable text. */
export function dumpOf(threadId: string): Promise<string> {
  return runInDurableObject(stubOf(threadId), (_puppet, state) => {
    const { sql } = state.storage;
    const tables = sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'cc\\_%' ESCAPE '\\'")
      .toArray();
    return JSON.stringify(tables.map(({ name }) => [name, sql.exec(`SELECT * FROM ${name}`).toArray()]));
  });
}

/** Ends the object's memory; its sockets live on. */
export function evict(threadId: string): Promise<void> {
  return evictDurableObject(stubOf(threadId), { webSockets: "hibernate" });
}

/** Takes the next run of the thread and plays it. */
export function play(threadId: string, perform: (run: Play) => void | Promise<void>): Promise<void> {
  return runInDurableObject(stubOf(threadId), async (puppet) => perform(await puppet.nextPlay()));
}

/** Answers the next run with one text. */
export function reply(threadId: string, ...deltas: string[]): Promise<void> {
  return play(threadId, (run) => {
    run.text(...deltas);
    run.end();
  });
}
