// Whether a silent line is alive: when it is asked, what counts as an answer, and what a page that stood still may conclude.
import { afterEach, describe, expect, it, vi } from "vitest";
import { ANSWER_MS, LATE_MS, SILENCE_MS } from "../../../src/client/connection-machine.ts";
import { createWorld, type World } from "./client-world.ts";
import { quiet } from "./fake-server.ts";
import { textChunks } from "./model-thread.ts";

const HOUR_MS = 3_600_000;
const WAKES = ["online", "pageshow", "visibilitychange"];

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** A world in a page; `document` may be changed later. */
async function createPage(): Promise<World & { wake: (...types: string[]) => void; document: { hidden: boolean } }> {
  const events = new EventTarget();
  const document = { hidden: false };
  vi.stubGlobal("addEventListener", events.addEventListener.bind(events));
  vi.stubGlobal("document", document);
  const world = await createWorld();
  const wake = (...types: string[]): void => types.forEach((type) => events.dispatchEvent(new Event(type)));
  return Object.assign(world, { wake, document });
}

/** From here on nothing goes in or out, and nothing says so. */
function silence({ server }: World): void {
  server.losesRequests = server.losesAnswers = true;
}

function mend({ server }: World): void {
  server.losesRequests = server.losesAnswers = false;
}

describe("a silent line", () => {
  it("is asked once, and stays when the answer comes", async () => {
    const world = await createWorld();
    const before = world.snapshot;
    await world.clock.advance(SILENCE_MS - 1);
    expect(world.server.socket.pings).toBe(0);
    await world.clock.advance(1);
    expect(world.server.socket.pings).toBe(1);
    await quiet();
    await world.clock.advance(SILENCE_MS - 1);
    expect([world.server.sockets.length, world.server.socket.pings]).toEqual([1, 1]);
    expect(world.snapshot).toBe(before);
    await world.clock.advance(24 * HOUR_MS);
    expect(world.server.sockets).toHaveLength(1);
    expect(world.server.tickets).toHaveLength(1);
  });

  it("is dropped when no answer comes in time, and another one takes its place with a new ticket", async () => {
    const world = await createWorld();
    const { socket } = world.server;
    silence(world);
    await world.clock.advance(SILENCE_MS + ANSWER_MS - 1);
    expect(world.snapshot.connection.kind).toBe("live");
    await world.clock.advance(1);
    expect(world.snapshot.connection).toMatchObject({ kind: "waiting", attempt: 1 });
    expect([socket.readyState, socket.pings]).toEqual([3, 1]);
    mend(world);
    await world.clock.advance(1_000);
    expect(world.snapshot.connection.kind).toBe("live");
    expect(world.server.tickets).toHaveLength(2);
  });

  it("needs no ping while frames come, and any frame answers one", async () => {
    const world = await createWorld();
    await world.client.send("a");
    world.server.thread.chunks(...textChunks("Re"));
    for (let i = 0; i < 20; i++) {
      await world.clock.advance(SILENCE_MS - 1);
      world.server.thread.chunks({ type: "text-delta", id: "t", delta: "ply" });
    }
    expect(world.server.socket.pings).toBe(0);
    // The ping is lost, and yet there is a sign of life.
    world.server.losesRequests = true;
    await world.clock.advance(SILENCE_MS + ANSWER_MS - 1);
    world.server.thread.chunks({ type: "text-delta", id: "t", delta: "." });
    await world.clock.advance(ANSWER_MS);
    expect([world.server.sockets.length, world.server.socket.pings]).toEqual([1, 1]);
  });

  it("takes also a frame that cannot be used as a sign of life", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const world = await createWorld();
    silence(world);
    await world.clock.advance(SILENCE_MS);
    world.server.socket.receive("{");
    await world.clock.advance(ANSWER_MS);
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("tells no subscriber of question and answer, and writes nothing again because of them", async () => {
    const world = await createWorld();
    world.server.losesAnswers = true;
    void world.client.send("a").catch(() => {});
    await quiet();
    world.server.losesAnswers = false;
    const warn = vi.spyOn(console, "warn");
    const shown = world.seen.length;
    await world.clock.advance(4 * SILENCE_MS);
    expect(world.server.socket.pings).toBe(4);
    expect([world.seen.length, world.server.socket.sent.length, warn.mock.calls]).toEqual([shown, 1, []]);
  });

  it("is asked before a message is written to it, so that a message on a dead line waits for seconds only", async () => {
    const world = await createWorld();
    await world.clock.advance(ANSWER_MS);
    silence(world);
    const sending = world.client.send("a");
    expect(world.server.socket.pings).toBe(1);
    await world.clock.advance(ANSWER_MS);
    expect(world.snapshot.connection.kind).toBe("waiting");
    mend(world);
    await world.clock.advance(1_000);
    await expect(sending).resolves.toMatchObject({ position: 0 });
    expect(world.server.thread.messages).toHaveLength(1);
  });

  it("is asked before the message and not behind it, since the answer to a ping behind a large one is late", async () => {
    const world = await createWorld();
    await world.clock.advance(ANSWER_MS);
    const send = vi.spyOn(world.server.socket, "send");
    await world.client.send("a");
    await world.client.send("b");
    const kinds = send.mock.calls.map(([text]) => (text === "ping" ? text : (JSON.parse(text) as { type: string }).type));
    expect(kinds).toEqual(["ping", "send", "send"]);
  });

  it("sets no timer when it is closed, stopped or idle, and one while it is open", async () => {
    const world = await createWorld();
    expect(world.clock.pending).toEqual([SILENCE_MS]);
    world.client.close();
    expect(world.clock.pending).toEqual([]);
    world.client.connect();
    await quiet();
    await world.clock.advance(SILENCE_MS);
    expect(world.clock.pending).toEqual([SILENCE_MS]);
    world.server.socket.drop(4404, "not_found");
    expect(world.clock.pending).toEqual([]);
  });

  it("hears no late pong of a socket before it", async () => {
    const world = await createWorld();
    const old = world.server.socket;
    world.client.reconnect();
    await quiet();
    silence(world);
    await world.clock.advance(SILENCE_MS);
    old.receive("pong");
    await world.clock.advance(ANSWER_MS);
    expect(world.snapshot.connection.kind).toBe("waiting");
  });
});

describe("a page that stood still", () => {
  it("asks as soon as a timer runs again, and keeps a line that answers", async () => {
    const world = await createWorld();
    await world.clock.advance(10_000);
    world.clock.sleep(HOUR_MS);
    await world.clock.advance(SILENCE_MS - 10_000);
    await quiet();
    expect([world.server.sockets.length, world.server.socket.pings]).toEqual([1, 1]);
  });

  it("does not drop a line whose answer it could not hear yet: it asks again", async () => {
    const world = await createWorld();
    silence(world);
    await world.clock.advance(SILENCE_MS);
    mend(world);
    world.clock.sleep(HOUR_MS);
    await world.clock.advance(ANSWER_MS);
    await quiet();
    expect([world.snapshot.connection.kind, world.server.sockets.length, world.server.socket.pings]).toEqual(["live", 1, 2]);
  });

  it("does not drop a line while it was too busy to hear, however short", async () => {
    const world = await createWorld();
    silence(world);
    await world.clock.advance(SILENCE_MS);
    mend(world);
    // The pong is there, behind the timer.
    world.clock.sleep(LATE_MS);
    await world.clock.advance(ANSWER_MS);
    world.server.socket.receive("pong");
    await world.clock.advance(ANSWER_MS);
    expect([world.snapshot.connection.kind, world.server.sockets.length]).toEqual(["live", 1]);
  });

  it("drops a dead line after the second question, also when every timer is a minute late", async () => {
    const world = await createWorld();
    silence(world);
    for (let timers = 0; timers < 3; timers++) {
      expect(world.snapshot.connection.kind).toBe("live");
      world.clock.sleep(60_000);
      await world.clock.advance(world.clock.pending[0]!);
    }
    expect([world.snapshot.connection.kind, world.server.socket.pings]).toEqual(["waiting", 2]);
  });

  it("asks when it is written to, though no timer has run", async () => {
    const world = await createWorld();
    world.clock.sleep(HOUR_MS);
    silence(world);
    void world.client.send("a").catch(() => {});
    await world.clock.advance(ANSWER_MS);
    expect(world.snapshot.connection.kind).toBe("waiting");
  });
});

describe("wake events", () => {
  it.each(WAKES)("%s cuts a wait short", async (type) => {
    const world = await createPage();
    world.server.socket.drop();
    world.wake(type);
    await quiet();
    expect(world.snapshot.connection.kind).toBe("live");
    expect([world.server.sockets.length, world.server.tickets.length]).toEqual([2, 2]);
  });

  it.each(WAKES)("%s asks a live line at once, and a dead one is replaced", async (type) => {
    const world = await createPage();
    silence(world);
    world.wake(type);
    expect(world.server.socket.pings).toBe(1);
    await world.clock.advance(ANSWER_MS);
    expect(world.snapshot.connection.kind).toBe("waiting");
    mend(world);
    world.wake(type);
    await quiet();
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("make one ping in a burst, also when the answer comes in its middle", async () => {
    const world = await createPage();
    world.wake(...WAKES, ...WAKES);
    await quiet();
    world.wake(...WAKES);
    await world.clock.advance(ANSWER_MS - 1);
    world.wake(...WAKES);
    expect([world.server.sockets.length, world.server.socket.pings]).toEqual([1, 1]);
  });

  it("take one ticket in a burst that ends a wait", async () => {
    const world = await createPage();
    world.server.socket.drop();
    world.wake(...WAKES, ...WAKES);
    await quiet();
    expect([world.server.tickets.length, world.server.socket.pings]).toEqual([2, 0]);
  });

  it("mean nothing in a page that is hidden, nor does going offline", async () => {
    const world = await createPage();
    world.document.hidden = true;
    world.wake(...WAKES);
    world.document.hidden = false;
    world.wake("offline");
    expect(world.server.socket.pings).toBe(0);
    world.document.hidden = true;
    world.server.socket.drop();
    world.wake(...WAKES);
    expect(world.snapshot.connection.kind).toBe("waiting");
  });

  it("leave a network that went away to the next question", async () => {
    const world = await createPage();
    silence(world);
    world.wake("offline");
    await world.clock.advance(SILENCE_MS + ANSWER_MS);
    expect(world.snapshot.connection.kind).toBe("waiting");
    mend(world);
    world.wake("online");
    await quiet();
    expect(world.snapshot.connection.kind).toBe("live");
  });
});
