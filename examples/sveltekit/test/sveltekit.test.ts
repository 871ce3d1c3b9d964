// The example in a real browser: while it is worked on (`npm run dev`), and as the one Worker that is deployed (`npm run preview`).
import { describe, expect, test } from "vitest";
import { setStage } from "./support/stage.ts";
import { countTo, SOON } from "./support/tab.ts";

const COUNT = "count to 40 at 10 words per second";

describe("npm run dev", () => {
  const stage = setStage("dev");

  test("the first message makes the thread, and its answer streams", async () => {
    const tab = await (await stage.visitor()).open();
    expect(new URL(tab.page.url()).search).toBe("");
    await tab.begin(COUNT);
    expect(countTo(40).startsWith(await tab.untilAnswerBegins())).toBe(true);
    expect(await tab.has("Stop")).toBe(true);
    await tab.untilSaid([COUNT, countTo(40)]);
    await expect.poll(() => tab.has("Stop"), SOON).toBe(false);
  });

  test("a reload in the middle of an answer goes on, with nothing missing or doubled", async () => {
    const tab = await (await stage.visitor()).open();
    await tab.begin("say hello");
    await tab.untilSaid(["say hello", "hello"]);
    await tab.write(COUNT);
    await expect.poll(async () => (await tab.said()).length, SOON).toBe(4);
    // What the server has rendered stays, node by node, when the client takes over: a message that leaves is a complaint.
    await tab.page.addInitScript(() => {
      const left = (records: MutationRecord[]): void => {
        for (const { removedNodes } of records)
          for (const node of removedNodes) if (node.nodeName === "ARTICLE") console.error(`left the page: ${node.textContent}`);
      };
      new MutationObserver(left).observe(document, { childList: true, subtree: true });
    });
    await tab.page.reload();
    expect((await tab.said()).slice(0, 2)).toEqual(["say hello", "hello"]);
    await tab.untilSaid(["say hello", "hello", COUNT, countTo(40)]);
  });

  test("a second tab shows the same, and stops the answer for both", async () => {
    const visitor = await stage.visitor();
    const first = await visitor.open();
    await first.begin("stall after 12 words");
    const partial = await first.untilAnswerBegins();
    const second = await visitor.open(first.page.url());
    expect((await second.untilAnswerBegins()).startsWith(partial.slice(0, 10))).toBe(true);
    await second.press("Stop");
    for (const tab of [first, second]) await expect.poll(() => tab.statuses(), SOON).toEqual(["Stopped"]);
    expect(await second.said()).toEqual(await first.said());

    await first.press("Try again");
    for (const tab of [first, second]) await expect.poll(() => tab.has("Stop"), SOON).toBe(true);
    await first.press("Stop");
  });

  test("messages wait their turn in every tab, and can be taken back", async () => {
    const visitor = await stage.visitor();
    const first = await visitor.open();
    await first.begin("stall after 3 words");
    await first.write("say one");
    await first.write("say two");
    const second = await visitor.open(first.page.url());
    await second.press("Take back: say one");
    await expect.poll(() => first.has("Take back: say one"), SOON).toBe(false);
    await first.press("Stop");
    await expect.poll(async () => (await first.said()).slice(-2), SOON).toEqual(["say two", "two"]);
    expect(await first.said()).toHaveLength(4);
  });

  test("an answer that fails says so, and can be asked for again", async () => {
    const tab = await (await stage.visitor()).open();
    await tab.begin("fail after 3 words");
    await expect.poll(() => tab.statuses(), SOON).toHaveLength(1);
    const failed = await tab.page.waitForSelector("article.assistant");
    await tab.press("Try again");
    await failed.waitForElementState("hidden");
    await expect.poll(() => tab.statuses(), SOON).toHaveLength(1);
    expect(await tab.said()).toHaveLength(2);
  });

  test("a new chat is another thread, and Back leads to the former one", async () => {
    const tab = await (await stage.visitor()).open();
    await tab.begin("say one");
    await tab.untilSaid(["say one", "one"]);
    const former = tab.page.url();
    await tab.page.getByRole("link", { name: "New chat" }).click();
    await tab.untilSaid([]);
    await tab.begin("say two");
    await tab.untilSaid(["say two", "two"]);
    expect(tab.page.url()).not.toBe(former);
    await tab.page.goBack();
    await tab.untilSaid(["say one", "one"]);
  });
});

describe("npm run preview", () => {
  const stage = setStage("preview");

  test("one Worker serves the page and the chat, and the history is in its HTML", async () => {
    const visitor = await stage.visitor();
    const tab = await visitor.open();
    await tab.begin(COUNT);
    await tab.untilSaid([COUNT, countTo(40)]);
    const html = await tab.page.request.get(tab.page.url());
    expect(html.headers()["cache-control"]).toBe("private, no-store");
    expect((await html.text()).split(`>${countTo(40)}</p>`)).toHaveLength(2);

    const second = await visitor.open(tab.page.url());
    await second.write("say both");
    for (const each of [tab, second]) await each.untilSaid([COUNT, countTo(40), "say both", "both"]);
  });

  test("nobody is shown the thread of somebody else", async () => {
    const owner = await (await stage.visitor()).open();
    await owner.begin("say secret");
    await owner.untilSaid(["say secret", "secret"]);
    stage.expectErrors(/status of 404/);
    const stranger = await stage.visitor();
    const before = await stranger.open(owner.page.url());
    expect([before.status, await before.said()]).toEqual([404, []]);

    // Also not with an identity of their own.
    const own = await stranger.open();
    await own.begin("say mine");
    const after = await stranger.open(owner.page.url());
    expect([after.status, await after.page.content()]).toEqual([404, expect.not.stringContaining("secret")]);
  });
});
