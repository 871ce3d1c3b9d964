// A thread always opens: rows that newer code wrote or that were damaged, and a turn whose end could not be stored.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import { TestSocket } from "./support/client.ts";
import { withClock } from "./support/clock.ts";
import { failingAfter } from "./support/meter.ts";
import { evict, play, query, reply, stubOf } from "./support/objects.ts";

/** So much that it is not thrown away by a repeat of the run. */
const PARTIAL = "Partial ".repeat(40);

/** A thread with one settled turn and one that runs and has shown something. */
async function running(): Promise<{ threadId: string; socket: TestSocket }> {
  const threadId = newId();
  const socket = await TestSocket.open(threadId, "user-1", { create: true });
  await socket.send("First");
  await reply(threadId, "Settled");
  await socket.next("turn");
  await socket.send("Second");
  await play(threadId, (run) => run.text(PARTIAL));
  await socket.next("chunks", 2);
  return { threadId, socket };
}

describe("a thread opens, and its running turn has ended or runs again, after an eviction with", () => {
  const DAMAGE = {
    "a log that is cut in a chunk": "UPDATE cc_log SET body = substr(body, 1, length(body) - 10) || char(10)",
    "a log that is no JSON": "UPDATE cc_log SET body = 'x' || char(10)",
    "a turn whose body is no object": "UPDATE cc_turn SET body = 'null'",
    "a turn whose principal is no JSON": "UPDATE cc_turn SET principal = 'x'",
    "a message whose body is null": "UPDATE cc_message SET body = 'null' WHERE rev = 1",
    "facts that are no JSON": "UPDATE cc_message SET facts = 'x' WHERE facts IS NOT NULL",
    "end marks that are no JSON": "UPDATE cc_session SET end_marks = 'x'",
    "end marks that are no list": "UPDATE cc_session SET end_marks = '{}'",
    "a user message that is missing": "DELETE FROM cc_message WHERE rev = (SELECT max(rev) FROM cc_message)",
  };
  it.each(Object.entries(DAMAGE))("%s", async (_name, sql) => {
    const { threadId } = await running();
    await query(threadId, sql);
    await evict(threadId);
    const socket = await TestSocket.open(threadId, "user-1");
    const snapshot = await socket.next("snapshot");
    expect(snapshot.messages.length).toBeGreaterThan(0);
    // A run of whose output nothing is left is repeated; any other has ended.
    if (snapshot.turn) expect(snapshot.turn.attempt).toBe(2);
    else expect(snapshot.messages.at(-1)!.facts).toBeDefined();
  });
});

describe("a turn whose end storage refuses once", () => {
  it("ends at the next event of any kind at the latest, not at its lease", async () => {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, "user-1", { create: true });
    await socket.send("Hello");
    const end = (): Promise<void> =>
      play(threadId, async (run) => {
        run.write({ type: "text-start", id: "t" });
        run.end();
        for (let tick = 0; tick < 20; tick++) await scheduler.wait(0);
      });
    // The third statement is inside the transaction that ends the turn.
    await failingAfter(3, end);
    await socket.ask({ type: "page", id: newId(), before: "no-such-message" });
    expect(socket.of("turn")).toHaveLength(1);
  });
});

describe("a turn whose end storage refuses again and again", () => {
  const REFUSE = "CREATE TRIGGER no_end BEFORE INSERT ON cc_message BEGIN SELECT RAISE(ABORT, 'no'); END";
  const turnOf = (threadId: string) => query<{ state: string; attempt: number }>(threadId, "SELECT state, attempt FROM cc_turn");

  it("is tried again by one lease after the other, and what was shown is stored when the fault has passed", async () => {
    const { threadId, socket } = await running();
    await query(threadId, REFUSE);
    await evict(threadId);
    await withClock(async (move) => {
      move(31_000);
      await runDurableObjectAlarm(stubOf(threadId));
      const [first] = await turnOf(threadId);
      move(31_000);
      await runDurableObjectAlarm(stubOf(threadId));
      expect(await turnOf(threadId)).toEqual([{ state: "running", attempt: first!.attempt + 1 }]);
      await query(threadId, "DROP TRIGGER no_end");
      move(31_000);
      await runDurableObjectAlarm(stubOf(threadId));
    });
    expect(await turnOf(threadId)).toEqual([]);
    expect((await socket.next("turn", 2)).ended.facts.outcome).toBe("interrupted");
    const messages = (await TestSocket.open(threadId, "user-1")).of("snapshot")[0]!.messages;
    expect(JSON.stringify(messages.at(-1)!.parts)).toContain(PARTIAL);
  });

  it("is not asked for again when it had come to its end", async () => {
    const threadId = newId();
    const socket = await TestSocket.open(threadId, "user-1", { create: true });
    await socket.send("Hello");
    await query(threadId, REFUSE);
    await reply(threadId, "Short");
    await socket.until(() => socket.of("delta").some(({ turn }) => (turn?.attempt ?? 0) > 1));
    await query(threadId, "DROP TRIGGER no_end");
    await withClock(async (move) => {
      move(31_000);
      await runDurableObjectAlarm(stubOf(threadId));
    });
    expect(await turnOf(threadId)).toEqual([]);
    expect(await runInDurableObject(stubOf(threadId), (puppet) => puppet.plays.length)).toBe(0);
    const messages = (await TestSocket.open(threadId, "user-1")).of("snapshot")[0]!.messages;
    expect(JSON.stringify(messages.at(-1)!.parts)).toContain("Short");
  });

  it("ends without its reply when the fault does not pass, and the next message works", async () => {
    const { threadId, socket } = await running();
    await query(threadId, REFUSE.replace("BEGIN", "WHEN new.role = 'assistant' BEGIN"));
    await evict(threadId);
    await withClock(async (move) => {
      for (let lease = 0; lease < 6; lease++) {
        move(31_000);
        await runDurableObjectAlarm(stubOf(threadId));
      }
    });
    expect(await turnOf(threadId)).toEqual([]);
    expect((await socket.next("turn", 2)).ended.facts).toMatchObject({ outcome: "failed", error: { code: "internal" } });
    await query(threadId, "DROP TRIGGER no_end");
    await socket.send("Again");
    await reply(threadId, "Fine");
    expect((await socket.next("turn", 3)).ended.facts.outcome).toBe("completed");
  });
});

it("the alarm of a thread that cannot be worked on comes seldom, whether or not the object sleeps in between", async () => {
  const { threadId } = await running();
  let wait = 0;
  await withClock(async (move) => {
    for (let round = 0; round < 12; round++) {
      await evict(threadId);
      wait = await runInDurableObject(stubOf(threadId), async (puppet, { storage }) => {
        await failingAfter(1, async () => puppet.alarm());
        return ((await storage.getAlarm()) ?? NaN) - Date.now();
      });
      move(wait);
    }
  });
  expect(wait).toBeGreaterThan(60_000);
});

it("a queue whose first turn is in a state of a newer version is not stuck: what comes after it starts", async () => {
  const { threadId, socket } = await running();
  await socket.send("Third");
  await query(threadId, "UPDATE cc_turn SET state = 'waiting' WHERE state = 'running'");
  await evict(threadId);
  const fresh = await TestSocket.open(threadId, "user-1");
  expect((await fresh.next("snapshot")).turn).not.toBeNull();
});
