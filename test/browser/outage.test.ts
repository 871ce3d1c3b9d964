// What breaks under a page: the server is killed, the line is cut, the network goes silent. The page is never reloaded.
import { afterEach, expect, test } from "vitest";
import { Line } from "./support/line.ts";
import { setStage } from "./support/stage.ts";
import { countTo, SOON } from "./support/tab.ts";

const stage = setStage();
const lines: Line[] = [];
/** How Chromium reports requests and sockets that find no server. */
const NETWORK = /net::ERR_|WebSocket connection .* failed/;

afterEach(async () => {
  for (const line of lines.splice(0)) await line.close();
});

test("a server killed in mid-answer takes nothing back, and a message written meanwhile is answered when it returns", async () => {
  stage.expectErrors(NETWORK);
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin("count to 2000 at 40 words per second");
  // So much that it is kept: a run that has shown less is repeated.
  await tab.answerBeyond(220);
  await stage.example.kill();
  await expect.poll(() => tab.connection(), SOON).toMatch(/^Offline/);
  const seen = await tab.answer();
  await tab.write("say I waited");
  await expect.poll(() => tab.queue(), SOON).toEqual(["say I waited"]);
  await stage.example.start();
  await tab.untilLive();
  await tab.untilQuiet();
  const [, answer, ...rest] = await tab.said();
  const [counted = "", ...notice] = answer!.split(/\n+/);
  expect(counted.startsWith(seen)).toBe(true);
  expect(countTo(2000).startsWith(counted)).toBe(true);
  expect(notice).toEqual(["The server was restarted while it was answering. What had arrived is kept."]);
  expect(rest).toEqual(["say I waited", "I waited"]);
  await tab.write("say and on it goes");
  await expect.poll(async () => (await tab.said()).slice(4), SOON).toEqual(["say and on it goes", "and on it goes"]);
  await tab.untilQuiet();
  const fresh = await open(tab.url);
  await fresh.untilQuiet();
  expect(await tab.history()).toBe(await fresh.history());
});

test("an answer that had hardly begun when the server was killed is given again, whole", async () => {
  stage.expectErrors(NETWORK);
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin("count to 120 at 40 words per second");
  await tab.answerBeyond(20);
  await stage.example.kill();
  await expect.poll(() => tab.connection(), SOON).toMatch(/^Offline/);
  await stage.example.start();
  await tab.untilLive();
  await tab.untilQuiet();
  expect((await tab.said()).slice(1)).toEqual([countTo(120)]);
  const fresh = await open(tab.url);
  await fresh.untilQuiet();
  expect(await tab.history()).toBe(await fresh.history());
});

test("a cut line is shown, the answer ends without it, and the page catches up to what a fresh load shows", async () => {
  stage.expectErrors(NETWORK);
  const line = await Line.open(stage.example.port);
  lines.push(line);
  const { open } = await stage.visitor();
  const away = await open(`http://localhost:${line.port}/`);
  await away.begin("count to 160 at 40 words per second");
  const before = await away.answerBeyond(60);
  const stayed = await open(`/${new URL(away.url).search}`);
  await stayed.answerBeyond(before.length);
  line.cut();
  await expect.poll(() => away.connection(), SOON).toMatch(/^Offline/);
  const seen = await away.answer();
  await stayed.untilQuiet();
  expect(await stayed.answer()).toBe(countTo(160));
  expect(await away.answer()).toBe(seen);
  expect(await away.connection()).toMatch(/^Offline/);
  line.mend();
  await away.untilLive();
  await away.untilQuiet();
  const fresh = await open(away.url);
  await fresh.untilQuiet();
  for (const tab of [away, stayed]) expect(await tab.history()).toBe(await fresh.history());
});

test("a network that falls silent while an answer ends costs no word and doubles none", async () => {
  stage.expectErrors(NETWORK);
  const away = await stage.visitor();
  const tab = await away.open();
  await tab.begin("count to 160 at 40 words per second");
  const before = await tab.answerBeyond(60);
  // The same person in another browser, whose network stays.
  const there = await stage.visitor({ storageState: await away.context.storageState() });
  const stayed = await there.open(tab.url);
  await stayed.answerBeyond(before.length);
  await away.context.setOffline(true);
  await stayed.untilQuiet();
  expect(await stayed.answer()).toBe(countTo(160));
  expect((await tab.answer()).length).toBeLessThan(countTo(160).length);
  await away.context.setOffline(false);
  await expect.poll(() => tab.answer(), SOON).toBe(countTo(160));
  await tab.untilQuiet();
  expect(await tab.history()).toBe(await stayed.history());
  const fresh = await away.open(tab.url);
  await fresh.untilQuiet();
  expect(await tab.history()).toBe(await fresh.history());
});
