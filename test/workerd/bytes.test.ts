// What travels: a message goes up alone, whatever the length of the thread, and a reply comes down once.
import { describe, expect, it } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import { threadOf } from "./support/history.ts";
import { reply } from "./support/objects.ts";
import { openText, say, takeRun } from "./support/stage.ts";
import { newThread, Tab } from "./support/tab.ts";

const TEXT = "Grüße, 👋! ".repeat(30);
const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** Bytes that a tab wrote, over sockets and in ticket requests. */
const written = ({ link }: Tab): number =>
  [...link.sent.map(({ text }) => text), ...link.ticketBodies].reduce((sum, text) => sum + bytesOf(text), 0);

/** Bytes of one send in a thread with so many messages. */
async function bytesOfSend(messages: number): Promise<number> {
  const tab = await Tab.open(messages > 0 ? await threadOf(messages) : await newThread());
  const before = written(tab);
  const sending = tab.client.send(TEXT);
  await reply(tab.threadId, "Hi");
  await sending.settled;
  return written(tab) - before;
}

describe("a send", () => {
  it("costs the message and at most 200 bytes, as many in a thread of 200 messages as in an empty one", async () => {
    const empty = await bytesOfSend(0);
    expect(await bytesOfSend(200)).toBe(empty);
    expect(empty - bytesOf(JSON.stringify(TEXT))).toBeLessThanOrEqual(200);
  });

  it("costs no more when it makes the thread", async () => {
    const tab = new Tab(newId(), { create: true });
    const sending = tab.client.send(TEXT);
    await reply(tab.threadId, "Hi");
    await sending.settled;
    expect(written(tab) - bytesOf(JSON.stringify(TEXT))).toBeLessThanOrEqual(200);
  });

  it("goes up once more, and nothing else does, when the line is cut before its ack", async () => {
    const tab = await Tab.open(await threadOf(200));
    const before = written(tab);
    tab.link.cutAfter(1);
    const sending = tab.client.send(TEXT);
    await reply(tab.threadId, "Hi");
    await sending.settled;
    expect(tab.link.sent.map(({ frame }) => frame.type)).toEqual(["send", "send"]);
    expect(written(tab) - before - 2 * bytesOf(JSON.stringify(TEXT))).toBeLessThanOrEqual(2 * 200);
  });
});

describe("the text of a reply", () => {
  /** Of no use to JSON's escapes, and each found as it is. */
  const WORDS = Array.from({ length: 40 }, (_, n) => `word-${String(n).padStart(2, "0")}-${newId().slice(0, 8)} `);
  const counts = ({ link }: Tab): number[] => WORDS.map((word) => link.texts.join("").split(word).length - 1);

  it.each([
    ["ends by itself", false],
    ["is stopped", true],
  ])("reaches each live tab exactly once when the turn %s", async (_name, isStopped) => {
    const threadId = await newThread();
    const tabs = [await Tab.open(threadId), await Tab.open(threadId)];
    const sending = tabs[0]!.client.send("Hello");
    const stage = await takeRun(threadId);
    await stage.perform((run) => {
      openText(run);
      // The last ones wait for a flush when the turn ends.
      WORDS.forEach((word, n) => (n < 30 ? say(run, word) : run.write({ type: "text-delta", id: "t", delta: word })));
    });
    if (isStopped) await tabs[1]!.client.stop();
    else await stage.perform((run) => run.end());
    await sending.settled;
    for (const tab of tabs) {
      await tab.caughtUp();
      expect(counts(tab)).toEqual(WORDS.map(() => 1));
    }
  });

  it("reaches a tab exactly once whose line is cut in its middle", async () => {
    const threadId = await newThread();
    const tab = await Tab.open(threadId);
    const sending = tab.client.send("Hello");
    const stage = await takeRun(threadId);
    await stage.perform((run) => (openText(run), WORDS.slice(0, 20).forEach((word) => say(run, word))));
    await tab.shows(WORDS[19]!);
    tab.link.isOnline = false;
    await stage.perform((run) => WORDS.slice(20, 30).forEach((word) => say(run, word)));
    tab.link.isOnline = true;
    await tab.live();
    await stage.perform((run) => (WORDS.slice(30).forEach((word) => say(run, word)), run.end()));
    await sending.settled;
    expect(counts(tab)).toEqual(WORDS.map(() => 1));
  });
});
