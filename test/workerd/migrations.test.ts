// What a deploy, a rollback and a failing step mean for a live object: threads open where they can, close typed where not, and
// never lose a row. The tests change the list of steps of the class, as a deploy would.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Migration } from "../../src/entries/index.ts";
import { newId } from "../../src/protocol/ids.ts";
import { LIBRARY_MIGRATIONS } from "../../src/storage/schema.ts";
import { askTicket, getTicket, TestSocket } from "./support/client.ts";
import { failingAfter } from "./support/meter.ts";
import { BLANK, dumpOf, evict, play, query, reply, stubOf, traceOf } from "./support/objects.ts";
import { firstSend } from "./support/threads.ts";
import { Puppet } from "./worker.ts";

const original = Puppet.migrations;
/** Other code for every object that wakes from now on. */
const deploy = (migrations: readonly Migration[]): void => void Object.assign(Puppet, { migrations });

const ADDITIVE: Migration = { id: 2, name: "due", sql: "ALTER TABLE notes ADD COLUMN due INTEGER; CREATE INDEX notes_due ON notes (due)" };
const BREAKING: Migration = { id: 2, name: "rename", sql: "ALTER TABLE notes RENAME TO remarks", breaking: true };
const FAILING: Migration = { id: 2, name: "broken", sql: "CREATE TABLE half (x); INSERT INTO secret_table VALUES (1)" };

afterEach(() => {
  deploy(original);
  vi.restoreAllMocks();
});

/** A thread with one turn that has ended, and a socket that sleeps with its object. */
async function sleepingThread(): Promise<{ threadId: string; socket: TestSocket }> {
  const threadId = newId();
  const socket = await TestSocket.open(threadId, "user-1", { create: true });
  await query(threadId, "INSERT INTO notes (text) VALUES ('keep me')");
  await socket.send("Hello");
  await reply(threadId, "Hi");
  await socket.next("turn");
  await evict(threadId);
  return { threadId, socket };
}

/** The library's own steps, as `stepsOf` names them. */
const LIBRARY = LIBRARY_MIGRATIONS.map(({ id }) => `chatcell ${id}`);
const wake = (threadId: string): Promise<void> => runInDurableObject(stubOf(threadId), () => {});
const errorOf = async (response: Response): Promise<[number, unknown]> => [response.status, await response.json()];
const coded = (code: string) => ({ error: expect.objectContaining({ code, retryable: true }) });
const stepsOf = async (threadId: string) =>
  (await query<{ step: string }>(threadId, "SELECT scope || ' ' || id AS step FROM cc_migration ORDER BY scope DESC, id")).map(
    ({ step }) => step,
  );
/** What newer code would report to its log. */
const silence = () => vi.spyOn(console, "error").mockImplementation(() => {});

describe("a blank object", () => {
  it("stays blank through wakes, refusals and an alarm", async () => {
    const threadId = newId();
    await wake(threadId);
    expect((await askTicket(threadId, "user-1")).status).toBe(404);
    await runInDurableObject(stubOf(threadId), (puppet) => puppet.alarm());
    await evict(threadId);
    expect((await askTicket(threadId, "user-1")).status).toBe(404);
    expect(await traceOf(threadId)).toEqual(BLANK);
  });
});

describe("a deploy", () => {
  it("brings a sleeping thread up to the code on its next wake, and the socket goes on", async () => {
    const { threadId, socket } = await sleepingThread();
    deploy([...original, ADDITIVE]);
    expect((await socket.send("Again")).result?.position).toBe(0);
    expect(await stepsOf(threadId)).toEqual([...LIBRARY, "app 1", "app 2"]);
    expect(await query(threadId, "SELECT text, due FROM notes")).toEqual([{ text: "keep me", due: null }]);
  });
});

describe("a rollback", () => {
  it.each(["app", "chatcell"])("over an additive step of %s opens the thread, and it can be used", async (scope) => {
    const { threadId, socket } = await sleepingThread();
    await query(threadId, "INSERT INTO cc_migration VALUES (?, 99, 'newer', 'x', 0, 0)", scope);
    await evict(threadId);
    expect((await socket.send("Again")).result?.position).toBe(0);
    await reply(threadId, "Hi");
    expect((await TestSocket.open(threadId, "user-1")).of("snapshot")[0]!.messages.length).toBeGreaterThan(2);
  });

  it("over a breaking step refuses tickets with 503 schema_ahead, and the data is there when newer code is back", async () => {
    const { threadId } = await sleepingThread();
    deploy([...original, BREAKING]);
    await wake(threadId);
    const before = await dumpOf(threadId);
    silence();
    deploy(original);
    await evict(threadId);
    expect(await errorOf(await askTicket(threadId, "user-1"))).toEqual([503, coded("schema_ahead")]);
    expect(await errorOf(await askTicket(threadId, "user-1", firstSend()))).toEqual([503, coded("schema_ahead")]);
    expect(await dumpOf(threadId)).toBe(before);
    deploy([...original, BREAKING]);
    await evict(threadId);
    const socket = await TestSocket.open(threadId, "user-1");
    expect(socket.of("snapshot")[0]!.messages).toHaveLength(2);
    expect(await query(threadId, "SELECT text FROM remarks")).toEqual([{ text: "keep me" }]);
  });

  it.each(["app", "chatcell"])(
    "over a breaking step of %s closes a hibernated socket with 4503 at its next frame, data untouched",
    async (scope) => {
      const { threadId, socket } = await sleepingThread();
      await query(threadId, "INSERT INTO cc_migration VALUES (?, 99, 'newer', 'x', 1, 0)", scope);
      const before = await dumpOf(threadId);
      await evict(threadId);
      silence();
      const seen = socket.frames.length;
      socket.sendText(
        JSON.stringify({ type: "send", id: newId(), messageId: newId(), epoch: socket.epoch, parts: [{ type: "text", text: "Hi" }] }),
      );
      await socket.until(({ closed }) => closed !== null);
      expect(socket.closed).toEqual({ code: 4503, reason: "schema_ahead" });
      expect(socket.frames.slice(seen).filter((frame) => !(frame.type === "error" && frame.code === "schema_ahead"))).toEqual([]);
      expect(await dumpOf(threadId)).toBe(before);
    },
  );

  it("in the middle of a turn leaves the turn and a later alarm, and newer code ends it", async () => {
    const { threadId, socket } = await sleepingThread();
    await socket.send("Again");
    await play(threadId, (run) => run.text("So far ".repeat(40)));
    await socket.until(({ texts }) => texts.filter((text) => text.includes('"text-end"')).length === 2);
    await query(threadId, "INSERT INTO cc_migration VALUES ('chatcell', 99, 'newer', 'x', 1, 0)");
    const before = await dumpOf(threadId);
    await evict(threadId);
    silence();
    expect(await runDurableObjectAlarm(stubOf(threadId))).toBe(true);
    expect((await traceOf(threadId)).alarm).toBeGreaterThan(Date.now());
    expect(await dumpOf(threadId)).toBe(before);
    await query(threadId, "DELETE FROM cc_migration WHERE id = 99");
    await runDurableObjectAlarm(stubOf(threadId));
    expect((await socket.next("turn", 2)).ended.facts.outcome).toBe("interrupted");
    expect((await traceOf(threadId)).alarm).toBeNull();
  });
});

describe("a step that throws", () => {
  it("answers 503 migration_failed without its SQL, closes a socket with 4503, and is tried again by the next event", async () => {
    const { threadId, socket } = await sleepingThread();
    deploy([...original, FAILING]);
    silence();
    const [status, body] = await errorOf(await askTicket(threadId, "user-1"));
    expect([status, body]).toEqual([503, coded("migration_failed")]);
    expect(JSON.stringify(body)).not.toContain("secret_table");
    socket.sendText(JSON.stringify({ type: "sync", id: newId(), cursor: "" }));
    await socket.until(({ closed }) => closed !== null);
    expect(socket.closed).toEqual({ code: 4503, reason: "migration_failed" });
    expect(await query(threadId, "SELECT name FROM sqlite_master WHERE name = 'half'")).toEqual([]);
    expect(await stepsOf(threadId)).toEqual([...LIBRARY, "app 1"]);

    deploy(original);
    await evict(threadId);
    expect((await TestSocket.open(threadId, "user-1")).of("snapshot")[0]!.messages).toHaveLength(2);
  });

  it("after any statement of the first create leaves the object blank, and the same create then succeeds", async () => {
    silence();
    const threadId = newId();
    const request = firstSend();
    let failures = 0;
    // Past the constructor, whose own look at the schema is made again by the request.
    await wake(threadId);
    for (let point = 1; ; point++) {
      let response: Response | undefined;
      await failingAfter(point, async () => void (response = await askTicket(threadId, "user-1", request)));
      if (response!.ok) break;
      failures++;
      expect([500, 503]).toContain(response!.status);
      expect(await response!.text()).not.toMatch(/injected|CREATE|INSERT/);
      expect(await traceOf(threadId), `after statement ${point}`).toEqual(BLANK);
    }
    expect(failures).toBeGreaterThan(20);
    expect(await stepsOf(threadId)).toEqual([...LIBRARY, "app 1"]);
    expect((await getTicket(threadId, "user-1", request)).ack).toMatchObject({ rev: 1 });
  });

  it("after any statement of an upgrade leaves whole steps, and the next event finishes it", async () => {
    silence();
    const steps: Migration[] = [
      { id: 2, name: "due", sql: ["ALTER TABLE notes ADD COLUMN due INTEGER", "UPDATE notes SET due = 1"] },
      { id: 3, name: "tags", sql: ["CREATE TABLE tags (note INTEGER, tag TEXT)", "INSERT INTO tags SELECT id, 'old' FROM notes"] },
    ];
    const seen = new Set<string>();
    for (let point = 1, isDone = false; !isDone; point++) {
      const { threadId } = await sleepingThread();
      deploy([...original, ...steps]);
      isDone = (await failingAfter(point, () => wake(threadId))) < point;
      const done = (await stepsOf(threadId)).length - LIBRARY.length - 1;
      const has = async (name: string) => (await query(threadId, "SELECT 1 FROM sqlite_master WHERE name = ?", name)).length > 0;
      const columns = await query(threadId, "SELECT name FROM pragma_table_info('notes')");
      expect([columns.length, await has("tags")], `after statement ${point}`).toEqual([done > 0 ? 3 : 2, done > 1]);
      seen.add(String(done));
      await getTicket(threadId, "user-1");
      expect(await stepsOf(threadId)).toEqual([...LIBRARY, "app 1", "app 2", "app 3"]);
      expect(await query(threadId, "SELECT due, tag FROM notes JOIN tags ON note = id")).toEqual([{ due: 1, tag: "old" }]);
      deploy(original);
    }
    expect([...seen].sort()).toEqual(["0", "1", "2"]);
  });
});
