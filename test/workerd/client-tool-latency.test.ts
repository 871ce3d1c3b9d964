// Client tools of two pages over slow lines, with a crash before the last result and a reload: no part that anybody has seen in
// a state is ever seen in an earlier one. The pages are the real client; its time is virtual, so that nothing sleeps.
import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ChatSnapshot } from "../../src/client/types.ts";
import { callsOf, outcomesIn, shownCalls } from "./support/calls.ts";
import { clientTool } from "./support/client-tool-scene.ts";
import { ended, faultsOfScenes, Gate, Scene } from "./support/scene.ts";
import { shown, Tab } from "./support/tab.ts";

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

afterEach(async () => {
  vi.restoreAllMocks();
  expect(await faultsOfScenes()).toEqual([]);
});

/** Time as the pages see it: it goes on to the next event once the object has had its time. */
class VirtualTime {
  readonly #events: { at: number; run: () => void }[] = [];
  now = 0;

  readonly after = (ms: number, run: () => void): void => {
    this.#events.push({ at: this.now + ms, run });
  };

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      for (let turn = 0; turn < 3; turn++) await scheduler.wait(0);
      const next = this.#events.reduce<{ at: number; run: () => void } | null>(
        (first, event) => (first && first.at <= event.at ? first : event),
        null,
      );
      if (!next) continue;
      this.#events.splice(this.#events.indexOf(next), 1);
      this.now = next.at;
      next.run();
    }
  }

  get isIdle(): boolean {
    return this.#events.length === 0;
  }
}

const RANKS = ["input-streaming", "input-available", "approval-requested", "approval-responded"];

/** How far each call of a snapshot has come, in their order. */
function ranksOf({ messages }: ChatSnapshot): number[] {
  return messages.flatMap(({ parts }) =>
    callsOf(parts as Parameters<typeof callsOf>[0]).map(({ state, preliminary }) => {
      const rank = RANKS.indexOf(state);
      return rank >= 0 ? rank : preliminary ? RANKS.length : RANKS.length + 1;
    }),
  );
}

/** What one page has seen, also over a reload. */
class Witness {
  readonly faults: string[] = [];
  /** Every state of a call that it has seen. */
  readonly seen = new Set<number>();
  #ranks: number[] = [];
  #messages = 0;

  watch({ client }: Tab): void {
    let isFirst = true;
    client.subscribe((snapshot) => {
      // A client begins with nothing.
      if (isFirst && snapshot.messages.length === 0) return;
      isFirst = false;
      const ranks = ranksOf(snapshot);
      if (snapshot.messages.length < this.#messages) this.faults.push(`${this.#messages} messages became ${snapshot.messages.length}`);
      this.#ranks.forEach((rank, index) => {
        if (!(ranks[index]! >= rank)) this.faults.push(`call ${index} was at ${rank} and is at ${ranks[index]}`);
      });
      this.#ranks = ranks;
      for (const rank of ranks) this.seen.add(rank);
      this.#messages = snapshot.messages.length;
    });
  }
}

const LATENCIES = [0, 200, 2_000];
const LINES = LATENCIES.flatMap((one) => LATENCIES.map((other) => [one, other] as const));

describe.each([1, 2, 3])("%i client tool(s) in a step", (count) => {
  it.each(LINES)("over lines of %i and %i ms, with a crash before the last result: every state only goes forward", async (...latencies) => {
    const time = new VirtualTime();
    const crashed = new Gate();
    const started = { last: false };
    const step = Array.from({ length: count }, (_, index) => ({ tool: "locate", input: { n: index + 1 } }));
    const scene = await Scene.stage((scene) => ({ locate: clientTool(scene, "locate") }), { script: [["Where? ", ...step], "There."] });

    const witnesses = latencies.map(() => new Witness());
    const open = async (index: number): Promise<Tab> => {
      const latency = latencies[index]!;
      const tab = new Tab(scene.threadId, {
        delay: (carry) => (latency === 0 ? carry() : time.after(latency, carry)),
        clientTools: {
          locate: async (input) => {
            const { n } = input as { n: number };
            if (n === count) {
              started.last = true;
              await crashed.opened;
            }
            await new Promise<void>((resolve) => time.after(latency, resolve));
            return `place ${n}`;
          },
        },
      });
      witnesses[index]!.watch(tab);
      await time.until(() => tab.snapshot.connection.kind === "live");
      return tab;
    };
    const tabs = [await open(0), await open(1)];

    await scene.send();
    const settled = ({ snapshot }: Tab): number => ranksOf(snapshot).filter((rank) => rank > RANKS.length).length;
    await time.until(() => started.last && tabs.every((tab) => settled(tab) === count - 1));
    expect(scene.turns).toHaveLength(1);
    await abortAllDurableObjects();
    await scene.comeBack();
    expect(shownCalls(scene.socket).filter(({ state }) => state === "input-available")).toHaveLength(1);
    // The second page is reloaded while it has, or may take, the last call.
    tabs[1]!.close();
    tabs[1] = await open(1);
    crashed.open();
    await time.until(() => tabs.every(({ snapshot }) => snapshot.status === "ready" && ranksOf(snapshot).length === count));
    await ended(scene);
    await time.until(() => time.isIdle);

    expect(witnesses.flatMap(({ faults }) => faults)).toEqual([]);
    for (const { seen } of witnesses)
      expect([...seen]).toEqual(expect.arrayContaining([RANKS.indexOf("input-available"), RANKS.length + 1]));
    expect([scene.turns.length, scene.prompts.length]).toEqual([2, 2]);
    expect(scene.turns[1]).toMatchObject({ attempt: 1, resume: { kind: "client-tool" } });
    expect(outcomesIn(scene.prompts[1]!)).toEqual(step.map(({ input }) => ["locate", `place ${input.n}`]));
    expect(shown(tabs[0]!)).toEqual(shown(tabs[1]));
    for (const tab of tabs) tab.close();
  });
});
