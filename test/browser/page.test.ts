// The page around the conversation: addresses that lead nowhere, hostile text, a narrow screen, keyboard and names.
import { expect, test } from "vitest";
import { setStage } from "./support/stage.ts";
import { SOON, type Tab } from "./support/tab.ts";

const stage = setStage();
const UNKNOWN = "/?t=AAAAAAAAAAAAAAAAAAAAAA";
const REFUSED = /status of 404 \(Not Found\) http:\/\/localhost:\d+\/chat\/threads\/[\w-]+\/ticket$/;

/** Waits for the page that stands in place of a thread, and returns all of it that can be seen. */
async function nothingHere(tab: Tab): Promise<string> {
  await tab.page.getByRole("heading", { name: "There is no chat here." }).waitFor();
  return tab.page.locator("body").innerText();
}

test("an address that leads to no thread says so in words, and offers a new chat instead of a composer", async () => {
  stage.expectErrors(REFUSED);
  const { open } = await stage.visitor();
  const tab = await open(UNKNOWN);
  await nothingHere(tab);
  expect(await tab.page.locator("#composer").isVisible()).toBe(false);
  await tab.page.getByRole("link", { name: "Start a new chat" }).click();
  await tab.page.getByRole("heading", { name: "A thread is an object." }).waitFor();
  await tab.begin("say hello");
  await expect.poll(() => tab.said(), SOON).toEqual(["say hello", "hello"]);
});

test("an address that no thread can have is refused without a question to the server", async () => {
  const { open } = await stage.visitor();
  for (const id of ["", "..%2F..%2Fetc", "%3Cscript%3E", "x".repeat(65)]) {
    const tab = await open(`/?t=${id}`);
    await nothingHere(tab);
    expect(await tab.page.locator("#composer").isVisible()).toBe(false);
  }
});

test("another visitor who opens the address of a thread sees what a stranger to any address sees", async () => {
  stage.expectErrors(REFUSED);
  const owner = await stage.visitor();
  const tab = await owner.open();
  await tab.begin("say this is private");
  await tab.untilQuiet();
  const other = await stage.visitor();
  const theirs = await nothingHere(await other.open(tab.url));
  const unknown = await nothingHere(await other.open(UNKNOWN));
  expect(theirs).toBe(unknown);
  expect(theirs).not.toContain("private");
  expect(await tab.said()).toEqual(["say this is private", "this is private"]);
});

const HOSTILE = [
  `<img src=x onerror="window.hacked=1">`,
  `<script>window.hacked=1</script>`,
  `<svg onload="window.hacked=1">`,
  `[link](javascript:window.hacked=1)`,
  `![image](x" onerror="window.hacked=1)`,
  `<iframe srcdoc="<script>parent.hacked=1</script>"></iframe>`,
];

test("markup in a message and in its answer stays text, also after a reload", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  const said: string[] = [];
  for (const text of HOSTILE) {
    await tab.write(`say ${text} at 10000 words per second`);
    await tab.untilQuiet();
    said.push(`say ${text} at 10000 words per second`, text);
  }
  await tab.page.waitForURL(/\?t=/);
  const before = await tab.history();
  await tab.page.reload();
  await tab.untilQuiet();
  expect(await tab.history()).toBe(before);
  expect(await tab.said()).toEqual(said);
  expect(await tab.page.locator(".message-body").locator("img, script, svg, iframe, [onerror], [onload]").count()).toBe(0);
  const links = await tab.page.locator("#messages a").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  expect(links.filter((href) => !href?.startsWith("https:"))).toEqual([]);
  expect(await tab.page.evaluate(() => "hacked" in window)).toBe(false);
});

test("nothing runs over the edge of a phone of 360 pixels", async () => {
  const { open } = await stage.visitor({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
  const tab = await open();
  expect(await overflowing(tab), "in a new thread").toEqual([]);
  await tab.begin("markdown at 10000 words per second");
  await tab.untilQuiet();
  await tab.write(`say ${"unbroken".repeat(40)} https://example.org/${"path/".repeat(40)}`);
  await tab.untilQuiet();
  await tab.write("unicode at 10000 words per second");
  await tab.untilQuiet();
  await tab.write("stall after 5 words");
  await tab.write(`say queued ${"x".repeat(200)}`);
  await expect.poll(async () => (await tab.queue()).length, SOON).toBe(1);
  expect(await overflowing(tab), "in a full thread").toEqual([]);
});

/** Elements that reach over the right or left edge of the window and do not stand in something that scrolls by itself. */
async function overflowing(tab: Tab): Promise<string[]> {
  return tab.page.evaluate(() => {
    const over = document.scrollingElement!.scrollWidth > window.innerWidth ? ["the page scrolls sideways"] : [];
    const viewport = document.querySelector("#viewport")!;
    if (viewport.scrollWidth > viewport.clientWidth) over.push("the messages scroll sideways");
    for (const element of document.querySelectorAll<HTMLElement>("body *")) {
      const { left, right, width } = element.getBoundingClientRect();
      if (width === 0 || (left >= -1 && right <= window.innerWidth + 1)) continue;
      if (element.closest("pre, .table, .visually-hidden")) continue;
      over.push(`${element.tagName} ${element.className}`);
    }
    return over;
  });
}

test("a reader at the bottom stays there through fast text and a growing queue, and one who scrolls up is left alone", async () => {
  const { open } = await stage.visitor({ viewport: { width: 360, height: 740 } });
  const tab = await open();
  const { page } = tab;
  await page.evaluate(() => {
    const jump = document.querySelector<HTMLElement>("#jump")!;
    new MutationObserver(() => jump.hidden || document.body.setAttribute("data-lost", "")).observe(jump, { attributes: true });
  });
  await tab.begin("write 500 words at 500 words per second");
  await tab.untilQuiet();
  await tab.write("write 2000 words at 500 words per second");
  for (const text of ["say one", "say two", "say three", "say four"]) await tab.write(text);
  await expect.poll(async () => (await tab.queue()).length, SOON).toBe(4);
  await tab.answerBeyond(4_000);
  await expect.poll(() => page.evaluate(fromBottom), SOON).toBeLessThan(48);
  expect(await page.getAttribute("body", "data-lost")).toBeNull();
  await page.locator("#viewport").hover();
  await page.mouse.wheel(0, -1_500);
  await page.locator("#jump").waitFor();
  const top = await page.evaluate(() => document.querySelector("#viewport")!.scrollTop);
  await tab.answerBeyond((await tab.answer()).length);
  expect(await page.evaluate(() => document.querySelector("#viewport")!.scrollTop)).toBe(top);
  await page.getByRole("button", { name: "Jump to latest" }).click();
  await expect.poll(() => page.evaluate(fromBottom), SOON).toBeLessThan(48);
  await tab.stop("Escape");
  await tab.untilQuiet();
  await expect.poll(() => page.evaluate(fromBottom), SOON).toBeLessThan(48);
});

function fromBottom(): number {
  const viewport = document.querySelector("#viewport")!;
  return viewport.scrollHeight - viewport.clientHeight - viewport.scrollTop;
}

test("the composer has a label, the messages are a log, and every control has a name", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  const { page } = tab;
  await tab.begin("markdown at 10000 words per second");
  await tab.untilQuiet();
  await tab.write("stall after 3 words");
  await tab.write("say queued");
  await expect.poll(() => tab.queue(), SOON).toEqual(["say queued"]);
  expect(await page.getByLabel("Message", { exact: true }).getAttribute("id")).toBe("input");
  expect(await page.getByRole("log", { name: "Messages" }).count()).toBe(1);
  expect(await page.getByRole("main").count()).toBe(1);
  expect(await page.getAttribute("html", "lang")).toBe("en");
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("button, a, textarea, [tabindex='0']")]
      .filter((element) => {
        const label = element instanceof HTMLTextAreaElement ? element.labels[0]?.textContent : element.textContent;
        return !(element.getAttribute("aria-label") ?? label)?.trim();
      })
      .map((element) => element.outerHTML),
  );
  expect(nameless).toEqual([]);
  const ids = await page.evaluate(() => [...document.querySelectorAll("[id]")].map(({ id }) => id));
  expect(new Set(ids).size).toBe(ids.length);
});

test("the focus is in the composer from the start, and stays there after Enter, after Send and after Stop", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  const { page } = tab;
  expect(await tab.hasFocus("#input")).toBe(true);
  await tab.begin("stall after 3 words");
  expect(await tab.hasFocus("#input")).toBe(true);
  await tab.answerBeyond(0);
  await page.keyboard.type("say typed meanwhile");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  expect(await tab.hasFocus("#input")).toBe(true);
  expect(await page.inputValue("#input")).toBe("");
  await tab.stop("button");
  await tab.untilQuiet();
  expect(await tab.hasFocus("#input")).toBe(true);
  expect((await tab.said()).slice(2)).toEqual(["say typed meanwhile", "typed meanwhile"]);
});

test("Enter sends, Shift+Enter makes a line, and blank text is not sent", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.write("   ");
  expect(await tab.page.getByRole("button", { name: "Send", exact: true }).isDisabled()).toBe(true);
  await tab.page.locator("#input").fill("");
  await tab.page.keyboard.type("say one");
  await tab.page.keyboard.press("Shift+Enter");
  await tab.page.keyboard.type("two");
  await tab.page.keyboard.press("Enter");
  await expect.poll(async () => (await tab.said())[0], SOON).toBe("say one\ntwo");
  await tab.untilQuiet();
  expect(await tab.said()).toHaveLength(2);
});

test("a screen reader hears that an answer comes, and then the whole answer once", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.page.evaluate(() => {
    const heard: string[] = [];
    (window as unknown as { heard: string[] }).heard = heard;
    const region = document.querySelector("[role=status]")!;
    new MutationObserver(() => heard.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
  });
  await tab.begin("count to 30 at 40 words per second");
  await tab.untilQuiet();
  const heard = await tab.page.evaluate(() => (window as unknown as { heard: string[] }).heard);
  expect(heard).toEqual(["The assistant is answering.", await tab.answer()]);
});

test("an output that is too large to come by itself is loaded when somebody asks for it", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  const city = "x".repeat(300_000);
  await tab.begin(`use the book tool with {"city":"${city}"} at 1000000 words per second`);
  await tab.page.getByRole("button", { name: "Allow" }).click();
  await tab.untilQuiet();
  await tab.page.getByText("Output of 294 KB").waitFor();
  const output = tab.page.getByLabel("Output", { exact: true });
  expect(await output.isVisible()).toBe(false);
  await tab.page.getByRole("button", { name: "Load the output" }).click();
  await output.waitFor();
  expect(JSON.parse((await output.textContent())!)).toEqual({ confirmation: `A table for 2 in ${city}` });
  expect(await tab.hasFocus("pre[aria-label=Output]")).toBe(true);
  expect(await tab.page.getByRole("button", { name: "Load the output" }).isVisible()).toBe(false);
});
