// Stock `useChat` of React, Vue and Svelte over chatcell/ai-sdk, in a real browser and against a real Worker: one set of scenarios
// for the pages of all.
import { expect, test } from "vitest";
import { Line } from "../support/line.ts";
import { setStage } from "../support/stage.ts";
import { countTo, SOON } from "../support/tab.ts";
import { expectLikeFreshTab } from "./support/chat-tab.ts";
import { type Cast, everywhere } from "./support/everywhere.ts";
import { COUNT, COUNTED, ONE, SCENARIOS } from "./support/scenarios.ts";
import { siteOf } from "./support/site.ts";

const stage = setStage(siteOf("use-chat"));
const inAll = (scenario: (cast: Cast) => Promise<void>) => everywhere(stage, scenario);

for (const [name, scenario] of Object.entries(SCENARIOS)) test(name, inAll(scenario));

test(
  "shows an answer whole that ended while the page was away",
  inAll(async ({ visit }) => {
    const open = await visit();
    const tab = await open();
    await tab.ask(COUNT);
    await tab.answerBeyond(0);
    const other = await open(tab.url);
    await tab.page.goto("about:blank");
    await other.untilSaid(...COUNTED);
    await tab.page.goBack();
    await tab.untilSaid(...COUNTED);
    await expectLikeFreshTab(open, tab, other);
  }),
);

test(
  "neither stops nor doubles an answer whose chat is left for another one in the same page",
  inAll(async ({ visit }) => {
    const open = await visit();
    const tab = await open();
    await tab.ask("say one");
    await tab.untilSaid(...ONE);
    const one = tab.url;
    await tab.goTo();
    await tab.untilSaid();
    await tab.ask(COUNT);
    const before = await tab.answerBeyond(0);
    const two = tab.url;
    await tab.goTo(one);
    await tab.untilSaid(...ONE);
    await tab.goTo(two);
    await tab.answerBeyond(before.length);
    await tab.untilSaid(...COUNTED);
    await expectLikeFreshTab(open, tab);
  }),
);

test(
  "asks for an approval, also after a reload, and goes on with the answer in the same message",
  inAll(async ({ visit }) => {
    const open = await visit();
    const tab = await open();
    await tab.ask('use the book tool with {"city":"Paris"}');
    await tab.page.getByRole("button", { name: "Allow" }).waitFor();
    await tab.untilStatus("ready");
    await tab.page.reload();
    await tab.press("Allow");
    await expect.poll(() => tab.answer(), SOON).toMatch(/output-available \{"confirmation":"A table for 2 in Paris"\}\]./);
    await tab.untilStatus("ready");
    expect(await tab.page.getByRole("button", { name: "Allow" }).count()).toBe(0);
    expect(await tab.said()).toHaveLength(2);
    await expectLikeFreshTab(open, tab);
  }),
);

test(
  "shows what another tab asks and gets, in its turn when it was asked while an answer streams here",
  inAll(async ({ visit }) => {
    const open = await visit();
    const one = await open();
    await one.ask("say one");
    await one.untilSaid(...ONE);
    const two = await open(one.url);
    await two.untilStatus("ready");
    await one.ask(COUNT);
    for (const tab of [one, two]) await tab.answerBeyond("one".length);
    expect(await two.status()).toBe("ready");
    await two.ask("say two");
    const said = [...ONE, ...COUNTED, "user: say two", "assistant: two"];
    for (const tab of [one, two]) await tab.untilSaid(...said);
    await two.ask("say three");
    for (const tab of [one, two]) await tab.untilSaid(...said, "user: say three", "assistant: three");
    await expectLikeFreshTab(open, one, two);
  }),
);

// Vue and Svelte: their releases of `ai` put a reply behind all that is shown when it begins. Right again when it has ended.
test(
  "shows its own answer before a message of another tab that waits behind it",
  inAll(async ({ visit }) => {
    const mine = "user: count to 40 at 40 words per second";
    const open = await visit();
    const one = await open();
    await one.ask("say one");
    await one.untilSaid(...ONE);
    const [two, three] = [await open(one.url), await open(one.url)];
    await two.ask(COUNT);
    await three.answerBeyond("one".length);
    await one.ask("count to 40 at 40 words per second");
    await expect.poll(async () => (await three.said()).at(-1), SOON).toBe(mine);
    await three.ask("say yours");
    for (const tab of [one, two, three]) {
      await tab.untilSaid(...ONE, ...COUNTED, mine, `assistant: ${countTo(40)}`, "user: say yours", "assistant: yours");
    }
    const behind = (await one.frames()).map(({ said }) => said[said.indexOf("user: say yours") + 1] ?? "");
    expect(behind.filter((text) => text.startsWith("assistant: 1"))).toEqual([]);
  }),
);

test("goes on with an answer over a cut line, with nothing doubled", async () => {
  stage.expectErrors(/net::ERR_|WebSocket connection .* failed/);
  const lines: Line[] = [];
  const run = inAll(async ({ visit }) => {
    const line = await Line.open(stage.example.port);
    lines.push(line);
    const open = await visit({ baseURL: `http://localhost:${line.port}` });
    const tab = await open();
    await tab.ask(COUNT);
    await tab.answerBeyond(20);
    line.cut();
    line.mend();
    await tab.untilSaid(...COUNTED);
    await tab.expectGrownTo(...COUNTED);
    await expectLikeFreshTab(open, tab);
  });
  try {
    await run();
  } finally {
    for (const line of lines) await line.close();
  }
});
