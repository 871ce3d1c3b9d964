// A line that is cut after each single frame of a turn: the tab ends with the message of a tab that was never cut, and was
// sent no chunk twice.
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/protocol/limits.ts";
import { threadOf } from "./support/history.ts";
import { query, reply } from "./support/objects.ts";
import { closeText, openText, say, takeRun, type Stage } from "./support/stage.ts";
import { chunkFaults, newThread, Tab, textOf } from "./support/tab.ts";
import type { Play } from "./worker.ts";

const DELTAS = 100;
const AT_ONCE = 6;

/** The turn, as steps of which each is one frame. */
const STEPS: ((run: Play) => void)[] = [
  openText,
  ...Array.from({ length: DELTAS }, (_, n) => (run: Play) => say(run, `${n}… `)),
  closeText,
  (run) => run.end(),
];

/** Frames before those of {@link STEPS}: welcome, snapshot, the delta of the message, its ack. */
const BEFORE = 4;
const FRAMES = BEFORE + STEPS.length;
const TEXT = Array.from({ length: DELTAS }, (_, n) => `${n}… `).join("");

const perform = (stage: Stage, from: number, to: number): Promise<void> =>
  stage.perform((run) => STEPS.slice(Math.max(from, 0), Math.max(to, 0)).forEach((step) => step(run)));

/** Parts of the replies that a tab shows, when it shows each whole and in its place. */
function partsOf(tab: Tab): unknown[] {
  const { messages, status, queue } = tab.snapshot;
  expect({ status, queue }).toEqual({ status: "ready", queue: [] });
  messages.forEach(({ role, parent, facts }, index) => {
    expect({ role, parent, outcome: facts?.outcome }).toEqual(
      index % 2
        ? { role: "assistant", parent: messages[index - 1]!.id, outcome: "completed" }
        : { role: "user", parent: messages[index - 1]?.id ?? null },
    );
  });
  return messages.filter(({ role }) => role === "assistant").map(({ parts }) => structuredClone(parts));
}

/** Fails when a chunk came twice, or was left out, or had to be asked for. */
function expectEachChunkOnce(tab: Tab): void {
  expect(chunkFaults(tab)).toEqual([]);
  expect(tab.link.sent.filter(({ frame }) => frame.type === "sync")).toEqual([]);
}

interface Absence {
  /** Steps that the tab misses. */
  missed: number;
  /** The next turn has begun when the tab is back, and it misses so many steps of that one. */
  next?: number;
}

/** One turn (and the next) of a tab whose line is cut after its `cut`-th frame. */
async function runWithCut(cut: number, { missed, next }: Absence): Promise<Tab> {
  const threadId = await newThread();
  const tab = new Tab(threadId);
  const isAccepted = cut >= 3;
  tab.link.cutAfter(cut, () => (tab.link.isOnline = !isAccepted));
  const sending = tab.client.send("Hello");
  const stage = await takeRun(threadId);
  const done = cut - BEFORE;
  await perform(stage, 0, done);
  if (isAccepted) await tab.until(({ connection }) => connection.kind !== "live");
  await perform(stage, done, done + missed);
  let following: Stage | undefined;
  if (next !== undefined) {
    const other = await Tab.open(threadId);
    await other.client.send("Next");
    if (done + missed < STEPS.length) await perform(stage, done + missed, STEPS.length);
    following = await takeRun(threadId);
    await perform(following, 0, next);
    other.close();
  }
  tab.link.isOnline = true;
  await tab.live();
  if (following) await perform(following, next!, STEPS.length);
  else await perform(stage, done + missed, STEPS.length);
  await sending.settled;
  await tab.caughtUp();
  expect(tab.link.sockets).toBe(2);
  return tab;
}

/** The same turns in a tab whose line holds. */
async function runUncut(turns: number): Promise<Tab> {
  const threadId = await newThread();
  const tab = await Tab.open(threadId);
  for (let turn = 0; turn < turns; turn++) {
    const sending = tab.client.send("Hello");
    await perform(await takeRun(threadId), 0, STEPS.length);
    await sending.settled;
  }
  expect(tab.link.received).toHaveLength(2 + turns * (FRAMES - 2));
  expect(tab.link.sockets).toBe(1);
  return tab;
}

/** Several at a time: most of the time of one is waiting for its requests. */
async function forEachCut(first: number, every: number, body: (cut: number) => Promise<void>): Promise<void> {
  const cuts = Array.from({ length: FRAMES - first + 1 }, (_, n) => first + n).filter((cut) => cut % every === 0 || cut === FRAMES);
  const work = async (): Promise<void> => {
    for (let cut = cuts.shift(); cut !== undefined; cut = cuts.shift()) await body(cut);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

describe(`a cut after each single frame of a turn of ${DELTAS} chunks`, () => {
  const CASES: Record<string, { absence: Absence; replies: number; first: number; every?: number }> = {
    "and a tab that misses nothing": { absence: { missed: 0 }, replies: 1, first: 1 },
    "and a tab that comes back ten chunks later": { absence: { missed: 10 }, replies: 1, first: 3, every: 3 },
    "and a tab that comes back when the turn has ended": { absence: { missed: STEPS.length }, replies: 1, first: 3, every: 3 },
    "and a tab that comes back in the middle of the next turn": {
      absence: { missed: STEPS.length, next: 5 },
      replies: 2,
      first: 3,
      every: 3,
    },
    "and a tab that comes back before the next turn has said anything": { absence: { missed: 1, next: 0 }, replies: 2, first: 3, every: 3 },
  };
  it.each(Object.entries(CASES))(
    "%s: the replies are those of a tab that was never cut",
    { timeout: 60_000 },
    async (_name, { absence, replies, first, every = 1 }) => {
      const expected = partsOf(await runUncut(replies));
      expect(textOf({ parts: expected[0] as never })).toBe(TEXT);
      await forEachCut(first, every, async (cut) => {
        const tab = await runWithCut(cut, absence);
        expect(partsOf(tab)).toStrictEqual(expected);
        expectEachChunkOnce(tab);
        tab.close();
      });
    },
  );
});

describe("a queue of turns", () => {
  /** Plays each turn to its end, as it comes. */
  const play = async (threadId: string, turns: number): Promise<void> => {
    for (let turn = 0; turn < turns; turn++) {
      const stage = await takeRun(threadId);
      await stage.perform((run) => {
        openText(run);
        for (let n = 0; n < 3; n++) say(run, `${n} `);
        closeText(run);
        run.end();
      });
    }
  };

  const expectOrder = async (tab: Tab, texts: string[]): Promise<void> => {
    await tab.caughtUp();
    expect(partsOf(tab)).toHaveLength(texts.length);
    expect(tab.snapshot.messages.map(textOf)).toEqual(texts.flatMap((text) => [text, "0 1 2 "]));
    const fresh = await Tab.open(tab.threadId);
    expect(tab.snapshot.messages).toStrictEqual(fresh.snapshot.messages);
    tab.close();
    fresh.close();
  };

  /** Of two turns: 6 frames, 5 with chunks, 2 between them, 5 with chunks and the end. */
  const CUTS = Array.from({ length: 19 }, (_, n) => n + 1);

  it("is whole and in order after a cut at any frame, with what was written right before it lost", { timeout: 30_000 }, async () => {
    for (const cut of CUTS) {
      const threadId = await newThread();
      const tab = new Tab(threadId);
      const sendings = ["1", "2"].map((text) => tab.client.send(text));
      const isAcked = new Promise<void>((resolve) => {
        tab.link.cutAfter(cut, () => {
          tab.link.isMuted = true;
          sendings.push(...["3", "4"].map((text) => tab.client.send(text)));
          resolve();
        });
      });
      const played = play(threadId, 4);
      await isAcked;
      await Promise.all(sendings.map(({ settled }) => settled));
      await played;
      expect(tab.link.sockets).toBe(2);
      expectEachChunkOnce(tab);
      await expectOrder(tab, ["1", "2", "3", "4"]);
    }
  });

  it.each([
    ["it arrived, and its ack is lost", true],
    ["it is lost", false],
  ])("is whole and in order after a cut at any frame that the tab writes, when %s", async (_name, arrives) => {
    for (let cut = 1; cut <= 4; cut++) {
      const threadId = await newThread();
      const tab = new Tab(threadId);
      let left = cut;
      tab.link.onSend = () => {
        if (--left > 0 || tab.link.sockets > 1) return true;
        // After the write: nothing that follows arrives, and whatever comes back is not heard.
        if (left === 0) queueMicrotask(() => tab.link.cut());
        return arrives && left === 0;
      };
      const sendings = ["1", "2", "3", "4"].map((text) => tab.client.send(text));
      const played = play(threadId, 4);
      await Promise.all(sendings.map(({ settled }) => settled));
      await played;
      expect(tab.link.sockets).toBe(2);
      expectEachChunkOnce(tab);
      await expectOrder(tab, ["1", "2", "3", "4"]);
      expect(await query(threadId, "SELECT count(*) AS n FROM cc_command")).toEqual([{ n: 4 }]);
    }
  });

  it("is whole when the tab is cut again and again, and its upgrades are refused in between", async () => {
    const threadId = await newThread();
    const tab = new Tab(threadId);
    const cutAgain = (): void =>
      tab.link.cutAfter(3, () => {
        tab.link.refusals = tab.link.sockets % 3;
        if (tab.link.sockets < 40) queueMicrotask(cutAgain);
      });
    cutAgain();
    const sendings = ["1", "2", "3", "4"].map((text) => tab.client.send(text));
    await play(threadId, 4);
    await Promise.all(sendings.map(({ settled }) => settled));
    expect(tab.link.sockets).toBeGreaterThan(4);
    expectEachChunkOnce(tab);
    await expectOrder(tab, ["1", "2", "3", "4"]);
  });
});

describe("a tab that comes back far behind", () => {
  it("gets the live state and no chunks when it lacks more than 256 KB of them, and goes on from there", async () => {
    const threadId = await newThread();
    const tab = await Tab.open(threadId);
    const sending = tab.client.send("Hello");
    const stage = await takeRun(threadId);
    const letters = (letter: string): string => letter.repeat(1_000);
    await stage.perform((run) => (openText(run), say(run, "Begin ")));
    await tab.shows("Begin ");
    tab.link.isOnline = false;
    await stage.perform((run) => {
      for (let n = 0; n <= LIMITS.maxReplayBytes / 1_000; n++) say(run, letters("x"));
    });
    const before = tab.link.received.length;
    tab.link.isOnline = true;
    await tab.live();
    const missed = tab.link.received.slice(before);
    expect(missed.map(({ type }) => type)).toEqual(["welcome", "delta"]);
    expect(missed[1]).toHaveProperty("live");
    await stage.perform((run) => (say(run, " end"), closeText(run), run.end()));
    const reply = await sending.settled;
    expect(textOf(reply!)).toBe(`Begin ${"x".repeat(263_000)} end`);
    expectEachChunkOnce(tab);
    const fresh = await Tab.open(threadId);
    await fresh.loadAll();
    expect(tab.snapshot.messages).toStrictEqual(fresh.snapshot.messages);
  });

  it("gets the chunks when it lacks just less", async () => {
    const threadId = await newThread();
    const tab = await Tab.open(threadId);
    const sending = tab.client.send("Hello");
    const stage = await takeRun(threadId);
    await stage.perform((run) => (openText(run), say(run, "Begin ")));
    await tab.shows("Begin ");
    tab.link.isOnline = false;
    await stage.perform((run) => say(run, "x".repeat(250_000)));
    const before = tab.link.received.length;
    tab.link.isOnline = true;
    await tab.live();
    await stage.perform((run) => (closeText(run), run.end()));
    await sending.settled;
    expect(tab.link.received.slice(before).map(({ type }) => type)).toEqual(["welcome", "delta", "chunks", "mark", "chunks", "turn"]);
    expectEachChunkOnce(tab);
    expect(partsOf(tab)).toHaveLength(1);
  });

  /** A tab with 50 of the 60 messages of a thread, offline while so many turns pass. */
  async function returnAfter(turns: number, whileAway: (threadId: string) => Promise<unknown> = async () => {}): Promise<Tab> {
    const threadId = await threadOf(60);
    const tab = await Tab.open(threadId);
    await tab.client.loadEarlier();
    expect(tab.snapshot.messages).toHaveLength(50);
    tab.link.isOnline = false;
    const other = await Tab.open(threadId);
    for (let turn = 0; turn < turns; turn++) {
      const sending = other.client.send(`new ${turn}`);
      await reply(threadId, `reply ${turn}`);
      await sending.settled;
    }
    other.close();
    await whileAway(threadId);
    tab.link.isOnline = true;
    await tab.live();
    return tab;
  }

  /** The rest of history comes without a hole: each message follows on the one before it. */
  async function expectWhole(tab: Tab, count: number): Promise<void> {
    await tab.loadAll();
    const { messages } = tab.snapshot;
    expect(messages).toHaveLength(count);
    messages.forEach(({ parent }, index) => expect(parent).toBe(messages[index - 1]?.id ?? null));
    const fresh = await Tab.open(tab.threadId);
    await fresh.loadAll();
    expect(messages).toStrictEqual(fresh.snapshot.messages);
  }

  it("gets a delta for up to a page of messages, and keeps the pages that it had loaded", async () => {
    const tab = await returnAfter(12);
    expect(tab.of("snapshot")).toHaveLength(1);
    expect(tab.snapshot.messages).toHaveLength(50 + 24);
    await expectWhole(tab, 60 + 24);
  });

  it("gets a snapshot for more than a page (26 messages), and the earlier ones again page by page, without a hole", async () => {
    const tab = await returnAfter(13);
    expect(tab.of("snapshot")).toHaveLength(2);
    expect(tab.snapshot).toMatchObject({ hasEarlier: true });
    expect(tab.snapshot.messages).toHaveLength(25);
    await expectWhole(tab, 60 + 26);
  });

  it("loads the pages above a snapshot again, since they may have changed", async () => {
    // As after a move to another branch: the cursor is of no use, and more than that move has happened.
    const tab = await returnAfter(2, (threadId) => query(threadId, "UPDATE cc_session SET head_rev = rev"));
    expect(tab.of("snapshot")).toHaveLength(2);
    expect(tab.snapshot).toMatchObject({ hasEarlier: true });
    expect(tab.snapshot.messages).toHaveLength(25);
    await expectWhole(tab, 60 + 4);
  });
});
