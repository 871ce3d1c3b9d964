// cc_session: the one row of a thread. Every change of the row is one billed write, so callers change it once a transaction.
import type { SessionView, TurnFacts } from "../protocol/messages.ts";
import type { Database } from "./database.ts";
import { tryParseObject } from "./row-codec.ts";

/** A turn that has ended and whose `onTurnEnd` has not returned yet. */
export interface EndMark {
  turnId: string;
  /** The message that bears the facts of the turn. */
  messageId: string;
  /** How it ended: a later turn about the same message can end before the hook is called. Absent in a mark of schema 1. */
  facts?: TurnFacts;
  /** That message is its reply; false for a turn without output. Absent in a mark of schema 1, where a reply has the turn's id. */
  isReply?: boolean;
  /** How often the hook has thrown. */
  tries: number;
}

export interface SessionRow {
  threadId: string;
  tenant: string;
  status: SessionView["status"];
  title: string | null;
  epoch: string;
  rev: number;
  head: string | null;
  /** Rev of the last move of the head to a message that is not a child of the old head. */
  headRev: number;
  queueRev: number;
  stateRev: number;
  metaRev: number;
  /** The app state as JSON text; null before it was first set. */
  state: string | null;
  endMarks: EndMark[];
  /** When the end marks are due again; epoch ms. */
  dueAt: number | null;
  createdAt: number;
  updatedAt: number;
}

interface StoredRow {
  thread_id: string;
  tenant: string;
  status: SessionView["status"];
  title: string | null;
  epoch: string;
  rev: number;
  head: string | null;
  head_rev: number;
  queue_rev: number;
  state_rev: number;
  meta_rev: number;
  state: string | null;
  end_marks: string | null;
  due_at: number | null;
  created_at: number;
  updated_at: number;
}

/** The fields that change after creation. */
export type SessionChange = Partial<
  Pick<SessionRow, "status" | "title" | "rev" | "head" | "headRev" | "queueRev" | "stateRev" | "metaRev" | "state" | "endMarks" | "dueAt">
>;

export class SessionTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** The row. Throws when the thread was not created: callers ask only in an object that is not blank. */
  read(): SessionRow {
    const row = this.#db.first<StoredRow>("SELECT * FROM cc_session");
    if (!row) throw new Error("cc_session has no row: the thread was never created.");
    const endMarks = tryParseObject(row.end_marks);
    return {
      threadId: row.thread_id,
      tenant: row.tenant,
      status: row.status,
      title: row.title,
      epoch: row.epoch,
      rev: row.rev,
      head: row.head,
      headRev: row.head_rev,
      queueRev: row.queue_rev,
      stateRev: row.state_rev,
      metaRev: row.meta_rev,
      state: row.state,
      endMarks: Array.isArray(endMarks) ? (endMarks as EndMark[]) : [],
      dueAt: row.due_at,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    };
  }

  create(row: { threadId: string; tenant: string; epoch: string; now: number }): void {
    this.#db.run(
      `INSERT INTO cc_session (one, thread_id, tenant, status, epoch, rev, head_rev, queue_rev, state_rev, meta_rev,
         index_version, index_drained, created_at, updated_at)
       VALUES (1, ?, ?, 'active', ?, 0, 0, 0, 0, 0, 0, 0, ?, ?)`,
      row.threadId,
      row.tenant,
      row.epoch,
      row.now,
      row.now,
    );
  }

  /** Writes the changed fields and `updated_at` in one row write. */
  update(change: SessionChange, now: number): void {
    const sets = ["updated_at = ?"];
    const values: (string | number | null)[] = [now];
    for (const [key, value] of Object.entries(change)) {
      sets.push(`${COLUMNS[key as keyof SessionChange]} = ?`);
      values.push(Array.isArray(value) ? (value.length > 0 ? JSON.stringify(value) : null) : value);
    }
    this.#db.run(`UPDATE cc_session SET ${sets.join(", ")}`, ...values);
  }
}

const COLUMNS: Record<keyof SessionChange, string> = {
  status: "status",
  title: "title",
  rev: "rev",
  head: "head",
  headRev: "head_rev",
  queueRev: "queue_rev",
  stateRev: "state_rev",
  metaRev: "meta_rev",
  state: "state",
  endMarks: "end_marks",
  dueAt: "due_at",
};
