// Our bindings for React, Vue and Svelte, in a real browser and against a real Worker: one set of scenarios for the pages of all.
import { expect, test } from "vitest";
import { setStage } from "../support/stage.ts";
import { countTo, SOON } from "../support/tab.ts";
import { expectLikeFreshTab } from "./support/chat-tab.ts";
import { type Cast, everywhere } from "./support/everywhere.ts";
import { COUNT, COUNTED, ENDLESS, ONE, SCENARIOS } from "./support/scenarios.ts";
import { siteOf } from "./support/site.ts";

const stage = setStage(siteOf("bindings"));
const inAll = (scenario: (cast: Cast) => Promise<void>) => everywhere(stage, scenario);

for (const [name, scenario] of Object.entries(SCENARIOS)) test(name, inAll(scenario));

test(
  "shows what another tab asks and gets as it comes, and sends behind it",
  inAll(async ({ visit }) => {
    const open = await visit();
    const one = await open();
    await one.write("say one");
    await one.untilSaid(...ONE);
    const two = await open(one.url);
    await two.untilSaid(...ONE);
    await two.write(COUNT);
    await one.answerBeyond(3);
    await one.write("say two");
    for (const tab of [one, two]) await tab.untilSaid(...ONE, ...COUNTED, "user: say two", "assistant: two");
    await expectLikeFreshTab(open, one, two);
  }),
);

test(
  "asks for an approval in every tab and after a reload, and goes on with the answer of one in the same message",
  inAll(async ({ visit }) => {
    const open = await visit();
    const tab = await open();
    await tab.write('use the book tool with {"city":"Paris"}');
    await tab.untilStatus("waiting");
    const other = await open(tab.url);
    await tab.page.reload();
    await tab.page.getByRole("button", { name: "Allow" }).waitFor();
    await other.press("Allow");
    for (const each of [tab, other]) {
      await expect.poll(() => each.answer(), SOON).toMatch(/output-available \{"confirmation":"A table for 2 in Paris"\}\]./);
      await each.page.getByRole("button", { name: "Allow" }).waitFor({ state: "hidden" });
    }
    expect(await tab.said()).toHaveLength(2);
    await expectLikeFreshTab(open, tab, other);
  }),
);

test(
  "mixes nothing when it goes from thread to thread while both stream, and stops the one that it shows",
  inAll(async ({ visit }) => {
    const open = await visit();
    const tab = await open();
    await tab.write(COUNT);
    await tab.answerBeyond(0);
    const one = tab.url;
    await tab.goTo();
    await tab.untilSaid();
    await tab.write(ENDLESS);
    await tab.answerBeyond(0);
    const two = tab.url;
    expect(two).not.toBe(one);
    for (const address of [one, two, one]) {
      await tab.goTo(address);
      await tab.answerBeyond(0);
    }
    await tab.untilSaid(...COUNTED);
    await tab.goTo(two);
    await tab.answerBeyond(countTo(100).length);
    await tab.press("Stop");
    await tab.untilStatus("ready");
    const frames = (await tab.frames()).map(({ said }) => said.join("\n"));
    const whole = [COUNTED.join("\n"), `user: ${ENDLESS}\nassistant: ${countTo(2000)}`];
    expect(frames.filter((text) => !whole.some((all) => all.startsWith(text)))).toEqual([]);
    await expectLikeFreshTab(open, tab);
    await tab.goTo(one);
    await tab.untilSaid(...COUNTED);
    await expectLikeFreshTab(open, tab);
  }),
);
