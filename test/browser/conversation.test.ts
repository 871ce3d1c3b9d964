// An answer as one person and several tabs see it: while it grows, when it is reloaded, stopped, queued behind, or fails.
import { expect, test } from "vitest";
import { setStage } from "./support/stage.ts";
import { countTo, SOON, type Tab } from "./support/tab.ts";

const stage = setStage();

/** Fails unless all tabs show what a tab shows that is opened now. */
async function expectLikeFreshLoad(open: (address: string) => Promise<Tab>, ...tabs: Tab[]): Promise<void> {
  const fresh = await open(tabs[0]!.url);
  await fresh.untilQuiet();
  const history = await fresh.history();
  for (const tab of tabs) expect(await tab.history()).toBe(history);
}

test("an answer grows in place while the stop button is there, and ends as it was written", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  expect(await tab.isBusy()).toBe(false);
  await tab.begin("count to 90 at 30 words per second");
  const seen = [await tab.answerBeyond(0)];
  while (seen.at(-1)!.length < 100) {
    seen.push(await tab.answerBeyond(seen.at(-1)!.length));
    if (seen.at(-1)!.length < 100) expect(await tab.isBusy()).toBe(true);
  }
  await tab.untilQuiet();
  seen.push(await tab.answer());
  expect(seen.length).toBeGreaterThan(3);
  for (const text of seen) expect(countTo(90).startsWith(text)).toBe(true);
  expect(seen.at(-1)).toBe(countTo(90));
  await expectLikeFreshLoad(open, tab);
});

test("an answer without a word yet shows that the model thinks, and leaves no bubble when it is stopped", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin("stall");
  await tab.page.locator("#typing").waitFor();
  expect(await tab.isBusy()).toBe(true);
  await tab.stop("Escape");
  await tab.untilQuiet();
  expect(await tab.page.locator("#typing").isVisible()).toBe(false);
  expect(await tab.said()).toEqual(["stall"]);
  await tab.write("say still here");
  await expect.poll(() => tab.said(), SOON).toEqual(["stall", "say still here", "still here"]);
});

test("a reload in mid-answer shows at once what was there, and goes on to the same end", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.page.addInitScript(recordAnswer);
  await tab.begin("count to 200 at 40 words per second");
  const before = await tab.answerBeyond(60);
  await tab.page.reload();
  await tab.answerBeyond(before.length);
  expect(await tab.isBusy()).toBe(true);
  await tab.untilQuiet();
  const lengths = await tab.page.evaluate(() => (window as unknown as Recorded).lengths);
  expect(lengths[0]).toBeGreaterThanOrEqual(before.length);
  expect(lengths.length).toBeGreaterThan(2);
  expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
  expect(await tab.answer()).toBe(countTo(200));
  await expectLikeFreshLoad(open, tab);
});

interface Recorded {
  /** Lengths that the newest answer had since the page was loaded, each once, from the first that was shown. */
  lengths: number[];
}

function recordAnswer(): void {
  const lengths: number[] = [];
  (window as unknown as Recorded).lengths = lengths;
  new MutationObserver(() => {
    const length = [...document.querySelectorAll(".is-assistant .prose")].at(-1)?.textContent.length ?? 0;
    if (length > 0 && length !== lengths.at(-1)) lengths.push(length);
  }).observe(document, { subtree: true, childList: true, characterData: true });
}

test("a second tab sees the same answer while it is written, and both end like a fresh load", async () => {
  const { open } = await stage.visitor();
  const one = await open();
  await one.begin("count to 160 at 40 words per second");
  const early = await one.answerBeyond(20);
  const two = await open(one.url);
  const joined = await two.answerBeyond(early.length);
  expect(await two.isBusy()).toBe(true);
  await Promise.all([one.answerBeyond(joined.length), two.answerBeyond(joined.length)]);
  await Promise.all([one.untilQuiet(), two.untilQuiet()]);
  expect(await one.answer()).toBe(countTo(160));
  await two.write("say from the second tab");
  await expect.poll(async () => (await one.said()).slice(2), SOON).toEqual(["say from the second tab", "from the second tab"]);
  await Promise.all([one.untilQuiet(), two.untilQuiet()]);
  await expectLikeFreshLoad(open, one, two);
});

test.each([
  { from: "the tab that asked", how: "button" },
  { from: "the tab that asked", how: "Escape" },
  { from: "another tab", how: "button" },
  { from: "another tab", how: "Escape" },
] as const)("stop by $how from $from keeps the partial, marked as stopped in both", async ({ from, how }) => {
  const { open } = await stage.visitor();
  const asking = await open();
  await asking.begin("count to 2000 at 40 words per second");
  const before = await asking.answerBeyond(20);
  const other = await open(asking.url);
  await other.answerBeyond(before.length);
  await (from === "another tab" ? other : asking).stop(how);
  await Promise.all([asking.untilQuiet(), other.untilQuiet()]);
  const kept = await asking.answer();
  expect(kept.length).toBeGreaterThanOrEqual(before.length);
  expect(countTo(2000).startsWith(kept)).toBe(true);
  for (const tab of [asking, other]) expect(await tab.outcome()).toBe("Stopped");
  await expectLikeFreshLoad(open, asking, other);
});

test("a stopped answer goes on at the exact place when the model is asked to continue", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin("count to 90 at 30 words per second");
  await tab.answerBeyond(20);
  await tab.stop("Escape");
  await tab.untilQuiet();
  const partial = await tab.answer();
  expect(partial.length).toBeLessThan(countTo(90).length);
  await tab.write("continue at 10000 words per second");
  await tab.untilQuiet();
  expect(`${partial} ${await tab.answer()}`).toBe(countTo(90));
});

test("messages written while an answer runs wait in order in every tab, and another tab can take one back", async () => {
  const { open } = await stage.visitor();
  const one = await open();
  await one.begin("stall after 5 words");
  await one.answerBeyond(0);
  const two = await open(one.url);
  await two.untilLive();
  await one.write("say first");
  await expect.poll(() => two.queue(), SOON).toEqual(["say first"]);
  await two.write("say second");
  await expect.poll(() => one.queue(), SOON).toEqual(["say first", "say second"]);
  await one.write("say third");
  for (const tab of [one, two]) await expect.poll(() => tab.queue(), SOON).toEqual(["say first", "say second", "say third"]);
  // The one of the other tab.
  await one.takeBack("say second");
  for (const tab of [one, two]) await expect.poll(() => tab.queue(), SOON).toEqual(["say first", "say third"]);
  await two.stop("button");
  await Promise.all([one.untilQuiet(), two.untilQuiet()]);
  expect((await one.said()).slice(2)).toEqual(["say first", "first", "say third", "third"]);
  await expectLikeFreshLoad(open, one, two);
});

test("a model that fails before its first word leaves a message that says so, and no empty bubble", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin("fail");
  await expect.poll(() => tab.outcome(), SOON).not.toBe("");
  await tab.untilQuiet();
  expect(await tab.said()).toEqual(["fail"]);
  await expectLikeFreshLoad(open, tab);
  await tab.write("say again");
  await expect.poll(() => tab.said(), SOON).toEqual(["fail", "say again", "again"]);
});

test("a model that fails in mid-answer keeps the words that were shown and says that it failed", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin("fail after 20 words");
  await tab.answerBeyond(0);
  await tab.untilQuiet();
  expect((await tab.answer()).split(/\s+/)).toHaveLength(20);
  expect(await tab.outcome()).not.toBe("");
  expect(await tab.said()).toHaveLength(2);
  await expectLikeFreshLoad(open, tab);
});
