// Attempts in number: how many tickets they take, how a herd of clients spreads them, and that none leaves anything behind.
import { afterEach, describe, expect, it, vi } from "vitest";
import { createChatClient } from "../../../src/client/chat-client.ts";
import { SILENCE_MS } from "../../../src/client/connection-machine.ts";
import type { ChatClientOptions } from "../../../src/client/types.ts";
import { SeededRandom } from "../../../src/testing/world/seeded-random.ts";
import { VirtualClock } from "../../../src/testing/world/virtual-clock.ts";
import { createWorld, texts, type World } from "./client-world.ts";
import { FakeClock, FakeServer, quiet } from "./fake-server.ts";
import { END_OF_TEXT, textChunks } from "./model-thread.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("reconnect", () => {
  const STATES: Record<string, (world: World) => Promise<void>> = {
    idle: async ({ client }) => client.close(),
    ticketing: async ({ client, server }) => {
      server.answers.push(() => new Promise(() => {}));
      client.reconnect();
      await quiet();
    },
    connecting: async ({ client, server }) => {
      server.accepts = false;
      client.reconnect();
      await quiet();
    },
    syncing: async ({ client, server }) => {
      server.accepts = false;
      client.reconnect();
      await quiet();
      server.socket.open();
      server.socket.receive(
        JSON.stringify({ type: "welcome", connection: "c", principal: { id: "me" }, role: "owner", limits: {}, serverTime: 0 }),
      );
    },
    live: async () => {},
    waiting: async ({ server }) => server.socket.drop(),
    stopped: async ({ server }) => server.socket.drop(4403, "forbidden"),
  };

  it.each(Object.entries(STATES))("from %s, once or twice at once, takes one ticket and opens one socket", async (kind, arrive) => {
    for (const times of [1, 2, 3]) {
      const world = await createWorld();
      await arrive(world);
      expect(world.snapshot.connection.kind).toBe(kind);
      world.server.accepts = true;
      const tickets = world.server.tickets.length;
      const sockets = world.server.sockets.length;
      for (let time = 0; time < times; time++) world.client.reconnect();
      await quiet();
      expect(world.snapshot).toMatchObject({ connection: { kind: "live", attempt: 0 }, error: null });
      expect([world.server.tickets.length - tickets, world.server.sockets.length - sockets]).toEqual([1, 1]);
      expect(world.server.sockets.filter(({ readyState }) => readyState < 2)).toHaveLength(1);
      expect(world.clock.pending).toEqual([SILENCE_MS]);
    }
  });

  it("from within a subscriber is as good as from anywhere", async () => {
    const world = await createWorld();
    let isOver = false;
    world.client.subscribe(({ connection }) => {
      if (connection.kind !== "waiting" || isOver) return;
      isOver = true;
      world.client.reconnect();
      world.client.reconnect();
    });
    world.server.socket.drop();
    await quiet();
    expect([world.snapshot.connection.kind, world.server.tickets.length]).toEqual(["live", 2]);
  });
});

describe("twenty forced cuts", () => {
  it("take exactly 21 tickets and sockets, and show every word once", async () => {
    const world = await createWorld();
    await world.client.send("a");
    world.server.thread.chunks(...textChunks());
    for (let cut = 0; cut < 20; cut++) {
      world.server.thread.chunks({ type: "text-delta", id: "t", delta: `${cut} ` });
      // An error event comes first in a browser.
      world.server.socket.dispatchEvent(new Event("error"));
      world.server.socket.drop();
      world.server.socket.drop();
      await world.clock.advance(30_000);
      expect(world.snapshot.connection.kind).toBe("live");
    }
    world.server.thread.chunks(...END_OF_TEXT);
    world.server.thread.end();
    expect([world.server.tickets.length, world.server.sockets.length]).toEqual([21, 21]);
    expect(new Set(world.server.sockets.map(({ protocols }) => protocols[1]))).toHaveLength(21);
    expect(texts(world.snapshot).messages).toEqual(["a", "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 "]);
  });
});

/** When each of 1,000 clients, all closed at once by a server that is away for `awayMs`, was let in again: ms after its return. */
async function returnsOfHerd(awayMs: number): Promise<{ at: number[]; firstAttempts: number[] }> {
  const clock = new VirtualClock(1_000_000);
  const server = new FakeServer();
  const random = new SeededRandom("herd");
  const clients = Array.from({ length: 1_000 }, (_, index) => {
    const stream = random.fork(`${index}`);
    const deps = { now: clock.now, random: () => stream.next(), setTimer: (run: () => void, ms: number) => clock.setTimer(ms, run) };
    return createChatClient({
      url: "https://chat.example/chat",
      threadId: "thread",
      fetch: server.fetch,
      WebSocket: server.WebSocket,
      deps,
    });
  });
  for (const client of clients) client.connect();
  await clock.advance(60_000);
  const cutAt = clock.now();
  const backAt = cutAt + awayMs;
  const answer = server.answer.bind(server);
  const at: number[] = [];
  const firstAttempts: number[] = [];
  server.answer = (request) => {
    if (firstAttempts.length < clients.length) firstAttempts.push(clock.now() - cutAt);
    if (clock.now() < backAt) return new Response("Away", { status: 503 });
    at.push(clock.now() - backAt);
    return answer(request);
  };
  for (const socket of server.sockets) socket.drop(1006);
  await clock.advance(awayMs + 40_000);
  for (const client of clients) {
    expect(client.getSnapshot().connection.kind).toBe("live");
    client.close();
  }
  expect(clock.pending).toBe(0);
  return { at, firstAttempts };
}

function fullest(times: readonly number[], bucketMs: number): number {
  const counts = new Map<number, number>();
  for (const time of times) counts.set(Math.floor(time / bucketMs), (counts.get(Math.floor(time / bucketMs)) ?? 0) + 1);
  return Math.max(...counts.values()) / times.length;
}

// What is modelled: every socket of a thread dies in the same millisecond, every ticket request fails while the server is away,
// each client draws its own chance, and its request takes no time (latency would only spread them further). What is measured is
// what a server that has just come back has to bear: the ticket requests of a second, as a share of the herd.
//
// The first retry comes within a second by design, so after a blink the whole herd is back in that second: there the promise is
// that it is spread evenly over it. Each failure doubles the room of the next retry; from about six seconds away on no second
// of the return gets more than a fifth. Between the two it is more: half of the herd after one second, a third after three.
describe("a herd of 1,000 clients that were closed at once", { timeout: 30_000 }, () => {
  it("is back within a second of a server that was never away, with no tenth of it above 20 %", async () => {
    const { at, firstAttempts } = await returnsOfHerd(0);
    expect(at).toHaveLength(1_000);
    expect(Math.max(...firstAttempts)).toBeLessThan(1_000);
    expect(fullest(at, 100)).toBeLessThan(0.2);
  });

  it.each([8_000, 15_000, 60_000])("returns to a server that was away for %i ms with no second above 20 %", async (awayMs) => {
    const { at, firstAttempts } = await returnsOfHerd(awayMs);
    expect(at).toHaveLength(1_000);
    expect(Math.max(...firstAttempts)).toBeLessThan(1_000);
    expect(fullest(at, 1_000)).toBeLessThan(0.2);
    expect(Math.max(...at)).toBeLessThan(30_000);
  });
});

describe("fifty switches of threads in mid-stream", () => {
  it("leave no listener, no timer and no socket, and what the old ones still get changes nothing", async () => {
    const listeners = new Set<object>();
    vi.stubGlobal("document", { hidden: false });
    vi.stubGlobal("addEventListener", (type: string, run: () => void, { signal }: { signal: AbortSignal }) => {
      const listener = { type, run };
      listeners.add(listener);
      signal.addEventListener("abort", () => listeners.delete(listener));
    });
    const clock = new FakeClock();
    const servers: FakeServer[] = [];
    const shown: [string, object][] = [];
    const open = (index: number) => {
      const server = new FakeServer();
      servers.push(server);
      const options: ChatClientOptions = {
        url: "https://chat.example/chat",
        threadId: `thread${index}`,
        fetch: server.fetch,
        WebSocket: server.WebSocket,
        deps: clock.deps,
      };
      const client = createChatClient(options);
      const leave = client.subscribe((snapshot) => shown.push([`thread${index}`, snapshot]));
      return { client, leave, server };
    };
    const closed: { client: ReturnType<typeof createChatClient>; server: FakeServer; last: object }[] = [];
    for (let index = 0; index < 50; index++) {
      const { client, leave, server } = open(index);
      await quiet();
      await client.send(`to ${index}`);
      server.thread.chunks(...textChunks("half of an ans"));
      // Left in every state that a stream can be left in: live, waiting, asking for a ticket, and asked for a sign of life.
      if (index % 4 === 1) server.socket.drop();
      if (index % 4 === 2) client.reconnect();
      if (index % 4 === 3) {
        server.losesAnswers = true;
        await clock.advance(SILENCE_MS);
        server.losesAnswers = false;
      }
      client.close();
      leave();
      closed.push({ client, server, last: client.getSnapshot() });
    }
    expect([listeners.size, clock.pending]).toEqual([0, []]);
    const { length } = shown;
    for (const { client, server, last } of closed) {
      expect(server.sockets.filter(({ readyState }) => readyState < 2)).toEqual([]);
      for (const socket of server.sockets) {
        socket.receive(server.thread.snapshot(), { type: "chunks", turnId: server.thread.turn!.id, from: 5, items: [] }, "pong");
        socket.drop(4410, "gone");
      }
      expect(client.getSnapshot()).toBe(last);
    }
    await clock.advance(1_000_000);
    expect([shown.length, listeners.size, clock.pending]).toEqual([length, 0, []]);
    for (const { server } of closed) expect(server.tickets.length).toBeLessThanOrEqual(2);
  });

  it("back and forth between two clients of one thread keep one socket each", async () => {
    const world = await createWorld();
    for (let index = 0; index < 50; index++) {
      world.client.close();
      world.client.connect();
      await quiet();
    }
    expect(world.server.sockets.filter(({ readyState }) => readyState < 2)).toHaveLength(1);
    expect([world.server.tickets.length, world.clock.pending]).toEqual([51, [SILENCE_MS]]);
  });
});

describe("what tells a client that its page is back", () => {
  it.each([
    ["a page", { hidden: false }, 3],
    ["no page: a Worker, a service worker or React Native", undefined, 0],
  ])("is listened to in %s", async (_where, document, count) => {
    const listen = vi.fn<(type: string) => void>();
    vi.stubGlobal("document", document);
    vi.stubGlobal("addEventListener", listen);
    const { client } = await createWorld();
    expect(client.getSnapshot().connection.kind).toBe("live");
    expect(listen).toHaveBeenCalledTimes(count);
  });

  it("may be missing", async () => {
    vi.stubGlobal("document", { hidden: false });
    expect((await createWorld()).snapshot.connection.kind).toBe("live");
  });
});
