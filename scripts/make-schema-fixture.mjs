// Writes test/fixtures/schema-<n>.json: the newest schema as statements, and a small thread in it. Run it once when a schema
// ships (`node scripts/make-schema-fixture.mjs`), commit the file, and never write it again: later releases must open it.
import fs from "node:fs";
import path from "node:path";
import { Database } from "../src/storage/database.ts";
import { createSchema } from "../src/storage/migrate.ts";
import { LIBRARY_MIGRATIONS } from "../src/storage/schema.ts";
import { createTables } from "../src/storage/tables.ts";
import { NodeSqliteStorage } from "../test/support/node-sqlite-storage.ts";
import { ROOT } from "./public-entries.mjs";

const AT = Date.UTC(2026, 10, 21, 9);
const ME = "user-1";
/** What the long message says over and over, so that the file can say it once. */
const LONG_LINE = "A line that is said often. 字 ";
const LONG_TIMES = 40_000;

const storage = new NodeSqliteStorage();
const db = new Database(storage);
createSchema(db, { library: LIBRARY_MIGRATIONS, app: [], now: () => AT, mode: "strict", report: () => {} });
const tables = createTables(db);

/** @param {string} text @returns {{ type: "text", text: string }} */
const text = (text) => ({ type: "text", text });
/** @param {import("../src/protocol/messages.ts").Outcome} outcome @param {object} [more] */
const facts = (outcome, more) => ({ outcome, ...more, startedAt: AT, endedAt: AT + 1_500, attempts: 1 });

tables.session.create({ threadId: "schema-fixture-thread1", tenant: "", epoch: "epoch-of-the-fixture", now: AT });
tables.members.put(ME, "owner");
tables.members.put("user-2", "viewer");

// Three turns that have ended: completed (with a tool), failed without output, completed with a very long reply.
/** @type {import("../src/protocol/messages.ts").Message[]} */
const messages = [
  { id: "message-0001", parent: null, role: "user", parts: [text("What is 6 × 7?")], author: ME, createdAt: AT },
  {
    id: "turn-0001",
    parent: "message-0001",
    role: "assistant",
    parts: [
      { type: "step-start" },
      { type: "reasoning", text: "I should multiply.", state: "done" },
      { type: "tool-multiply", toolCallId: "call-1", state: "output-available", input: { a: 6, b: 7 }, output: 42 },
      { type: "step-start" },
      { ...text("It is **42**."), state: "done" },
    ],
    metadata: { model: "demo" },
    createdAt: AT + 1_500,
    facts: facts("completed", { finishReason: "stop", usage: { inputTokens: 12, outputTokens: 30, totalTokens: 42 } }),
  },
  { id: "message-0002", parent: "turn-0001", role: "user", parts: [text("And by zero?")], author: ME, createdAt: AT + 2_000 },
  {
    id: "message-0003",
    parent: "message-0002",
    role: "user",
    parts: [text("Then tell me a long story.")],
    author: ME,
    createdAt: AT + 3_000,
  },
  {
    id: "turn-0003",
    parent: "message-0003",
    role: "assistant",
    parts: [{ type: "step-start" }, { ...text(LONG_LINE.repeat(LONG_TIMES)), state: "done" }],
    createdAt: AT + 4_000,
    facts: facts("completed", { finishReason: "length" }),
  },
  { id: "message-0004", parent: "turn-0003", role: "user", parts: [text("Shorter, please.")], author: ME, createdAt: AT + 5_000 },
];
messages.forEach((message, index) => tables.messages.insert(index + 1, message));
const failure = { code: /** @type {const} */ ("model_error"), message: "The model failed.", retryable: true };
tables.messages.setFacts("message-0002", facts("failed", { error: failure }), 4);

tables.messages.setLastTurn("message-0003", facts("failed", { error: failure }), 8);

// One turn that waits for a person, one of whose calls has its outcome, and one in line behind it.
/** @type {Omit<import("../src/storage/turn-table.ts").TurnRow, "id" | "ord" | "messageId" | "state" | "input">} */
const turn = {
  kind: "send",
  principal: { id: ME, name: "Ada" },
  base: 0,
  attempt: 1,
  startedAt: AT + 5_000,
  dueAt: null,
  createdAt: AT + 5_000,
  progress: { run: 1, fence: 0, workedMs: 1_500, since: AT + 5_000, usage: { inputTokens: 20, outputTokens: 10, totalTokens: 30 } },
};
tables.turns.insert({
  ...turn,
  id: "turn-0004",
  messageId: "message-0004",
  state: "waiting",
  input: { parts: [text("Shorter, please.")], state: { mode: "draft" } },
});
const queued = { parts: [text("In one word.")], body: { tone: "calm" } };
tables.turns.insert({
  ...turn,
  id: "turn-0005",
  messageId: "message-0005",
  state: "queued",
  attempt: 0,
  startedAt: null,
  progress: { run: 0, fence: 0, workedMs: 0, since: AT + 5_500 },
  input: queued,
});
const look = { callId: "call-1", name: "look", input: { at: "the shelf" } };
const pay = { callId: "call-2", name: "pay", input: { cents: 500 } };
const called = (/** @type {{ callId: string, name: string, input: object }} */ { callId, name, input }) =>
  /** @type {const} */ ({ type: "tool-input-available", toolCallId: callId, toolName: name, input });
const ledger = { turnId: "turn-0004", run: 1, isDynamic: false, startedAt: AT + 5_200 };
const n = tables.toolCalls.insert({ ...ledger, ...look, isIdempotent: true });
tables.toolCalls.settle({ n, turnId: "turn-0004" }, { type: "output", output: "A short book." });
const tail = tables.log.append({ n: 0, bytes: 0 }, "turn-0004", 1, [
  { type: "start", messageId: "turn-0004" },
  { type: "start-step" },
  { type: "text-start", id: "1:t" },
  { type: "text-delta", id: "1:t", delta: "I look. " },
]);
tables.log.append(tail, "turn-0004", 5, [
  { type: "text-delta", id: "1:t", delta: "And then I buy. ".repeat(20) },
  { type: "text-end", id: "1:t" },
  called(look),
  called(pay),
  { type: "tool-output-available", toolCallId: look.callId, output: "A short book." },
  { type: "tool-approval-request", toolCallId: pay.callId, approvalId: "approval-1" },
  { type: "finish-step" },
]);

for (const [index, id] of ["turn-0001", "turn-0002", "turn-0003", "turn-0004", "turn-0005"].entries()) {
  tables.commands.insert(
    id,
    { fingerprint: `f${index}`, rev: index + 1, result: { turnId: id, position: Number(index === 4) } },
    AT + index,
  );
}
const state = { state: JSON.stringify({ mode: "draft" }), stateRev: 6 };
tables.session.update({ rev: 8, head: "message-0004", queueRev: 7, title: "Sums and stories", metaRev: 2, ...state }, AT + 6_000);

const id = LIBRARY_MIGRATIONS.at(-1)?.id;
const catalogue = db.all("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid");
const rowsOf = (/** @type {string} */ table) => db.all(`SELECT * FROM ${table}`);
const names = db.all("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid").map(({ name }) => /** @type {string} */ (name));
const fixture = { statements: catalogue.map(({ sql }) => sql), tables: Object.fromEntries(names.map((name) => [name, rowsOf(name)])) };
const file = path.join(ROOT, `test/fixtures/schema-${id}.json`);
fs.writeFileSync(file, `${JSON.stringify(fixture, shorten, 2)}\n`, { flag: "wx" });
storage.close();

/** A long text as `{ repeated: [[text, times], …] }`. @param {string} _key @param {unknown} value */
function shorten(_key, value) {
  if (typeof value !== "string" || value.length < 10_000) return value;
  /** @type {[string, number][]} */
  const repeated = [];
  for (const [index, piece] of value.split(LONG_LINE).entries()) {
    const last = repeated.at(-1);
    if (index > 0 && last?.[0] === LONG_LINE) last[1]++;
    else if (index > 0) repeated.push([LONG_LINE, 1]);
    if (piece !== "") repeated.push([piece, 1]);
  }
  return { repeated };
}
