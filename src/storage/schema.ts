// The library's own migrations, oldest first. docs/STORAGE.md explains each table and its row cost.
// A migration that has shipped is never edited: the fixture in test/fixtures opens it in every later release.
import type { Migration } from "./migration.ts";
import { CREATE_OVERFLOW_TABLE } from "./overflow.ts";
import { CREATE_TOOL_CALL_TABLE } from "./tool-call-table.ts";

export const LIBRARY_MIGRATIONS: readonly Migration[] = [
  {
    id: 1,
    name: "thread",
    breaking: true,
    sql: [
      `CREATE TABLE cc_session (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        thread_id TEXT NOT NULL,
        tenant TEXT NOT NULL,
        status TEXT NOT NULL,
        title TEXT,
        epoch TEXT NOT NULL,
        rev INTEGER NOT NULL,
        head TEXT,
        head_rev INTEGER NOT NULL,
        queue_rev INTEGER NOT NULL,
        state_rev INTEGER NOT NULL,
        meta_rev INTEGER NOT NULL,
        state TEXT,
        end_marks TEXT,
        due_at INTEGER,
        index_version INTEGER NOT NULL,
        index_drained INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
      ) STRICT`,
      `CREATE TABLE cc_message (
        rev INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        parent TEXT,
        role TEXT NOT NULL,
        author TEXT,
        facts TEXT,
        format INTEGER NOT NULL,
        body TEXT NOT NULL,
        overflow INTEGER NOT NULL,
        tokens INTEGER,
        changed INTEGER,
        created_at INTEGER NOT NULL
      ) STRICT`,
      `CREATE INDEX cc_message_changed ON cc_message (changed) WHERE changed IS NOT NULL`,
      CREATE_OVERFLOW_TABLE,
      `CREATE TABLE cc_turn (
        ord INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        message_id TEXT NOT NULL,
        principal TEXT NOT NULL,
        format INTEGER NOT NULL,
        body TEXT NOT NULL,
        overflow INTEGER NOT NULL,
        base INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        started_at INTEGER,
        due_at INTEGER,
        created_at INTEGER NOT NULL
      ) STRICT`,
      `CREATE TABLE cc_log (
        n INTEGER PRIMARY KEY,
        turn_id TEXT NOT NULL,
        first_seq INTEGER,
        body TEXT NOT NULL
      ) STRICT`,
      `CREATE TABLE cc_command (
        id TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        rev INTEGER NOT NULL,
        result TEXT,
        created_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
      `CREATE TABLE cc_member (
        principal TEXT PRIMARY KEY,
        role TEXT NOT NULL,
        expires_at INTEGER
      ) STRICT, WITHOUT ROWID`,
    ],
  },
  {
    id: 2,
    name: "tools",
    sql: [CREATE_TOOL_CALL_TABLE, `ALTER TABLE cc_turn ADD COLUMN progress TEXT`, `ALTER TABLE cc_message ADD COLUMN last_turn TEXT`],
  },
];
