import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ChatSnapshot } from "../../../src/client/types.ts";
import { createWorld, texts, type World } from "./client-world.ts";
import { quiet } from "./fake-server.ts";
import { FakeScreen, FRAME_MS } from "./fake-screen.ts";
import { END_OF_TEXT, textChunks } from "./model-thread.ts";

const FLUSH = "A flush of half a second holds about so much text, as a model writes it, or more.";
const delta = (text: string) => ({ type: "text-delta", id: "t", delta: text }) as const;

let screen: FakeScreen;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  screen = new FakeScreen();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A thread with a running turn, on a connection that has been live for a while. */
async function createTurn(options: Parameters<typeof createWorld>[0] = {}): Promise<World> {
  const world = await createWorld(options);
  await world.client.send("a");
  await world.clock.advance(1_000);
  screen.frame();
  return world;
}

/** Shows what happens in so many ms, frame by frame. */
async function watch(world: World, ms: number): Promise<void> {
  for (const end = world.clock.time + ms; world.clock.time < end;) {
    await world.clock.advance(FRAME_MS);
    screen.frame();
  }
}

const reply = ({ messages }: ChatSnapshot) => messages[1];
const replyText = (snapshot: ChatSnapshot) => texts(snapshot).messages[1] ?? "";

describe("on a screen", () => {
  it("shows a flush in at least 16 steps until the next is due, and each next one the same", async () => {
    const world = await createTurn();
    world.server.thread.chunks(...textChunks(""));
    for (let flush = 1; flush <= 3; flush++) {
      world.seen.length = 0;
      world.server.thread.chunks(delta(FLUSH));
      await watch(world, 500);
      const shown = world.seen.map(replyText);
      expect(shown.length).toBeGreaterThanOrEqual(16);
      expect(new Set(shown).size).toBe(shown.length);
      expect(shown).toEqual(shown.toSorted((a, b) => a.length - b.length));
      for (const text of shown) expect(FLUSH.repeat(flush).startsWith(text)).toBe(true);
      expect(shown.at(-1)).toBe(FLUSH.repeat(flush));
      // Evenly: no step is more than a part of it.
      const steps = shown.slice(1).map((text, index) => text.length - shown[index]!.length);
      expect(Math.max(...steps)).toBeLessThanOrEqual(4);
    }
  });

  it("shows even sixteen characters in sixteen steps", async () => {
    const world = await createTurn();
    world.seen.length = 0;
    world.server.thread.chunks(...textChunks("Sixteen letters!"));
    await watch(world, 500);
    expect(new Set(world.seen.map(replyText)).size).toBe(16);
  });

  it("shows something with the first frame after the first flush", async () => {
    const world = await createTurn();
    world.server.thread.chunks(...textChunks(FLUSH));
    screen.frame();
    expect(replyText(world.seen.at(-1)!)).toBe("A");
    expect(world.seen.at(-1)!.status).toBe("streaming");
  });

  it("has an ended reply whole within 250 ms, and streams until then", async () => {
    const world = await createTurn();
    world.server.thread.chunks(...textChunks(FLUSH));
    await watch(world, 50);
    world.server.thread.chunks(delta(FLUSH), ...END_OF_TEXT);
    world.server.thread.end();
    world.seen.length = 0;
    const endedAt = world.clock.time;
    await watch(world, 200);
    expect(world.seen.length).toBeGreaterThan(8);
    for (const snapshot of world.seen) {
      expect(snapshot.status).toBe("streaming");
      expect(reply(snapshot)).not.toMatchObject({ createdAt: expect.anything() });
      expect(reply(snapshot)).not.toMatchObject({ facts: expect.anything() });
      expect(reply(snapshot)!.parts.at(-1)).toMatchObject({ state: "streaming" });
    }
    await watch(world, endedAt + 250 - world.clock.time);
    expect(world.seen.at(-1)).toMatchObject({ status: "ready", messages: world.server.thread.messages });
    const { length } = world.seen;
    await watch(world, 500);
    expect(world.seen.length).toBe(length);
    expect(screen.waiting).toBe(0);
  });

  it("keeps promises at the end of the turn, whatever is on the screen", async () => {
    const world = await createTurn();
    const sending = world.client.send("b");
    await sending;
    world.server.thread.end();
    const settled = vi.fn();
    void sending.settled.then(settled);
    world.server.thread.chunks(...textChunks(FLUSH), ...END_OF_TEXT);
    world.server.thread.end();
    await quiet();
    expect(settled).toHaveBeenCalledWith(world.server.thread.messages.at(-1));
    expect(world.snapshot.status).toBe("streaming");
  });

  it.each(["failed", "stopped"] as const)("says that a turn has %s when all of its text is there", async (outcome) => {
    const error = { code: "model_error", message: "No answer.", retryable: true } as const;
    const world = await createTurn();
    world.server.thread.chunks(...textChunks(FLUSH));
    world.server.thread.end(outcome, outcome === "failed" ? error : undefined);
    expect(world.snapshot).toMatchObject({ status: "streaming", error: null });
    await watch(world, 250);
    expect(world.snapshot.status).toBe(outcome === "failed" ? "error" : "ready");
    expect(reply(world.snapshot)!.facts!.outcome).toBe(outcome);
  });

  it("shows the next turn at once while the end of the last is still written, and its text after that", async () => {
    const world = await createTurn();
    void world.client.send("b");
    world.server.thread.chunks(...textChunks(FLUSH), ...END_OF_TEXT);
    world.server.thread.end();
    await watch(world, 50);
    expect(world.snapshot).toMatchObject({ status: "streaming", queue: [] });
    expect(texts(world.snapshot).messages[2]).toBe("b");
    expect(replyText(world.snapshot).length).toBeLessThan(FLUSH.length);
    world.server.thread.chunks(...textChunks("Second"));
    expect(replyText(world.snapshot)).toBe(FLUSH);
    expect(reply(world.snapshot)!.facts).toBeDefined();
    expect(texts(world.snapshot).messages[3]).toBe("S");
  });

  it("shows a tool when the text before it is there, and then each change of it", async () => {
    const world = await createTurn();
    world.server.thread.chunks(
      ...textChunks(FLUSH),
      { type: "text-end", id: "t" },
      { type: "tool-input-available", toolCallId: "c", toolName: "look", input: {} },
    );
    await watch(world, 400);
    expect(reply(world.snapshot)!.parts.map(({ type }) => type)).toEqual(["step-start", "text"]);
    await watch(world, 120);
    const { parts } = reply(world.snapshot)!;
    expect(parts[2]).toMatchObject({ state: "input-available" });
    world.server.thread.chunks({ type: "tool-output-available", toolCallId: "c", output: 1 });
    expect(reply(world.snapshot)!.parts[2]).toMatchObject({ state: "output-available" });
    expect(reply(world.snapshot)!.parts[1]).toBe(parts[1]);
  });

  it("takes back what the server discards, and goes on from there", async () => {
    const world = await createTurn();
    world.server.thread.chunks(...textChunks(FLUSH));
    await watch(world, 500);
    world.server.thread.chunks({ type: "reset-step" });
    expect(reply(world.snapshot)!.parts).toHaveLength(1);
    world.server.thread.chunks({ type: "text-start", id: "u" }, { type: "text-delta", id: "u", delta: FLUSH });
    expect(replyText(world.snapshot)).toBe("A");
    await watch(world, 500);
    expect(replyText(world.snapshot)).toBe(FLUSH);
  });

  it("shows all at once with pacing turned off, and for reduced motion", async () => {
    const world = await createTurn({ pacing: false });
    world.server.thread.chunks(...textChunks(FLUSH));
    expect(replyText(world.snapshot)).toBe(FLUSH);
    screen.prefersReducedMotion = true;
    const other = await createTurn();
    other.server.thread.chunks(...textChunks(FLUSH));
    expect(replyText(other.snapshot)).toBe(FLUSH);
  });

  it("shows at once what was there when it came, and what was missed while it was away", async () => {
    const world = await createWorld({
      prepare: ({ thread }) => {
        thread.send({ id: "turn", messageId: "message", parts: [{ type: "text", text: "a" }] });
        thread.chunks(...textChunks(FLUSH));
      },
    });
    expect(replyText(world.snapshot)).toBe(FLUSH);
    await watch(world, 200);
    world.server.socket.drop();
    world.server.thread.chunks(delta(FLUSH));
    await world.clock.advance(30_000);
    expect(world.snapshot.connection.kind).toBe("live");
    expect(replyText(world.snapshot)).toBe(FLUSH.repeat(2));
    world.server.thread.chunks(delta(FLUSH));
    expect(replyText(world.snapshot).length).toBe(FLUSH.length * 2 + 1);
  });

  it("shows all of what there is when the connection ends", async () => {
    const world = await createTurn();
    world.server.thread.chunks(...textChunks(FLUSH));
    world.client.close();
    expect(replyText(world.snapshot)).toBe(FLUSH);
    screen.frame();
    expect(screen.waiting).toBe(0);
  });

  it("shows the same to whoever asks between two frames", async () => {
    const world = await createTurn();
    world.server.thread.chunks(...textChunks(FLUSH));
    await watch(world, 100);
    const before = world.snapshot;
    await world.clock.advance(FRAME_MS);
    expect(world.snapshot).toBe(before);
    screen.frame();
    expect(world.snapshot).not.toBe(before);
  });

  it("tells nobody of a frame that shows no more", async () => {
    const world = await createTurn();
    world.seen.length = 0;
    world.server.thread.chunks(...textChunks("Ten"));
    await watch(world, 500);
    expect(world.seen.map(replyText)).toEqual(["T", "Te", "Ten"]);
  });

  it("shares every part that did not change", async () => {
    const world = await createTurn();
    world.server.thread.chunks(
      { type: "reasoning-start", id: "r" },
      { type: "reasoning-delta", id: "r", delta: "Let me see." },
      { type: "reasoning-end", id: "r" },
      ...textChunks(FLUSH),
    );
    await watch(world, 200);
    const former = reply(world.snapshot)!;
    await watch(world, 50);
    const now = reply(world.snapshot)!;
    expect(now).not.toBe(former);
    expect(now.parts[0]).toBe(former.parts[0]);
    expect(now.parts.at(-1)).not.toBe(former.parts.at(-1));
  });
});

describe("in a page that is hidden", () => {
  it("shows all at once, and tells at once", async () => {
    const world = await createTurn();
    screen.document.hidden = true;
    world.server.thread.chunks(...textChunks(FLUSH));
    await quiet();
    expect(replyText(world.seen.at(-1)!)).toBe(FLUSH);
    world.server.thread.chunks(...END_OF_TEXT);
    world.server.thread.end();
    await quiet();
    expect(world.seen.at(-1)).toMatchObject({ status: "ready", messages: world.server.thread.messages });
  });

  it("shows the rest of what it was showing, though no frame comes", async () => {
    const world = await createTurn();
    world.server.thread.chunks(...textChunks(FLUSH));
    await watch(world, 100);
    screen.document.hidden = true;
    vi.advanceTimersByTime(1_000);
    expect(replyText(world.seen.at(-1)!)).toBe(FLUSH);
    expect(screen.waiting).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not show again from the beginning when somebody looks again", async () => {
    const world = await createTurn();
    screen.document.hidden = true;
    world.server.thread.chunks(...textChunks(FLUSH));
    screen.document.hidden = false;
    expect(replyText(world.snapshot)).toBe(FLUSH);
    world.server.thread.chunks(delta(FLUSH));
    expect(replyText(world.snapshot)).toBe(`${FLUSH}A`);
  });
});

describe("how often subscribers hear of changes", () => {
  it("is once a frame", async () => {
    const world = await createTurn({ pacing: false });
    world.seen.length = 0;
    for (const text of ["one", "two", "three"]) world.server.thread.chunks(...(text === "one" ? textChunks(text) : [delta(text)]));
    await quiet();
    expect(world.seen).toHaveLength(0);
    screen.frame();
    expect(world.seen.map(replyText)).toEqual(["onetwothree"]);
    screen.frame();
    expect(world.seen).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is soon also when no frame comes to a page that is not hidden", async () => {
    const world = await createTurn({ pacing: false });
    world.server.thread.chunks(...textChunks(FLUSH));
    vi.advanceTimersByTime(250);
    expect(replyText(world.seen.at(-1)!)).toBe(FLUSH);
    expect(screen.waiting).toBe(0);
  });

  it.each(["a screen", "no screen"])("is at most five times each for 400 chunks that were missed, on %s", async (where) => {
    if (where === "no screen") vi.unstubAllGlobals();
    const world = await createTurn({ watch: false });
    world.server.thread.chunks(...textChunks(FLUSH));
    const listeners = Array.from({ length: 20 }, () => vi.fn<(snapshot: ChatSnapshot) => void>());
    for (const listener of listeners) world.client.subscribe(listener);
    await watch(world, 600);
    world.server.socket.drop();
    for (let i = 0; i < 400; i++) world.server.thread.chunks(delta(`${i} `));
    screen.frame();
    await quiet();
    for (const listener of listeners) listener.mockClear();
    await watch(world, 1_500);
    expect(world.snapshot.connection.kind).toBe("live");
    for (const listener of listeners) {
      expect(listener.mock.calls.length).toBeLessThanOrEqual(5);
      expect(replyText(listener.mock.lastCall![0])).toMatch(/398 399 $/);
    }
  });
});
