// Whatever a few tabs, their lines and the object's memory go through, all tabs end with what a fresh one loads, and what was
// acked is there once, in the order in which it was accepted. fast-check names the seed of a run that fails.
import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import type { Sending } from "../../src/client/types.ts";
import { withClock } from "./support/clock.ts";
import { threadOf } from "./support/history.ts";
import { evict, query, stubOf } from "./support/objects.ts";
import { openText, say, settle } from "./support/stage.ts";
import { chunkFaults, newThread, shown, Tab, textOf } from "./support/tab.ts";
import type { Play } from "./worker.ts";

const KINDS = [
  "send",
  "stop",
  "cancel",
  "play",
  "end",
  "fail",
  "cut",
  "cutLater",
  "refuse",
  "mute",
  "offline",
  "online",
  "evict",
  "loadEarlier",
  "freshTab",
] as const;

/** How often each kind comes, by its place in {@link KINDS}. */
const WEIGHTS = [6, 1, 1, 6, 3, 1, 2, 3, 1, 1, 2, 4, 1, 2, 1];

interface Step {
  kind: (typeof KINDS)[number];
  tab: number;
  n: number;
  /** The step is over before the next one, as far as the object is concerned. */
  waits: boolean;
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.oneof(...KINDS.map((kind, at) => ({ arbitrary: fc.constant(kind), weight: WEIGHTS[at]! }))),
    tab: fc.nat(2),
    n: fc.nat(9),
    waits: fc.boolean(),
  }),
  { minLength: 5, maxLength: 40 },
);

/** More than the queue could ever hold would be refused. */
const MAX_SENDS = 20;

class World {
  readonly threadId: string;
  readonly tabs: Tab[] = [];
  readonly closed: Tab[] = [];
  readonly sends: { tab: Tab; text: string; sending: Sending }[] = [];
  #run: { play: Play; isOpen: boolean } | null = null;

  constructor(threadId: string, tabs: number) {
    this.threadId = threadId;
    for (let n = 0; n < tabs; n++) this.tabs.push(new Tab(threadId));
  }

  get allTabs(): Tab[] {
    return [...this.closed, ...this.tabs];
  }

  async do({ kind, tab: pick, n, waits }: Step): Promise<void> {
    const at = pick % this.tabs.length;
    const tab = this.tabs[at]!;
    const { client, link } = tab;
    switch (kind) {
      case "send": {
        if (this.sends.length === MAX_SENDS) break;
        const text = `mine ${this.sends.length}`;
        const sending = client.send(text);
        sending.catch(() => {});
        this.sends.push({ tab, text, sending });
        break;
      }
      case "stop":
        client.stop().catch(() => {});
        break;
      case "cancel": {
        const { queue } = tab.snapshot;
        if (queue.length > 0) client.cancel(queue[n % queue.length]!.turnId).catch(() => {});
        break;
      }
      case "play":
        await this.perform((play) => {
          for (let count = 0; count <= n; count++) say(play, `${count} `);
        });
        break;
      case "end":
        await this.perform((play) => play.end());
        break;
      case "fail":
        await this.perform((play) => play.fail(new Error("failed")));
        break;
      case "cut":
        link.cut();
        break;
      case "cutLater":
        link.cutAfter(n + 1);
        break;
      case "refuse":
        link.refusals = n;
        break;
      case "mute":
        link.isMuted = true;
        break;
      case "offline":
        link.isOnline = false;
        break;
      case "online":
        if (!link.isOnline) link.isOnline = true;
        break;
      case "evict":
        await this.evictIdle();
        break;
      case "loadEarlier":
        client.loadEarlier().catch(() => {});
        break;
      case "freshTab":
        tab.close();
        this.closed.push(tab);
        this.tabs[at] = new Tab(this.threadId);
        break;
    }
    if (waits) await settle();
  }

  /** Ends the object's memory when no turn runs and no tab is just connecting: workerd's own evict hangs with a request under way. */
  async evictIdle(): Promise<void> {
    const present = this.tabs.filter(({ link }) => link.isOnline);
    await Promise.all(present.map((tab) => tab.caughtUp()));
    const turns = await query(this.threadId, "SELECT id FROM cc_turn");
    const isIdle = turns.length === 0 && present.every(({ snapshot }) => snapshot.connection.kind === "live");
    if (isIdle) await evict(this.threadId);
  }

  /** Acts in the run that is under way, if there is one. */
  perform(act: (play: Play) => void): Promise<void> {
    return runInDurableObject(stubOf(this.threadId), (puppet) => {
      const begun = puppet.plays.splice(0).at(-1);
      if (begun) this.#run = { play: begun, isOpen: false };
      const run = this.#run;
      if (!run || run.play.turn.signal.aborted) return;
      if (!run.isOpen) openText(run.play);
      run.isOpen = true;
      try {
        act(run.play);
      } catch {
        this.#run = null; // Its stream is closed: it has ended already.
      }
    });
  }

  /** Everybody is back, and every turn comes to its end. */
  async quiet(): Promise<void> {
    for (const { link } of this.tabs) {
      if (link.isMuted) link.cut();
      link.refusals = 0;
      link.afterReceive = () => {};
      if (!link.isOnline) link.isOnline = true;
    }
    await Promise.all(this.tabs.map((tab) => tab.caughtUp()));
    await Promise.allSettled(this.sends.map(({ sending }) => sending));
    for (let round = 0; round < 200; round++) {
      const left = await query(this.threadId, "SELECT id FROM cc_turn");
      if (left.length === 0) break;
      await this.perform((play) => play.end());
      await settle();
    }
    await Promise.all(this.tabs.map((tab) => tab.caughtUp()));
  }
}

async function check(world: World): Promise<void> {
  const { threadId, tabs, allTabs, sends } = world;
  const fresh = await Tab.open(threadId);
  await Promise.all([fresh, ...tabs].map((tab) => tab.loadAll()));
  for (const tab of tabs) expect(shown(tab)).toStrictEqual(shown(fresh));
  expect(fresh.snapshot.queue).toEqual([]);
  const { messages } = fresh.snapshot;
  messages.forEach(({ parent }, index) => expect(parent).toBe(messages[index - 1]?.id ?? null));
  for (const tab of allTabs) expect(chunkFaults(tab)).toEqual([]);

  const frames = allTabs.flatMap((tab) => tab.link.received);
  const revs = new Map(frames.flatMap((frame) => (frame.type === "ack" ? [[frame.ref, frame.rev] as const] : [])));
  const written = allTabs.flatMap(({ link }) => link.sent.map(({ frame }) => frame));
  const takenBack = new Set(written.flatMap((frame) => (frame.type === "stop" || frame.type === "cancel" ? [frame.turnId] : [])));
  const texts = messages.filter(({ role }) => role === "user").map(textOf);
  const accepted: { text: string; rev: number }[] = [];
  for (const { tab, text, sending } of sends) {
    const count = texts.filter((each) => each === text).length;
    const [answer] = await Promise.allSettled([sending]);
    if (answer.status === "rejected") {
      // Only of a tab that was closed before its answer came.
      expect(tabs).not.toContain(tab);
      expect(count).toBeLessThanOrEqual(1);
      continue;
    }
    const { turnId } = answer.value;
    if (takenBack.has(turnId)) expect(count).toBeLessThanOrEqual(1);
    else expect(count).toBe(1);
    if (count === 1) accepted.push({ text, rev: revs.get(turnId)! });
  }
  const inOrder = accepted.sort((a, b) => a.rev - b.rev).map(({ text }) => text);
  expect(texts.filter((text) => inOrder.includes(text))).toEqual(inOrder);
  for (const tab of [fresh, ...tabs]) tab.close();
}

it(
  "all tabs end with what a fresh tab shows, and each acked message is there once, in order of acceptance",
  { timeout: 120_000 },
  async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 3 }), fc.boolean(), steps, (tabs, hasHistory, list) =>
        // A second passes with each step, so that no rate is ever too high.
        withClock(async (move) => {
          const world = new World(hasHistory ? await threadOf(60) : await newThread(), tabs);
          for (const step of list) {
            move(1_000);
            await world.do(step);
          }
          move(5_000);
          await world.quiet();
          await check(world);
        }),
      ),
      // A run takes a tenth of a second. One that hangs is reported, with as much shrinking as there is time for.
      { numRuns: 60, timeout: 10_000, interruptAfterTimeLimit: 90_000, markInterruptAsFailure: true },
    );
  },
);
