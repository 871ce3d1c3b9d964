// The real client in Node over a real socket to a real runtime: a line that is silent, and one that is dead without a sign.
import { afterAll, beforeAll, expect, it } from "vitest";
import { createChatClient, newThreadId } from "../../src/entries/client.ts";
import { createLink, type WorkerdProcess } from "../../src/entries/testing.ts";
import { formatScore, wordsOf } from "./score.ts";
import { startServer } from "./support/server.ts";
import { poll } from "./support/until.ts";

/** The client's clock goes this much faster than ours: its 25 s of silence and 5 s for an answer are 2.5 s and 0.5 s. */
const PACE = 10;
const DEPS = {
  now: () => Date.now() * PACE,
  setTimer: (run: () => void, delayMs: number) => {
    const timer = setTimeout(run, delayMs / PACE);
    return () => clearTimeout(timer);
  },
};

let server: WorkerdProcess;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.stop());

/** A live client with one answered message, and the pings and pongs that went over its link. */
async function createLive() {
  const seen = { ping: 0, pong: 0 };
  const link = createLink({
    onFrame: (direction, text) => {
      if (direction === "up" && text === "ping") seen.ping++;
      if (direction === "down" && text === "pong") seen.pong++;
    },
  });
  const client = createChatClient({
    url: `${server.url}/chat`,
    threadId: newThreadId(),
    create: true,
    headers: { authorization: "Bearer user-1" },
    fetch: link.fetch,
    WebSocket: link.WebSocket,
    deps: DEPS,
  });
  await client.send(formatScore({ tag: "first", words: 3, everyMs: 0, afterMs: 0 })).settled;
  return { client, link, seen, kind: () => client.getSnapshot().connection.kind };
}

it("keeps a silent line for as long as the runtime answers", async () => {
  const { client, link, seen, kind } = await createLive();
  await poll(() => seen.pong >= 3, "three pongs", 15_000);
  expect([kind(), seen.ping, link.counts.sockets, link.counts.tickets]).toEqual(["live", 3, 1, 1]);
  client.close();
});

it("notices a black hole, and goes on over another line without losing or doubling a word", async () => {
  const { client, link, kind } = await createLive();
  const score = { tag: "long", words: 200, everyMs: 10, afterMs: 0 };
  const sending = client.send(formatScore(score));
  const text = () =>
    client
      .getSnapshot()
      .messages.at(-1)!
      .parts.map((part) => (part.type === "text" ? part.text : ""))
      .join("");
  await poll(() => text().split(" ").length > 20 && client.getSnapshot().status === "streaming", "some words", 10_000);
  link.blackHole();
  await poll(() => kind() !== "live", "the loss", 10_000);
  link.restore();
  await poll(() => kind() === "live", "another line", 15_000);
  await sending.settled;
  expect(text()).toBe(wordsOf(score).join(""));
  expect(link.counts.sockets).toBeGreaterThan(1);
  client.close();
});
