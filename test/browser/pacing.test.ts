// What an eye sees of an answer that comes in a few flushes: every frame of the page is looked at.
import type { BrowserContextOptions } from "playwright-core";
import { expect, test } from "vitest";
import { setStage } from "./support/stage.ts";
import { countTo, SOON } from "./support/tab.ts";

const stage = setStage();

interface Recorded {
  /** What frames showed of the newest answer, in order, without repeats. */
  texts: string[];
}

function recordFrames(): void {
  const texts: string[] = [];
  (window as unknown as Recorded).texts = texts;
  const look = (): void => {
    const text = [...document.querySelectorAll(".is-assistant .prose")].at(-1)?.textContent ?? "";
    if (text && text !== texts.at(-1)) texts.push(text);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** What the frames of a page showed of "count to 90", which takes three seconds and comes in about ten flushes. */
async function watchCount(options?: BrowserContextOptions): Promise<string[]> {
  const { context, open } = await stage.visitor(options);
  await context.addInitScript(recordFrames);
  const tab = await open();
  await tab.begin("count to 90 at 30 words per second");
  await expect.poll(() => tab.answer(), SOON).toBe(countTo(90));
  await tab.untilQuiet();
  return tab.page.evaluate(() => (window as unknown as Recorded).texts);
}

test("an answer grows by a few letters a frame, never shrinks, and ends whole", async () => {
  const texts = await watchCount();
  for (const text of texts) expect(countTo(90).startsWith(text)).toBe(true);
  expect(texts).toEqual(texts.toSorted((a, b) => a.length - b.length));
  expect(texts.at(-1)).toBe(countTo(90));
  const steps = texts.map((text, index) => text.length - (texts[index - 1]?.length ?? 0)).toSorted((a, b) => a - b);
  // About ten flushes, each in 16 steps or more; a busy machine leaves frames out.
  expect(steps.length).toBeGreaterThan(80);
  expect(steps[Math.floor(steps.length / 2)]).toBeLessThanOrEqual(4);
});

test("who wants less motion sees each flush at once", async () => {
  const texts = await watchCount({ reducedMotion: "reduce" });
  expect(texts.length).toBeGreaterThan(3);
  expect(texts.length).toBeLessThan(25);
  expect(texts.at(-1)).toBe(countTo(90));
});
