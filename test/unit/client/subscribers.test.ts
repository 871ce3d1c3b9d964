import { afterEach, describe, expect, it, vi } from "vitest";
import type { ChatSnapshot } from "../../../src/client/types.ts";
import { createWorld, texts } from "./client-world.ts";
import { quiet } from "./fake-server.ts";
import { END_OF_TEXT, textChunks } from "./model-thread.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("subscribe", () => {
  it("calls at once with the present snapshot", async () => {
    const world = await createWorld();
    const listener = vi.fn();
    world.client.subscribe(listener);
    expect(listener).toHaveBeenCalledExactlyOnceWith(world.client.getSnapshot());
  });

  it("calls once for each frame, and once for a batch of them", async () => {
    const world = await createWorld();
    await world.client.send("a");
    await quiet();
    const listener = vi.fn();
    world.client.subscribe(listener);
    listener.mockClear();
    world.server.thread.chunks(...textChunks("Re"));
    expect(listener).not.toHaveBeenCalled();
    await quiet();
    expect(listener).toHaveBeenCalledTimes(1);
    world.server.thread.chunks({ type: "text-delta", id: "t", delta: "p" });
    world.server.thread.chunks({ type: "text-delta", id: "t", delta: "ly" });
    world.server.thread.chunks(...END_OF_TEXT);
    world.server.thread.end();
    await quiet();
    expect(listener).toHaveBeenCalledTimes(2);
  });

  it("does not call when nothing changed", async () => {
    const world = await createWorld();
    const listener = vi.fn();
    world.client.subscribe(listener);
    listener.mockClear();
    const before = world.snapshot;
    world.server.socket.receive(
      { type: "event", event: "x" },
      { type: "ack", ref: "nothing", rev: 1 },
      { type: "delta", from: 0, to: 0, turn: null },
    );
    await quiet();
    expect(listener).not.toHaveBeenCalled();
    expect(world.snapshot).toBe(before);
  });

  it("calls as often as the schedule says", async () => {
    const frames: (() => void)[] = [];
    const world = await createWorld({ deps: { schedule: (run) => frames.push(run) } });
    expect(world.seen).toHaveLength(1);
    expect(frames).toHaveLength(1);
    frames[0]!();
    expect(world.seen).toHaveLength(2);
    expect(world.seen[1]!.connection.kind).toBe("live");
  });

  it("ends, also twice, also for one of two of the same listener", async () => {
    const world = await createWorld();
    const listener = vi.fn();
    const end = world.client.subscribe(listener);
    world.client.subscribe(listener);
    listener.mockClear();
    end();
    end();
    await world.client.send("a");
    await quiet();
    expect(listener).toHaveBeenCalledTimes(1);
  });

  it("reports a subscriber that throws, and harms nobody", async () => {
    const report = vi.fn();
    vi.stubGlobal("reportError", report);
    const world = await createWorld({ watch: false });
    const mistake = new Error("mistake");
    world.client.subscribe(() => {
      throw mistake;
    });
    const listener = vi.fn();
    world.client.subscribe(listener);
    await quiet();
    expect(report).toHaveBeenCalledWith(mistake);
    expect(listener.mock.lastCall![0].connection.kind).toBe("live");
    await expect(world.client.send("a")).resolves.toMatchObject({ position: 0 });
  });

  it("reports to the console where nothing else is there", async () => {
    vi.stubGlobal("reportError", undefined);
    const report = vi.spyOn(console, "error").mockImplementation(() => {});
    const world = await createWorld();
    world.client.subscribe(() => {
      throw new Error("mistake");
    });
    expect(report).toHaveBeenCalledTimes(1);
  });

  it("may send, subscribe and unsubscribe from within", async () => {
    const world = await createWorld();
    const inner = vi.fn();
    const end = world.client.subscribe((snapshot) => {
      if (snapshot.messages.length === 1 && inner.mock.calls.length === 0) {
        world.client.subscribe(inner);
        void world.client.send("b");
        end();
      }
    });
    await world.client.send("a");
    await quiet();
    expect(inner).toHaveBeenCalled();
    expect(texts(world.snapshot)).toEqual({ messages: ["a"], queue: ["b"] });
  });
});

describe("snapshots", () => {
  it("share every message that did not change", async () => {
    const world = await createWorld();
    await world.client.send("a");
    world.server.thread.chunks(...textChunks("Re"));
    const first = world.snapshot;
    world.server.thread.chunks({ type: "text-delta", id: "t", delta: "ply" });
    const second = world.snapshot;
    expect(second.messages[0]).toBe(first.messages[0]);
    expect(second.messages[1]).not.toBe(first.messages[1]);
    expect([second.queue, second.thread, second.principal, second.connection]).toEqual([
      first.queue,
      first.thread,
      first.principal,
      first.connection,
    ]);
    expect(second.queue).toBe(first.queue);
    expect(second.thread).toBe(first.thread);
    void world.client.send("b");
    const third = world.snapshot;
    expect(third.messages).toBe(second.messages);
    expect(third.queue).not.toBe(second.queue);
  });

  it("are not changed by what comes later", async () => {
    const world = await createWorld();
    const copies: [ChatSnapshot, ChatSnapshot][] = [];
    world.client.subscribe((snapshot) => copies.push([snapshot, structuredClone(snapshot)]));
    void world.client.send("a");
    void world.client.send("b");
    await quiet();
    world.server.thread.chunks(...textChunks("Re"));
    await quiet();
    world.server.thread.chunks(...END_OF_TEXT);
    world.server.thread.end();
    await quiet();
    expect(copies.length).toBeGreaterThan(3);
    for (const [snapshot, copy] of copies) expect(snapshot).toEqual(copy);
  });

  it("share an own message from one snapshot to the next", async () => {
    const world = await createWorld({ prepare: (server) => (server.losesRequests = true) });
    void world.client.send("a");
    void world.client.send("b");
    const first = world.snapshot;
    void world.client.send("c");
    expect(world.snapshot.messages).toBe(first.messages);
    expect(world.snapshot.queue[0]).toBe(first.queue[0]);
  });
});

describe("frames that it cannot use", () => {
  const hostile: string[] = [
    "",
    "ping",
    "pong ",
    "{",
    "null",
    "[]",
    "7",
    '"text"',
    "{}",
    '{"type":7}',
    '{"type":"delta","from":0,"to":1,"turn":null,"messages":7}',
    '{"type":"delta","from":0,"to":1,"turn":null,"messages":[null]}',
    '{"type":"snapshot","session":{"epoch":"epoch1","rev":0},"messages":{},"queue":[],"turn":null}',
    '{"type":"delta","from":0,"to":1,"turn":null,"queue":7}',
    '{"type":"delta","from":0,"to":1,"turn":{},"live":{}}',
    '{"type":"snapshot"}',
    '{"type":"snapshot","session":null,"messages":[],"queue":[],"turn":null}',
    '{"type":"snapshot","session":{"epoch":"epoch1","rev":0},"messages":[],"queue":null,"turn":null}',
    '{"type":"turn","from":0,"to":1,"ended":null,"turn":null}',
    '{"type":"page","ref":"x","messages":null}',
    '{"type":"__proto__"}',
    '{"type":"constructor"}',
    '{"type":"later","mark":"x"}',
  ];

  it.each(hostile)("skips %s, and goes on", async (text) => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const report = vi.fn();
    vi.stubGlobal("reportError", report);
    const world = await createWorld();
    const before = world.snapshot;
    world.server.socket.receive(text, text);
    expect(world.snapshot).toBe(before);
    expect(warn.mock.calls.length + report.mock.calls.length).toBeGreaterThan(0);
    await expect(world.client.send("a")).resolves.toMatchObject({ position: 0 });
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });

  it.each([
    '{"type":"delta"}',
    '{"type":"chunks","turnId":"x"}',
    '{"type":"ack"}',
    '{"type":"error"}',
    '{"type":"event"}',
    '{"type":"mark"}',
    '{"type":"turn","from":9}',
  ])("is unharmed by %s", async (text) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const world = await createWorld();
    world.server.socket.receive(text, text);
    await expect(world.client.send("a")).resolves.toMatchObject({ position: 0 });
    world.server.thread.chunks(...textChunks("Re"));
    world.server.socket.receive(text, text);
    world.server.thread.chunks(...END_OF_TEXT);
    world.server.thread.end();
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });

  it("reports each unknown type once", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const world = await createWorld();
    world.server.socket.receive('{"type":"later"}', '{"type":"later"}', '{"type":"other"}');
    expect(warn.mock.calls.map(String)).toEqual([expect.stringContaining("later"), expect.stringContaining("other")]);
  });
});

describe("on", () => {
  it("hears of the events of its name in their order, by every connection, until it is ended", async () => {
    const world = await createWorld();
    const [typing, all] = [vi.fn(), vi.fn()];
    const end = world.client.on("typing", typing);
    world.client.on("*", all);
    const before = world.snapshot;
    world.server.socket.receive({ type: "event", event: "typing", data: 1 }, { type: "event", event: "joined" });
    world.server.socket.drop();
    await world.clock.advance(1_000);
    world.server.socket.receive({ type: "event", event: "typing", data: 2 });
    end();
    end();
    world.server.socket.receive({ type: "event", event: "typing", data: 3 });
    expect(typing.mock.calls).toEqual([
      [1, "typing"],
      [2, "typing"],
    ]);
    expect(all.mock.calls.map(([, name]) => name as string)).toEqual(["typing", "joined", "typing", "typing"]);
    expect(world.snapshot.messages).toBe(before.messages);
  });

  it("hears each event once with a listener that ends and begins again", async () => {
    const world = await createWorld();
    let heard = 0;
    const arm = (): void => {
      const end = world.client.on("typing", () => {
        end();
        if (++heard < 1_000) arm();
      });
    };
    arm();
    world.server.socket.receive({ type: "event", event: "typing" }, { type: "event", event: "typing" });
    expect(heard).toBe(2);
  });

  it("hears nothing of a connection that is no more, and opens none", async () => {
    const world = await createWorld({ watch: false });
    const listener = vi.fn();
    world.client.on("typing", listener);
    await quiet();
    expect(world.server.requests).toEqual([]);
    world.client.connect();
    await quiet();
    const { socket } = world.server;
    world.client.close();
    socket.receive({ type: "event", event: "typing" });
    expect(listener).not.toHaveBeenCalled();
  });

  it("reports a listener that throws, and harms nobody", async () => {
    const report = vi.fn();
    vi.stubGlobal("reportError", report);
    const world = await createWorld();
    const listener = vi.fn();
    const mistake = new Error("mine");
    world.client.on("typing", () => {
      throw mistake;
    });
    world.client.on("typing", listener);
    world.server.socket.receive({ type: "event", event: "typing", data: 1 });
    expect(report).toHaveBeenCalledExactlyOnceWith(mistake);
    expect(listener).toHaveBeenCalledTimes(1);
  });
});
