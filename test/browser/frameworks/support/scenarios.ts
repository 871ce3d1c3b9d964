// What every page of a chat does, whatever it is made with, and the words of it.
import { expect } from "vitest";
import { countTo, SOON } from "../../support/tab.ts";
import { expectLikeFreshTab } from "./chat-tab.ts";
import type { Cast } from "./everywhere.ts";

/** Takes two and a half seconds, and arrives in several flushes. */
export const COUNT = "count to 100 at 40 words per second";
export const COUNTED = [`user: ${COUNT}`, `assistant: ${countTo(100)}`];
export const ENDLESS = "count to 2000 at 40 words per second";
export const ONE = ["user: say one", "assistant: one"];
/** Long enough for a page that takes its time to load. */
const LONG = "count to 160 at 40 words per second";

export const SCENARIOS: Record<string, (cast: Cast) => Promise<void>> = {
  "shows the history, sends, and streams the reply": async ({ visit }) => {
    const open = await visit();
    const first = await open();
    await first.ask("say one");
    await first.untilSaid(...ONE);
    const tab = await open(first.url);
    await tab.untilSaid(...ONE);
    await tab.ask(COUNT);
    for (const each of [first, tab]) await each.untilSaid(...ONE, ...COUNTED);
    await tab.expectGrownTo(...ONE, ...COUNTED);
    await expectLikeFreshTab(open, tab, first);
  },

  "stops, and keeps what was written": async ({ visit }) => {
    const open = await visit();
    const tab = await open();
    await tab.ask(ENDLESS);
    const before = await tab.answerBeyond(20);
    await tab.press("Stop");
    await tab.untilStatus("ready");
    const kept = await tab.answer();
    expect(kept.startsWith(before)).toBe(true);
    expect(countTo(2000).startsWith(kept)).toBe(true);
    await expectLikeFreshTab(open, tab);
  },

  "goes on after a reload in mid-answer with all that was there": async ({ visit }) => {
    const open = await visit();
    const tab = await open();
    await tab.ask(LONG);
    const before = await tab.answerBeyond(20);
    await tab.page.reload();
    await tab.untilSaid(`user: ${LONG}`, `assistant: ${countTo(160)}`);
    await tab.expectGrownTo(`user: ${LONG}`, `assistant: ${countTo(160)}`);
    const [first] = (await tab.frames()).flatMap(({ said }) => said[1] ?? []);
    expect(first!.startsWith(`assistant: ${before}`)).toBe(true);
    await expectLikeFreshTab(open, tab);
  },

  "regenerates an answer in its place": async ({ visit }) => {
    const open = await visit();
    const tab = await open();
    await tab.ask("say one");
    await tab.untilSaid(...ONE);
    await tab.untilStatus("ready");
    const [question, first] = await tab.ids();
    await tab.press("Regenerate");
    await expect.poll(() => tab.ids(), SOON).toEqual([question, expect.not.stringContaining(first!)]);
    await tab.untilSaid(...ONE);
    await expectLikeFreshTab(open, tab);
  },
};
