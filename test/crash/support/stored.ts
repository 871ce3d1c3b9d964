// What the objects have on disk, read while no process has it: a copy is opened, so that the files stay as the crash left them.
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Part, TurnFacts } from "../../../src/entries/protocol.ts";

export interface StoredThread {
  /** Id of its object, as hex. */
  objectId: string;
  /** When the alarm of the object is due, epoch ms; null for none. */
  alarmAt: number | null;
  /** Turns whose `onTurnEnd` has not returned. */
  endMarks: string[];
  turns: { id: string; state: string; dueAt: number | null }[];
  messages: { id: string; role: string; facts: TurnFacts | null; parts: Part[] }[];
  /** Rows of the log and of the ledger of the live turn. */
  logRows: number;
  callRows: number;
}

/** What must be gone when every turn of a thread has ended: rows of turns, and all that would wake the object. */
export const NOTHING_LEFT = { turns: [], logRows: 0, callRows: 0, alarmAt: null, endMarks: [] };

export function leftOf({ turns, logRows, callRows, alarmAt, endMarks }: StoredThread): Record<keyof typeof NOTHING_LEFT, unknown> {
  return { turns, logRows, callRows, alarmAt, endMarks };
}

/** Every thread by its id. `storage` is that of `startWorkerd`, whose process is down. */
export function readStoredThreads(storage: string): Map<string, StoredThread> {
  const copy = mkdtempSync(path.join(tmpdir(), "chatcell-stored-"));
  try {
    cpSync(storage, copy, { recursive: true });
    const files = readdirSync(copy, { recursive: true, encoding: "utf8" });
    return new Map(files.filter(isObject).map((file) => readThread(path.join(copy, file))));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/**
 * Lets time pass for what is stored, while no process has it: everything that is due later is due now, and so are the alarms. A
 * lease has run out, days of waiting are over.
 */
export function elapse(storage: string): void {
  const now = Date.now();
  for (const file of readdirSync(storage, { recursive: true, encoding: "utf8" })) {
    if (isOfAlarms(file)) {
      withDatabase(path.join(storage, file), (db) => db.exec(`UPDATE _cf_ALARM SET scheduled_time = ${now}000000`));
    } else if (isObject(file)) {
      withDatabase(path.join(storage, file), (db) => {
        db.exec(`UPDATE cc_turn SET due_at = ${now} WHERE due_at IS NOT NULL`);
        db.exec(`UPDATE cc_session SET due_at = ${now} WHERE due_at IS NOT NULL`);
        if (hasAlarmTable(db)) db.exec(`UPDATE ${ALARM.replace("WHERE", `SET value = ${now}000000 WHERE`)}`);
      });
    }
  }
}

const isOfAlarms = (file: string): boolean => path.basename(file) === "metadata.sqlite";
const isObject = (file: string): boolean => file.endsWith(".sqlite") && !isOfAlarms(file);

/**
 * The alarm as the object has it, which is the one that counts: beside it the runtime has a schedule of all objects, and a crash
 * may leave an alarm in there that the object has deleted; it is not delivered.
 */
const ALARM = "_cf_METADATA WHERE key = 1 AND value IS NOT NULL";

function hasAlarmTable(db: DatabaseSync): boolean {
  return db.prepare("SELECT name FROM sqlite_master WHERE name = '_cf_METADATA'").get() !== undefined;
}

function withDatabase<Result>(file: string, use: (db: DatabaseSync) => Result): Result {
  const db = new DatabaseSync(file);
  try {
    return use(db);
  } finally {
    db.close();
  }
}

function readThread(file: string): [string, StoredThread] {
  return withDatabase(file, (db) => {
    const rows = (sql: string): Record<string, string | number | null>[] =>
      db.prepare(sql).all() as Record<string, string | number | null>[];
    const session = rows("SELECT thread_id, end_marks FROM cc_session")[0]!;
    const turns = rows("SELECT id, state, due_at FROM cc_turn ORDER BY ord");
    const messages = rows("SELECT id, role, facts, body FROM cc_message ORDER BY rev");
    const thread: StoredThread = {
      objectId: path.basename(file, ".sqlite"),
      turns: turns.map(({ id, state, due_at }) => ({ id: String(id), state: String(state), dueAt: due_at as number | null })),
      messages: messages.map(({ id, role, facts, body }) => ({
        id: String(id),
        role: String(role),
        facts: facts === null ? null : (JSON.parse(String(facts)) as TurnFacts),
        parts: (JSON.parse(String(body)) as { parts: Part[] }).parts,
      })),
      logRows: rows("SELECT n FROM cc_log").length,
      callRows: rows("SELECT n FROM cc_tool_call").length,
      // Nanoseconds, which a number of JavaScript cannot hold.
      alarmAt: hasAlarmTable(db) ? Number(rows(`SELECT value / 1000000 AS at FROM ${ALARM}`)[0]?.at ?? 0) || null : null,
      endMarks: (JSON.parse(String(session.end_marks ?? "[]")) as { turnId: string }[]).map(({ turnId }) => turnId),
    };
    return [String(session.thread_id), thread];
  });
}
