// The real client over a TCP line that stops or is slow, to a real runtime, which buffers whatever it is given.
import { afterAll, beforeAll, expect, it } from "vitest";
import { createChatClient, newThreadId } from "../../src/entries/client.ts";
import { LIMITS, type ServerFrame } from "../../src/entries/protocol.ts";
import { startWorkerd, type WorkerdProcess } from "../../src/entries/testing.ts";
import { TcpWebSocket } from "./support/tcp-web-socket.ts";
import { poll } from "./support/until.ts";

/** The clocks of the clients go this much slower than ours: on a busy machine a stopped line is not to be given up for its silence. */
const PACE = 10;
const DEPS = {
  now: () => Math.floor(Date.now() / PACE),
  random: () => 0,
  setTimer: (run: () => void, delayMs: number) => {
    const timer = setTimeout(run, delayMs * PACE);
    return () => clearTimeout(timer);
  },
};

let server: WorkerdProcess;
beforeAll(async () => {
  server = await startWorkerd({
    entry: new URL("flow/worker.ts", import.meta.url),
    objects: { CHAT: "Firehose" },
    vars: { CHATCELL_SECRET: "a secret for tests only, thirty-two bytes and more" },
  });
});
afterAll(() => server?.stop());

/** A client whose sockets the test holds. */
function openClient(threadId: string, create: boolean, onOpen: (socket: TcpWebSocket) => void = () => {}) {
  const sockets: TcpWebSocket[] = [];
  class HeldSocket extends TcpWebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
      onOpen(this);
    }
  }
  const client = createChatClient({
    url: `${server.url}/chat`,
    threadId,
    create,
    headers: { authorization: "Bearer user-1" },
    WebSocket: HeldSocket as unknown as new (url: string, protocols: string[]) => WebSocket,
    deps: DEPS,
  });
  client.connect();
  return { client, sockets };
}

const textOf = ({ client }: ReturnType<typeof openClient>): string => {
  const parts = client.getSnapshot().messages.at(-1)?.parts ?? [];
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
};

/** Messages, once the last of them is stored. */
const settledOf = ({ client }: ReturnType<typeof openClient>): number => {
  const { messages } = client.getSnapshot();
  return messages.at(-1)?.createdAt === undefined ? 0 : messages.length;
};

const framesOf = ({ texts }: TcpWebSocket): ServerFrame[] =>
  texts.filter((text) => text !== "pong").map((text) => JSON.parse(text) as ServerFrame);

/** 20 MB, in two turns: a reply may have 16. */
const TICKS = 1_280;

it("closes a client that stops reading a stream of 20 MB at 1 MB, and it resumes exactly", async () => {
  const threadId = newThreadId();
  const reader = openClient(threadId, true);
  const first = reader.client.send(`${TICKS} ticks`);
  await first;
  const second = reader.client.send(`${TICKS} ticks`);
  const stopped = openClient(threadId, false);
  await poll(() => textOf(stopped).includes(" 200 "), "the beginning of the stream", 20_000);
  const [line] = stopped.sockets;
  line!.pause();
  const read = line!.received;
  const cursor = textOf(stopped);

  await first.settled;
  await second.settled;
  expect(reader.sockets.map(({ closed }) => closed)).toEqual([null]);
  expect(reader.sockets[0]!.received).toBeGreaterThan(20_000_000);
  expect(textOf(stopped)).toBe(cursor);

  line!.resume();
  await poll(() => line!.closed !== null, "the close", 10_000);
  expect(line!.closed).toEqual({ code: 4529, reason: "too_slow" });
  // All that the server ever gave to that line: the frame that would be more than 1 MB was not sent. Marks are not counted.
  expect(line!.received - read).toBeLessThanOrEqual(LIMITS.maxBehindBytes + 20_000);
  expect(line!.received - read).toBeGreaterThan(LIMITS.maxBehindBytes / 2);

  await poll(() => settledOf(stopped) === 4, "the resumption", 10_000);
  expect(stopped.client.getSnapshot().messages).toEqual(reader.client.getSnapshot().messages);
  expect(stopped.sockets).toHaveLength(2);
  // By its cursor: what it lacked, and not the stream.
  expect(framesOf(stopped.sockets[1]!).map(({ type }) => type)).toEqual(["welcome", "delta"]);
  expect(stopped.sockets[1]!.received).toBeLessThan(100_000);
  reader.client.close();
  stopped.client.close();
});

it("does not close an honest slow client on a burst of 5 MB, while others go on", async () => {
  const threadId = newThreadId();
  const writer = openClient(threadId, true);
  await writer.client.send("5000000 bytes").settled;
  const slow = openClient(threadId, false, (socket) => socket.throttle(1_500_000));
  await poll(() => slow.sockets[0]?.readyState === 1, "the line", 10_000);
  // Half a megabyte, which it cannot read before the burst.
  await writer.client.send("60 ticks").settled;
  expect(slow.client.getSnapshot().messages).toHaveLength(0);
  await poll(() => settledOf(slow) === 3, "all of it", 20_000);
  await writer.client.send("60 ticks").settled;
  await poll(() => settledOf(slow) === 5, "what follows", 10_000);
  // A message of 5 MB is a page of its own.
  expect(slow.client.getSnapshot().messages).toEqual(writer.client.getSnapshot().messages.slice(-5));
  expect(slow.sockets.map(({ closed }) => closed)).toEqual([null]);
  expect(slow.sockets[0]!.received).toBeGreaterThan(5_000_000);
  writer.client.close();
  slow.client.close();
});
