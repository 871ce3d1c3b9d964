// A line that is dead without a sign, and one that is only silent, in a browser. The page's clock is in the hands of the test.
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { setStage } from "./support/stage.ts";
import { countTo, SOON, type Tab } from "./support/tab.ts";

const stage = setStage();

/** What a page's sockets carry, and a hole for it: a socket in the hole stays open, and nothing goes in or out. */
class Hole {
  sockets = 0;
  pings = 0;
  pongs = 0;
  #swallowed = 0;
  #held: (() => void)[] | null = null;

  static async under(page: Page): Promise<Hole> {
    const hole = new Hole();
    await page.routeWebSocket(/\/socket\?/, (near) => {
      const number = ++hole.sockets;
      const far = near.connectToServer();
      const passes = () => number > hole.#swallowed;
      near.onMessage((data) => {
        if (data === "ping") hole.pings++;
        if (passes()) far.send(data);
      });
      far.onMessage((data) => {
        if (data === "pong") hole.pongs++;
        if (hole.#held) hole.#held.push(() => near.send(data));
        else if (passes()) near.send(data);
      });
      near.onClose(() => passes() && void far.close());
      far.onClose(() => passes() && void near.close());
    });
    return hole;
  }

  /** The sockets of the moment fall silent for good; later ones go through. */
  swallow(): void {
    this.#swallowed = this.sockets;
  }

  /** What comes for the page waits until `release`, as it does for a page that stands still. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    for (const give of this.#held ?? []) give();
    this.#held = null;
  }
}

async function openTab(): Promise<{ tab: Tab; page: Page; hole: Hole }> {
  const { context, open } = await stage.visitor();
  await context.addInitScript(() => {
    // Hidden and visible as a test says.
    Object.defineProperty(document, "hidden", { get: () => document.documentElement?.hasAttribute("data-away") ?? false });
  });
  const tab = await open();
  const { page } = tab;
  const hole = await Hole.under(page);
  await page.clock.install();
  await page.goto("/");
  return { tab, page, hole };
}

const wake = (page: Page, type: string): Promise<void> =>
  page.evaluate((name) => void (name === "visibilitychange" ? document : window).dispatchEvent(new Event(name, { bubbles: true })), type);

test("a silent line is asked by a ping that the runtime answers, and stays", async () => {
  const { tab, page, hole } = await openTab();
  await tab.begin("say hello");
  await tab.untilQuiet();
  for (let asked = 1; asked <= 3; asked++) {
    await page.clock.fastForward(25_000);
    await expect.poll(() => [hole.pings, hole.pongs], SOON).toEqual([asked, asked]);
  }
  expect([hole.sockets, await tab.connection()]).toEqual([1, "Live"]);
});

test("a laptop that slept for an hour with a question out keeps its line", async () => {
  const { tab, page, hole } = await openTab();
  await tab.begin("say hello");
  await tab.untilQuiet();
  hole.hold();
  await page.clock.fastForward(25_000);
  await expect.poll(() => hole.pongs, SOON).toBe(1);
  await page.clock.fastForward(3_600_000);
  await expect.poll(() => hole.pongs, SOON).toBe(2);
  hole.release();
  await page.clock.fastForward(6_000);
  await tab.write("say still here");
  await expect.poll(async () => (await tab.said()).at(-1), SOON).toBe("still here");
  expect(hole.sockets).toBe(1);
});

test.each(["online", "pageshow", "visibilitychange"])("a black hole in mid-answer is noticed after %s, and costs no word", async (type) => {
  const { tab, page, hole } = await openTab();
  await tab.begin("count to 120 at 40 words per second");
  await tab.answerBeyond(40);
  hole.swallow();
  const { pings } = hole;
  await page.evaluate(() => document.documentElement.setAttribute("data-away", ""));
  await wake(page, type);
  expect(hole.pings).toBe(pings);
  await page.evaluate(() => document.documentElement.removeAttribute("data-away"));
  for (const other of [type, "online", "pageshow", type]) await wake(page, other);
  await expect.poll(() => hole.pings, SOON).toBe(pings + 1);
  expect(await tab.connection()).toBe("Live");
  await page.clock.runFor(5_000);
  await page.clock.runFor(5_000);
  await expect.poll(() => hole.sockets, SOON).toBe(2);
  await tab.untilQuiet();
  expect(await tab.answer()).toBe(countTo(120));
});

test("a message written to a black hole after a silence is answered within seconds, once", async () => {
  const { tab, page, hole } = await openTab();
  await tab.begin("say hello");
  await tab.untilQuiet();
  hole.swallow();
  await page.clock.fastForward(10_000);
  await tab.write("say I was not lost");
  await expect.poll(() => hole.pings, SOON).toBe(1);
  await page.clock.runFor(12_000);
  await expect.poll(() => tab.said(), SOON).toEqual(["say hello", "hello", "say I was not lost", "I was not lost"]);
  expect(hole.sockets).toBe(2);
});
