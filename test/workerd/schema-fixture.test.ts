// The schemas that have shipped, each with a small thread: every later release opens them. Written by scripts/make-schema-fixture.
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { Message } from "../../src/protocol/messages.ts";
import { newId } from "../../src/protocol/ids.ts";
import { migrationHash } from "../../src/storage/migration.ts";
import { LIBRARY_MIGRATIONS } from "../../src/storage/schema.ts";
import schema1 from "../fixtures/schema-1.json";
import { TestSocket } from "./support/client.ts";
import { play, query, reply, stubOf } from "./support/objects.ts";

/** A value of a row; a long text is written as what it repeats. */
type Stored = string | number | null | { repeated: [string, number][] };
interface Fixture {
  statements: string[];
  tables: Record<string, Record<string, Stored>[]>;
}

const FIXTURES = [schema1 as unknown as Fixture];
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
  if (page.type !== "page") throw new Error(JSON.stringify(page));
  return page.messages;
}

describe.each(FIXTURES.map((fixture, index) => [index + 1, fixture] as const))("a thread of schema %i", (_id, fixture) => {
  it("is opened by a socket with all its history, the interrupted turn ended and the queued one started", async () => {
    const threadId = await load(fixture);
    const socket = await TestSocket.open(threadId, "user-1");
    const [snapshot] = socket.of("snapshot");
    expect(snapshot!.session).toMatchObject({ epoch: "epoch-of-the-fixture", title: "Sums and stories", status: "active" });
    expect(snapshot!.turn).toMatchObject({ id: "turn-0005", parent: "message-0005", attempt: 1 });
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
  });

  it("goes on: the queued turn runs with its principal and body and the model sees what came before", async () => {
    const threadId = await load(fixture);
    const socket = await TestSocket.open(threadId, "user-1");
    await play(threadId, async ({ turn, text, end }) => {
      expect(turn).toMatchObject({ id: "turn-0005", principal: { id: "user-1", name: "Ada" }, body: { tone: "calm" } });
      const roles = (await turn.modelMessages()).map(({ role }) => role);
      expect(roles[0]).toBe("user");
      expect(roles.at(-1)).toBe("user");
      text("Over.");
      end();
    });
    await socket.next("turn");
    expect((await socket.send("More")).result?.position).toBe(0);
    await reply(threadId, "No.");
    await socket.next("turn", 2);
    expect(await query(threadId, "SELECT count(*) AS n FROM cc_message")).toEqual([{ n: 11 }]);
  });

  it("keeps its members", async () => {
    const viewer = await TestSocket.open(await load(fixture), "user-2");
    expect(viewer.of("welcome")[0]!.role).toBe("viewer");
  });
});

describe("every migration that has shipped", () => {
  it("still has the text that the fixture ran", () => {
    const applied = FIXTURES.at(-1)!.tables.cc_migration!;
    const hashes = LIBRARY_MIGRATIONS.slice(0, applied.length).map((migration) => ({ id: migration.id, hash: migrationHash(migration) }));
    expect(applied.map(({ id, hash }) => ({ id, hash }))).toEqual(hashes);
  });
});
