// The schemas that have shipped, each with a small thread: every later release opens them. Written by scripts/make-schema-fixture.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { Message } from "../../src/protocol/messages.ts";
import { newId } from "../../src/protocol/ids.ts";
import { migrationHash } from "../../src/storage/migration.ts";
import { LIBRARY_MIGRATIONS } from "../../src/storage/schema.ts";
import schema1 from "../fixtures/schema-1.json";
import schema2 from "../fixtures/schema-2.json";
import { TestSocket } from "./support/client.ts";
import { evict, play, query, reply, stubOf } from "./support/objects.ts";

/** A value of a row; a long text is written as what it repeats. */
type Stored = string | number | null | { repeated: [string, number][] };
interface Fixture {
  statements: string[];
  tables: Record<string, Record<string, Stored>[]>;
}

const FIXTURES = [schema1, schema2] as unknown as [Fixture, Fixture];
const LONG_TEXT = "A line that is said often. 字 ".repeat(40_000);

const valueOf = (stored: Stored): string | number | null =>
  typeof stored === "object" && stored !== null ? stored.repeated.map(([text, times]) => text.repeat(times)).join("") : stored;

/** A blank object that now holds the fixture, and has not looked at it yet. */
async function load({ statements, tables }: Fixture): Promise<string> {
  const threadId = newId();
  await runInDurableObject(stubOf(threadId), (_puppet, { storage: { sql } }) => {
    for (const statement of statements) sql.exec(statement);
    for (const [table, rows] of Object.entries(tables)) {
      for (const row of rows) {
        const columns = Object.keys(row);
        sql.exec(`INSERT INTO ${table} (${columns.join()}) VALUES (${columns.map(() => "?").join()})`, ...Object.values(row).map(valueOf));
      }
    }
  });
  return threadId;
}

async function pageBefore(socket: TestSocket, before: string): Promise<Message[]> {
  const page = await socket.ask({ type: "page", id: newId(), before });
  if (!("messages" in page) || page.type !== "page") throw new Error(JSON.stringify(page));
  return page.messages;
}

/** What is said of history in both. */
async function expectHistory(socket: TestSocket, lastTurn: object = {}): Promise<void> {
  const long = await pageBefore(socket, "message-0004");
  expect(long.map(({ id }) => id)).toEqual(["turn-0003"]);
  expect(long[0]!.parts.at(-1)).toEqual({ type: "text", text: LONG_TEXT, state: "done" });
  const first = await pageBefore(socket, "turn-0003");
  expect(first.map(({ id, facts }) => [id, facts?.outcome])).toEqual([
    ["message-0001", undefined],
    ["turn-0001", "completed"],
    ["message-0002", "failed"],
    ["message-0003", undefined],
  ]);
  expect(first[1]).toMatchObject({ metadata: { model: "demo" }, facts: { usage: { totalTokens: 42 } } });
  expect(first[1]!.parts[2]).toMatchObject({ type: "tool-multiply", state: "output-available", output: 42 });
  expect(first[3]).toEqual({ ...first[3], ...lastTurn });
}

/** The queued turn runs with what was stored of it, ends, and the thread goes on. */
async function expectGoesOn(threadId: string, socket: TestSocket, turns: number): Promise<void> {
  await play(threadId, async ({ turn, text, end }) => {
    expect(turn).toMatchObject({ id: "turn-0005", principal: { id: "user-1", name: "Ada" }, body: { tone: "calm" }, attempt: 1 });
    const roles = (await turn.modelMessages()).map(({ role }) => role);
    expect(roles[0]).toBe("user");
    expect(roles.at(-1)).toBe("user");
    text("Over.");
    end();
  });
  await socket.next("turn", turns);
  expect((await socket.send("More")).result?.position).toBe(0);
  await reply(threadId, "No.");
  await socket.next("turn", turns + 1);
  expect(await query(threadId, "SELECT count(*) AS n FROM cc_message")).toEqual([{ n: 11 }]);
  expect(await query(threadId, "SELECT (SELECT count(*) FROM cc_turn) + (SELECT count(*) FROM cc_tool_call) AS n")).toEqual([{ n: 0 }]);
}

describe("a thread of schema 1", () => {
  const [fixture] = FIXTURES;

  it("is brought up to the schema of the code by its next event, whatever that is", async () => {
    const threadId = await load(fixture);
    await evict(threadId);
    await runDurableObjectAlarm(stubOf(threadId));
    const steps = await query<{ id: number }>(threadId, "SELECT id FROM cc_migration WHERE scope = 'chatcell' ORDER BY id");
    expect(steps.map(({ id }) => id)).toEqual(LIBRARY_MIGRATIONS.map(({ id }) => id));
  });

  it("is opened by a socket with all its history, the interrupted turn ended and the queued one started", async () => {
    const threadId = await load(fixture);
    const socket = await TestSocket.open(threadId, "user-1");
    const [snapshot] = socket.of("snapshot");
    expect(snapshot!.session).toMatchObject({ epoch: "epoch-of-the-fixture", title: "Sums and stories", status: "active", stateRev: 0 });
    expect(snapshot!.turn).toEqual({
      id: "turn-0005",
      kind: "send",
      messageId: "turn-0005",
      parent: "message-0005",
      base: 0,
      state: "running",
      attempt: 1,
    });
    expect(snapshot!.queue).toEqual([]);
    // The page ends before the long reply, which is a page of its own.
    expect(snapshot!.messages.map(({ id, facts }) => [id, facts?.outcome])).toEqual([
      ["message-0004", undefined],
      ["turn-0004", "interrupted"],
      ["message-0005", undefined],
    ]);
    expect(snapshot!.messages[1]!.parts).toMatchObject([
      { type: "step-start" },
      { text: `Once ${"upon a time, ".repeat(20)}` },
      { type: "data-notice" },
    ]);
    await expectHistory(socket);
  });

  it("runs its live turn again where that had shown little: as the second run, in the same log", async () => {
    const threadId = await load(fixture);
    await query(threadId, "UPDATE cc_log SET body = replace(body, ?, '')", "upon a time, ".repeat(20));
    const socket = await TestSocket.open(threadId, "user-1");
    const [snapshot] = socket.of("snapshot");
    expect(snapshot!.turn).toMatchObject({ id: "turn-0004", attempt: 2, resume: "recovery" });
    expect(snapshot!.queue).toMatchObject([{ turnId: "turn-0005", kind: "send", parts: [{ text: "In one word." }] }]);
    await play(threadId, ({ turn, text, end }) => {
      expect(turn).toMatchObject({ id: "turn-0004", attempt: 2, resume: { kind: "recovery" }, state: undefined });
      text("Once more.");
      end();
    });
    const { ended } = await socket.next("turn");
    expect(ended.facts).toMatchObject({ outcome: "completed", attempts: 2, startedAt: Date.UTC(2026, 10, 21, 9) + 5_000 });
    expect(JSON.stringify(socket.of("chunks"))).toContain('"id":"2:t"');
    await expectGoesOn(threadId, socket, 2);
  });

  it("goes on: the queued turn runs with its principal and body and the model sees what came before", async () => {
    const threadId = await load(fixture);
    await expectGoesOn(threadId, await TestSocket.open(threadId, "user-1"), 1);
  });
});

describe("a thread of schema 2", () => {
  const [, fixture] = FIXTURES;

  it("is opened by a socket with its waiting turn, the outcome that is known, and the turn behind it", async () => {
    const threadId = await load(fixture);
    await evict(threadId);
    const socket = await TestSocket.open(threadId, "user-1");
    const [snapshot] = socket.of("snapshot");
    expect(snapshot!.turn).toMatchObject({ id: "turn-0004", messageId: "turn-0004", parent: "message-0004", state: "waiting", attempt: 1 });
    expect(snapshot!.live!.message.parts).toMatchObject([
      { type: "step-start" },
      { type: "text", text: `I look. ${"And then I buy. ".repeat(20)}`, state: "done" },
      { type: "tool-look", toolCallId: "call-1", state: "output-available", output: "A short book." },
      { type: "tool-pay", toolCallId: "call-2", state: "approval-requested", input: { cents: 500 }, approval: { id: "approval-1" } },
    ]);
    expect(snapshot!.queue).toMatchObject([{ turnId: "turn-0005", kind: "send", messageId: "message-0005" }]);
    expect(snapshot!.session.stateRev).toBe(6);
    await expectHistory(socket, { lastTurn: expect.objectContaining({ outcome: "failed", error: expect.anything() as object }) as object });
  });

  it("goes on when the person answers, in the same message, and then with the turn behind", async () => {
    const threadId = await load(fixture);
    const socket = await TestSocket.open(threadId, "user-1");
    const answer = { type: "resolve", id: newId(), epoch: socket.epoch, turnId: "turn-0004", approvalId: "approval-1", approved: false };
    expect(await socket.ask({ ...answer, reason: "Too much." })).toMatchObject({ type: "ack" });
    await play(threadId, async ({ turn, write, text, end }) => {
      expect(turn).toMatchObject({ id: "turn-0004", attempt: 1, resume: { kind: "approval" }, state: { mode: "draft" } });
      expect((await turn.modelMessages()).at(-1)!.role).toBe("tool");
      write({ type: "tool-output-denied", toolCallId: "call-2" });
      text("Then not.");
      end();
    });
    const { ended } = await socket.next("turn");
    expect(ended.facts).toMatchObject({ outcome: "completed", attempts: 1, usage: { totalTokens: 30 } });
    const [stored] = await query<{ body: string }>(threadId, "SELECT body FROM cc_message WHERE id = 'turn-0004'");
    expect((JSON.parse(stored!.body) as Message).parts).toMatchObject([
      { type: "step-start" },
      { type: "text" },
      { toolCallId: "call-1", output: "A short book." },
      { toolCallId: "call-2", state: "output-denied", approval: { approved: false, reason: "Too much.", by: "user-1" } },
      { type: "step-start" },
      { type: "text", text: "Then not." },
    ]);
    await expectGoesOn(threadId, socket, 2);
  });

  it("ends its waiting turn when a new message comes, behind the one that was in line", async () => {
    const threadId = await load(fixture);
    const socket = await TestSocket.open(threadId, "user-1");
    expect((await socket.send("Never mind.")).result?.position).toBe(1);
    expect((await socket.next("turn")).ended).toMatchObject({ turnId: "turn-0004", facts: { outcome: "stopped" } });
    expect(socket.of("delta").at(-1)).toMatchObject({ turn: { id: "turn-0005" } });
  });
});

describe.each(FIXTURES.map((fixture, index) => [index + 1, fixture] as const))("a thread of schema %i", (_id, fixture) => {
  it("keeps its members", async () => {
    const viewer = await TestSocket.open(await load(fixture), "user-2");
    expect(viewer.of("welcome")[0]!.role).toBe("viewer");
  });
});

describe("every migration that has shipped", () => {
  it.each(FIXTURES.map((fixture, index) => [index + 1, fixture] as const))("still has the text that fixture %i ran", (_id, fixture) => {
    const applied = fixture.tables.cc_migration!;
    const hashes = LIBRARY_MIGRATIONS.slice(0, applied.length).map((migration) => ({ id: migration.id, hash: migrationHash(migration) }));
    expect(applied.map(({ id, hash }) => ({ id, hash }))).toEqual(hashes);
  });

  it("has a fixture", () => {
    expect(FIXTURES).toHaveLength(LIBRARY_MIGRATIONS.length);
  });
});
