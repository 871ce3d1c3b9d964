// A turn whose process was killed ends also when nobody ever comes back: the alarm of its lease finds it.
import { describe, expect, it } from "vitest";
import type { WorkerdProcess } from "../../src/entries/testing.ts";
import { newId } from "../../src/entries/protocol.ts";
import { formatScore, wordsOf } from "./score.ts";
import { createRandom } from "./support/random.ts";
import { readMessages } from "./support/raw.ts";
import { startServer } from "./support/server.ts";
import { leftOf, NOTHING_LEFT, readStoredThreads, type StoredThread } from "./support/stored.ts";
import { poll } from "./support/until.ts";
import { textOf, Witness, type Sent } from "./support/witness.ts";

/** The lease is 30 s; two machines' worth of slack for the start of the process and of 3 objects. */
const LEASE_DEADLINE_MS = 45_000;

interface Scene {
  /** Killed in mid-stream. */
  streaming: Witness;
  /** Killed before the answer began. */
  silent: Witness;
  /** Killed in mid-stream with a second turn in line. */
  queued: Witness;
}

/** Three threads at work and then killed, their clients gone for good. Resolves with what the crash left on disk. */
async function crash(server: WorkerdProcess): Promise<Scene & { left: Map<string, StoredThread> }> {
  const random = createRandom(1);
  const [streaming, silent, queued] = [0, 1, 2].map(
    (index) => new Witness({ url: server.url, user: `user-${index}`, create: true, random }),
  );
  const scene: Scene = { streaming: streaming!, silent: silent!, queued: queued! };
  scene.streaming.send({ tag: "streaming", words: 5_000, everyMs: 5, afterMs: 0 });
  scene.silent.send({ tag: "silent", words: 3, everyMs: 0, afterMs: 5_000 });
  scene.queued.send({ tag: "first", words: 5_000, everyMs: 5, afterMs: 0 });
  scene.queued.send({ tag: "second", words: 7, everyMs: 5, afterMs: 0 });
  const witnesses = Object.values(scene) as Witness[];
  for (const witness of witnesses) await witness.until(() => witness.sent.every((sent) => witness.isAcked(sent)), "all acks");
  for (const witness of [scene.streaming, scene.queued]) {
    await witness.until(() => witness.shown(witness.sent[0]!).length > 300, "a part of the answer");
  }
  await server.kill();
  for (const witness of witnesses) witness.close();
  return { ...scene, left: readStoredThreads(server.storage) };
}

/** Waits until every turn has ended by itself, and reads what is stored then. */
async function aftermath(server: WorkerdProcess, scene: Scene, deadlineMs: number): Promise<Map<string, StoredThread>> {
  const outcomes: [Witness, Sent, string][] = [
    [scene.streaming, scene.streaming.sent[0]!, "interrupted"],
    [scene.queued, scene.queued.sent[0]!, "interrupted"],
    [scene.queued, scene.queued.sent[1]!, "completed"],
  ];
  for (const [witness, sent, outcome] of outcomes) {
    const line = `end ${witness.turnOf(sent)} ${outcome}`;
    await poll(() => server.logs.includes(line), `${line} (of ${server.logs.join("; ")})`, deadlineMs);
  }
  const silent = scene.silent.turnOf(scene.silent.sent[0]!);
  await poll(() => server.logs.some((line) => line.startsWith(`end ${silent} `)), "the end of the silent turn", deadlineMs);
  await server.kill();
  return readStoredThreads(server.storage);
}

function expectEnded(scene: Scene, stored: Map<string, StoredThread>): void {
  for (const witness of Object.values(scene) as Witness[]) {
    const { turns, logRows } = stored.get(witness.threadId)!;
    expect({ turns, logRows }).toEqual({ turns: [], logRows: 0 });
  }
  for (const { threadId, sent, shown } of [shownOf(scene.streaming), shownOf(scene.queued)]) {
    const [question, reply] = stored.get(threadId)!.messages;
    expect(textOf(question!)).toBe(sent.text);
    expect(question!.facts).toBeNull();
    expect(reply!.facts).toMatchObject({ outcome: "interrupted", error: { code: "interrupted" }, attempts: 1 });
    expect(textOf(reply!).startsWith(shown)).toBe(true);
    expect(wordsOf(sent.score).join("").startsWith(textOf(reply!))).toBe(true);
    expect(reply!.parts.at(-1)).toMatchObject({ type: "data-notice", data: { kind: "interrupted" } });
  }
  const silent = stored.get(scene.silent.threadId)!.messages;
  // Nothing was shown: the turn is run again.
  expect(silent.map(({ role, facts }) => `${role}:${facts?.outcome ?? ""}:${facts?.attempts ?? ""}`)).toEqual([
    "user::",
    "assistant:completed:2",
  ]);
  const queued = stored.get(scene.queued.threadId)!.messages;
  const second = scene.queued.sent[1]!;
  expect(queued.map(({ role, facts }) => [role, facts?.outcome])).toEqual([
    ["user", undefined],
    ["assistant", "interrupted"],
    ["user", undefined],
    ["assistant", "completed"],
  ]);
  expect(textOf(queued[3]!)).toBe(wordsOf(second.score).join(""));
}

function shownOf(witness: Witness): { threadId: string; sent: Sent; shown: string } {
  const sent = witness.sent[0]!;
  return { threadId: witness.threadId, sent, shown: witness.shown(sent) };
}

describe.concurrent("the alarm of a turn", { timeout: 120_000 }, () => {
  it("ends it when the process is back before the lease is over, and nobody comes", async () => {
    await using server = await startServer();
    const { left, ...scene } = await crash(server);
    expect(left.get(scene.streaming.threadId)!.turns).toMatchObject([{ state: "running" }]);
    await server.restart();
    expectEnded(scene, await aftermath(server, scene, LEASE_DEADLINE_MS));
  });

  it("ends it at once when the process comes back after the lease, and nobody comes", async () => {
    await using server = await startServer();
    const { left, ...scene } = await crash(server);
    const dueAt = Math.max(...[...left.values()].flatMap(({ turns }) => turns.map((turn) => turn.dueAt ?? 0)));
    await poll(() => Date.now() > dueAt, "the leases are over", LEASE_DEADLINE_MS);
    await server.restart();
    expectEnded(scene, await aftermath(server, scene, 10_000));
  });
});

/** Turns that are asked for by server code and that nobody ever watches. The long one takes minutes, with CHATCELL_LONG=1. */
const UNWATCHED = [
  { name: "half a minute", words: 340, alarms: 1, isRun: true },
  // Without an event of its own an object would be evicted after 70 to 140 s.
  { name: "two and a half minutes", words: 1_500, alarms: 4, isRun: process.env.CHATCELL_LONG === "1" },
];

describe.concurrent("a turn that no client ever watches", { timeout: 240_000 }, () => {
  it.each(UNWATCHED.filter(({ isRun }) => isRun))(
    "runs to its end by its lease alarms for $name, and leaves none behind",
    async ({ words, alarms }) => {
      await using server = await startServer();
      const score = { tag: "unwatched", words, everyMs: 100, afterMs: 0 };
      const place = { url: server.url, threadId: newId(), user: "user-0" };
      const response = await fetch(`${server.url}/system/${place.threadId}`, { method: "POST", body: formatScore(score) });
      const { turnId } = await response.json<{ turnId: string }>();
      // Looks at the log of the process only: a request would be an event, which keeps the object alive.
      const ends = (): string[] => server.logs.filter((line) => line.startsWith(`end ${turnId} `));
      await poll(() => ends().length > 0, "the end", words * 100 + 60_000);
      const messages = await readMessages(place);
      expect(messages).toMatchObject([
        { role: "user", author: "system:cron" },
        { id: turnId, role: "assistant", facts: { outcome: "completed", attempts: 1 } },
      ]);
      expect(textOf(messages[1]!)).toBe(wordsOf(score).join(""));
      expect(ends()).toEqual([`end ${turnId} completed`]);
      await server.kill();
      const stored = readStoredThreads(server.storage).get(place.threadId)!;
      expect(leftOf(stored)).toEqual(NOTHING_LEFT);
      const fired = server.logs.filter((line) => line === `alarm ${stored.objectId}`).length;
      expect(fired).toBeGreaterThanOrEqual(alarms);
      // One for each 30 s: leases are not set again before they are due.
      expect(fired).toBeLessThanOrEqual(Math.ceil((words * 100) / 30_000) + 2);
    },
  );
});
