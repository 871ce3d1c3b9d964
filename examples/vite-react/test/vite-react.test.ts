// The example in a real browser, on its own dev server: what a person sees, and what becomes of it when somebody edits the code.
import { expect, test } from "vitest";
import { countTo, setStage, SOON } from "./support.ts";

const stage = setStage();

test("the first message makes the thread, and its answer grows in place", async () => {
  const open = await stage.visitor();
  const tab = await open();
  expect(tab.sockets.opened).toBe(0);
  await tab.begin("count to 60 at 30 words per second");
  const seen = [await tab.answerBeyond(0)];
  while (seen.at(-1)!.length < 60) seen.push(await tab.answerBeyond(seen.at(-1)!.length));
  await tab.untilQuiet();
  for (const text of seen) expect(countTo(60).startsWith(text)).toBe(true);
  expect(seen.length).toBeGreaterThan(2);
  expect(await tab.answer()).toBe(countTo(60));
  // Also in StrictMode, and when Vite has met the code for the first time.
  expect([tab.sockets, tab.loads]).toEqual([{ opened: 1, open: 1 }, 1]);
});

test("a reload in mid-answer goes on to the same end, with nothing doubled", async () => {
  const open = await stage.visitor();
  const tab = await open();
  await tab.begin("count to 150 at 30 words per second");
  const before = await tab.answerBeyond(60);
  await tab.page.reload();
  expect((await tab.answerBeyond(0)).length).toBeGreaterThanOrEqual(before.length);
  expect(await tab.isBusy()).toBe(true);
  await tab.untilQuiet();
  expect(await tab.said()).toEqual(["count to 150 at 30 words per second", countTo(150)]);
});

test("a second tab shows the same answer, and stops it for both", async () => {
  const open = await stage.visitor();
  const tab = await open();
  await tab.begin("stall after 12 words");
  const text = await tab.answerBeyond(20);
  const other = await open(tab.page.url());
  expect((await other.answerBeyond(20)).length).toBeGreaterThanOrEqual(text.length);
  await other.page.keyboard.press("Escape");
  for (const one of [tab, other]) {
    await one.untilQuiet();
    await expect.poll(() => one.page.getByText("Stopped", { exact: true }).count(), SOON).toBe(1);
  }
  expect(await tab.said()).toEqual(await other.said());
});

test("a message behind the answer waits in both tabs, and can be taken back in either", async () => {
  const open = await stage.visitor();
  const tab = await open();
  await tab.begin("stall after 3 words");
  const other = await open(tab.page.url());
  await tab.write("say one");
  await tab.write("say two");
  await other.button("Take back: say one").click();
  await expect.poll(() => tab.page.locator(".queue li span").allInnerTexts(), SOON).toEqual(["say two"]);
  await other.button("Stop").click();
  await expect.poll(async () => (await tab.said()).slice(-2), SOON).toEqual(["say two", "two"]);
});

test("an answer that fails says so, and can be tried again", async () => {
  const open = await stage.visitor();
  const tab = await open();
  await tab.begin("fail after 30 words at 20 words per second");
  await tab.page.getByText("The demo model failed").waitFor();
  await tab.button("Try again").click();
  await tab.page.getByText("The demo model failed").waitFor({ state: "detached" });
  await tab.page.getByText("The demo model failed").waitFor();
  expect((await tab.said()).length).toBe(2);
});

test("an approval is asked for, and what is allowed is done", async () => {
  const open = await stage.visitor();
  const tab = await open();
  await tab.begin("use the book tool in Paris");
  await tab.button("Allow").click();
  await expect.poll(() => tab.answer(), SOON).toContain("A table for 2 in Paris");
  await tab.untilQuiet();
});

test("a new chat is another thread, and Back leads to the old one", async () => {
  const open = await stage.visitor();
  const tab = await open();
  await tab.begin("say first");
  await expect.poll(() => tab.answer(), SOON).toBe("first");
  const first = tab.page.url();
  await tab.button("New chat").click();
  await tab.begin("say second");
  await expect.poll(() => tab.said(), SOON).toEqual(["say second", "second"]);
  expect(tab.page.url()).not.toBe(first);
  await tab.page.goBack();
  await expect.poll(() => tab.said(), SOON).toEqual(["say first", "first"]);
  expect([tab.page.url(), tab.loads]).toEqual([first, 1]);
});

test("an address that no thread can have is a new chat, and asks the server nothing", async () => {
  const open = await stage.visitor();
  const tab = await open("/?t=..%2F..%2Felsewhere");
  await tab.page.getByRole("heading", { name: "A thread is an object." }).waitFor();
  await tab.begin("say here");
  expect(tab.page.url()).not.toContain("elsewhere");
});

test("an edit of a component shows without a reload, on the same socket, and keeps the answer and the draft", async () => {
  const open = await stage.visitor();
  const tab = await open();
  await tab.begin("count to 200 at 30 words per second");
  await tab.answerBeyond(30);
  await tab.input.fill("half a thought");
  stage.copy.edit("src/message.tsx", '"Assistant"', '"Helper"');
  await tab.page.getByRole("heading", { name: "Helper" }).waitFor();
  stage.copy.edit("src/chat.tsx", ">\n          chatcell", ">\n          my chat");
  await tab.page.getByText("my chat").waitFor();
  expect(await tab.isBusy()).toBe(true);
  expect([tab.sockets, tab.loads]).toEqual([{ opened: 1, open: 1 }, 1]);
  expect(await tab.input.inputValue()).toBe("half a thought");
  await tab.untilQuiet();
  expect(await tab.said()).toEqual(["count to 200 at 30 words per second", countTo(200)]);
  expect([tab.sockets, tab.loads]).toEqual([{ opened: 1, open: 1 }, 1]);
});

test("an edit of worker.ts leaves page, socket and the answer under way alone, and the next message runs the new code", async () => {
  const open = await stage.visitor();
  const tab = await open();
  await tab.begin("count to 150 at 30 words per second");
  await tab.answerBeyond(30);
  stage.copy.edit(
    "worker.ts",
    "const model = createDemoModel();",
    'if (turn.message) return "the new code";\n    const model = createDemoModel();',
  );
  await stage.copy.untilSaid("hot updated");
  expect(await tab.isBusy()).toBe(true);
  await tab.untilQuiet();
  await tab.write("and now?");
  await expect.poll(() => tab.answer(), SOON).toBe("the new code");
  expect(await tab.said()).toEqual(["count to 150 at 30 words per second", countTo(150), "and now?", "the new code"]);
  expect([tab.sockets, tab.loads]).toEqual([{ opened: 1, open: 1 }, 1]);
  stage.copy.edit("worker.ts", 'if (turn.message) return "the new code";\n', "\n");
  await stage.copy.untilSaid("hot updated");
});

test("an event in mid-answer after an edit of worker.ts is a restart: what was written is kept, and goes on when asked", async () => {
  const open = await stage.visitor();
  const tab = await open();
  await tab.begin("count to 400 at 30 words per second");
  // One that had hardly begun would be given again.
  await tab.answerBeyond(400);
  stage.copy.edit("worker.ts", "export class Chat", "/** Edited. */\nexport class Chat");
  await stage.copy.untilSaid("hot updated");
  const other = await open(tab.page.url());
  for (const one of [tab, other]) await one.page.getByText("The server was restarted while it was answering.").waitFor();
  const kept = await tab.answer();
  expect(kept.length).toBeGreaterThan(400);
  expect(countTo(400).startsWith(kept)).toBe(true);
  expect(await other.answer()).toBe(kept);
  await other.button("Continue").click();
  const whole = async (one: typeof tab) => (await one.said()).slice(1).join("").replaceAll(/\s+/g, "");
  for (const one of [tab, other]) await expect.poll(() => whole(one), SOON).toBe(countTo(400).replaceAll(" ", ""));
  expect([tab.sockets, tab.loads]).toEqual([{ opened: 1, open: 1 }, 1]);
});
