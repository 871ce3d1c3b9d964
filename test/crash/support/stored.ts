// What the objects have on disk, read while no process has it: a copy is opened, so that the files stay as the crash left them.
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Part, TurnFacts } from "../../../src/entries/protocol.ts";

export interface StoredThread {
  turns: { id: string; state: string; dueAt: number | null }[];
  messages: { id: string; role: string; facts: TurnFacts | null; parts: Part[] }[];
  /** Rows of the log of the live turn. */
  logRows: number;
}

/** Every thread by its id. `storage` is that of `startWorkerd`, whose process is down. */
export function readStoredThreads(storage: string): Map<string, StoredThread> {
  const copy = mkdtempSync(path.join(tmpdir(), "chatcell-stored-"));
  try {
    cpSync(storage, copy, { recursive: true });
    const files = readdirSync(copy, { recursive: true, encoding: "utf8" });
    const objects = files.filter((file) => file.endsWith(".sqlite") && path.basename(file) !== "metadata.sqlite");
    return new Map(objects.map((file) => readThread(path.join(copy, file))));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function readThread(file: string): [string, StoredThread] {
  const db = new DatabaseSync(file);
  try {
    const rows = (sql: string): Record<string, string | number | null>[] =>
      db.prepare(sql).all() as Record<string, string | number | null>[];
    const turns = rows("SELECT id, state, due_at FROM cc_turn ORDER BY ord");
    const messages = rows("SELECT id, role, facts, body FROM cc_message ORDER BY rev");
    const thread: StoredThread = {
      turns: turns.map(({ id, state, due_at }) => ({ id: String(id), state: String(state), dueAt: due_at as number | null })),
      messages: messages.map(({ id, role, facts, body }) => ({
        id: String(id),
        role: String(role),
        facts: facts === null ? null : (JSON.parse(String(facts)) as TurnFacts),
        parts: (JSON.parse(String(body)) as { parts: Part[] }).parts,
      })),
      logRows: rows("SELECT n FROM cc_log").length,
    };
    return [String(rows("SELECT thread_id FROM cc_session")[0]!.thread_id), thread];
  } finally {
    db.close();
  }
}
