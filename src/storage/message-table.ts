// cc_message: history, a tree of messages. The key is the revision that stored a message; `changed` is that of a later change.
import type { Message, Part, TurnFacts } from "../protocol/messages.ts";
import type { Database } from "./database.ts";
import { readOverflow, writeOverflow } from "./overflow.ts";
import { decodeBody, encodeBody, tryParseObject } from "./row-codec.ts";

interface StoredRow {
  rev: number;
  id: string;
  parent: string | null;
  role: Message["role"];
  author: string | null;
  facts: string | null;
  format: number;
  body: string;
  overflow: number;
  changed: number | null;
  created_at: number;
  last_turn: string | null;
}

interface Body {
  parts: Part[];
  metadata?: unknown;
}

const TABLE = "cc_message";

export class MessageTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Stores a new message at `rev`. Two billed rows: the key and the unique id. */
  insert(rev: number, message: Message): void {
    const { format, text } = encodeBody(bodyOf(message));
    const { head, overflow } = writeOverflow(this.#db, TABLE, message.id, text, 0);
    this.#db.run(
      `INSERT INTO cc_message (rev, id, parent, role, author, facts, format, body, overflow, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      rev,
      message.id,
      message.parent,
      message.role,
      message.author ?? null,
      message.facts ? JSON.stringify(message.facts) : null,
      format,
      head,
      overflow,
      message.createdAt,
    );
  }

  /** Records how the turn of a message ended, as a change at `rev`. */
  setFacts(id: string, facts: TurnFacts, rev: number): void {
    this.#db.run("UPDATE cc_message SET facts = ?, changed = ? WHERE id = ?", JSON.stringify(facts), rev, id);
  }

  /** Records how a later turn about a message ended without output, as a change at `rev`. The facts of the message stay. */
  setLastTurn(id: string, facts: TurnFacts, rev: number): void {
    this.#db.run("UPDATE cc_message SET last_turn = ?, changed = ? WHERE id = ?", JSON.stringify(facts), rev, id);
  }

  /** Replaces the body and the facts of a message that went on, as a change at `rev`. What an older turn left is over. */
  replace(rev: number, message: Pick<Message, "id" | "parts" | "metadata" | "facts">): void {
    const { format, text } = encodeBody(bodyOf(message));
    const { head, overflow } = writeOverflow(this.#db, TABLE, message.id, text);
    this.#db.run(
      "UPDATE cc_message SET format = ?, body = ?, overflow = ?, facts = ?, last_turn = NULL, changed = ? WHERE id = ?",
      format,
      head,
      overflow,
      message.facts ? JSON.stringify(message.facts) : null,
      rev,
      message.id,
    );
  }

  find(id: string): Message | undefined {
    const row = this.#db.first<StoredRow>("SELECT * FROM cc_message WHERE id = ?", id);
    return row && this.#decode(row);
  }

  has(id: string): boolean {
    return this.#db.first("SELECT 1 FROM cc_message WHERE id = ?", id) !== undefined;
  }

  /**
   * Messages stored or changed after `rev`, in order of storing. When they are more than `limit`, some `limit` of them.
   * Reads no row that it does not return: the plus keeps SQLite from walking the key through all of history.
   * @param view what is kept of each: only one at a time is in memory as it is stored
   */
  changedAfter(rev: number, limit: number, view: (message: Message) => Message): Message[] {
    const stored = this.#db.all<StoredRow>("SELECT * FROM cc_message WHERE rev > ? ORDER BY rev LIMIT ?", rev, limit);
    const changed = this.#db.all<StoredRow>(
      "SELECT * FROM cc_message WHERE changed > ?1 AND +rev <= ?1 LIMIT ?2",
      rev,
      limit - stored.length,
    );
    return [...changed.sort((a, b) => a.rev - b.rev), ...stored].map((row) => view(this.#decode(row)));
  }

  /** A row as a message. A body that this code cannot read becomes a placeholder: one bad row never hides a thread. */
  #decode(row: StoredRow): Message {
    const decoded = decodeBody(row.format, readOverflow(this.#db, TABLE, row.id, { head: row.body, overflow: row.overflow }));
    const body = decoded.ok ? ((decoded.value ?? {}) as Partial<Body>) : {};
    const parts = Array.isArray(body.parts) ? body.parts : [UNREADABLE];
    const facts = tryParseObject(row.facts);
    const lastTurn = tryParseObject(row.last_turn);
    return {
      id: row.id,
      parent: row.parent,
      role: row.role,
      parts,
      ...(body.metadata !== undefined ? { metadata: body.metadata } : {}),
      ...(row.author !== null ? { author: row.author } : {}),
      createdAt: row.created_at,
      ...(facts ? { facts: facts as TurnFacts } : {}),
      ...(lastTurn ? { lastTurn: lastTurn as TurnFacts } : {}),
    };
  }
}

function bodyOf({ parts, metadata }: Pick<Message, "parts" | "metadata">): Body {
  return { parts, ...(metadata !== undefined ? { metadata } : {}) };
}

/** True for a message of which this code could not read the body: it must not be written over. */
export function isUnreadable({ parts }: Message): boolean {
  return parts[0] === UNREADABLE;
}

const UNREADABLE: Part = {
  type: "data-notice",
  data: { kind: "unreadable", text: "This message was stored by a newer version and cannot be shown." },
};
