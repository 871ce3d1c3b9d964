// What the client says of how far it has read, and parts that it loads because they came as stubs.
import { describe, expect, it, vi } from "vitest";
import type { ClientFrame, ServerFrame } from "../../../src/protocol/frames.ts";
import type { Part } from "../../../src/protocol/messages.ts";
import { stubChunk } from "../../../src/protocol/stubs.ts";
import { createWorld, texts, type World } from "./client-world.ts";
import { FakeServer, quiet } from "./fake-server.ts";
import { callChunks, textChunks } from "./model-thread.ts";

const windowsOf = ({ server }: World) => server.socket.sent.flatMap((frame) => (frame.type === "window" ? frame.mark : []));
const partReadsOf = ({ server }: World) =>
  server.sockets.flatMap(({ sent }) => sent).flatMap((frame) => ("part" in frame ? { id: frame.id, part: frame.part } : []));
const answer = (ref: string, part: Part): ServerFrame => ({ type: "page", ref, part });

describe("a mark", () => {
  it("is sent back once, when every frame before it is in the view", async () => {
    const world = await createWorld();
    const shown: string[][] = [];
    world.server.refuse = (frame) => {
      if (frame.type === "window") shown.push(texts(world.snapshot).messages);
      return undefined;
    };
    await world.client.send("Hello");
    world.server.thread.chunks(...textChunks("One"));
    world.server.socket.receive({ type: "mark", mark: "first" });
    world.server.thread.chunks({ type: "text-delta", id: "t", delta: " two" });
    world.server.socket.receive({ type: "mark", mark: "second" });
    expect(windowsOf(world)).toEqual(["first", "second"]);
    expect(shown[0]).toEqual(["Hello", "One"]);
    expect(shown[1]?.[1]).toMatch(/^One/);
  });

  it("is sent back before the first view, too", async () => {
    const world = await createWorld({ prepare: (server) => (server.losesRequests = true) });
    world.server.socket.receive({ type: "mark", mark: "early" });
    expect(windowsOf(world)).toEqual(["early"]);
  });

  it("of a frame that cannot be shown is sent back all the same", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const world = await createWorld();
    world.server.socket.receive('{"type":"delta","from":0,"to":1,"turn":null,"messages":7}', { type: "mark", mark: "next" });
    expect(windowsOf(world)).toEqual(["next"]);
  });
});

describe("loadPart", () => {
  const whole: Part = { type: "data-large", data: "all of it" };

  it("gives the part whole and changes nothing", async () => {
    const world = await createWorld();
    world.server.refuse = (frame) => ("part" in frame ? [answer(frame.id, whole)] : undefined);
    const before = world.snapshot;
    await expect(world.client.loadPart("message", 3)).resolves.toEqual(whole);
    expect(world.snapshot).toBe(before);
    expect(world.server.socket.sent.at(-1)).toMatchObject({ type: "page", message: "message", part: 3 });
  });

  it("asks for one after another, and goes on after one that is refused", async () => {
    const world = await createWorld();
    world.server.refuse = (frame) => ("part" in frame ? [] : undefined);
    const loads = [0, 1, 2].map((index) => world.client.loadPart("message", index));
    for (const load of loads) load.catch(() => {});
    await quiet();
    expect(partReadsOf(world).map(({ part }) => part)).toEqual([0]);
    world.server.socket.receive({ type: "error", ref: partReadsOf(world)[0]!.id, code: "not_found", message: "None.", retryable: false });
    await expect(loads[0]).rejects.toMatchObject({ code: "not_found" });
    await quiet();
    expect(partReadsOf(world).map(({ part }) => part)).toEqual([0, 1]);
    world.server.socket.receive(answer(partReadsOf(world)[1]!.id, whole));
    await expect(loads[1]).resolves.toEqual(whole);
    await quiet();
    world.server.socket.receive(answer(partReadsOf(world)[2]!.id, whole));
    await expect(loads[2]).resolves.toEqual(whole);
  });

  it("asks again over another connection", async () => {
    const world = await createWorld();
    world.server.refuse = (frame) => ("part" in frame ? [] : undefined);
    const load = world.client.loadPart("message", 0);
    await quiet();
    world.server.refuse = (frame: ClientFrame) => ("part" in frame ? [answer(frame.id, whole)] : undefined);
    world.server.socket.drop(4529, "too_slow");
    world.client.reconnect();
    await expect(load).resolves.toEqual(whole);
  });
});

it("gives a client tool its whole input, which came as a stub", async () => {
  const input = { from: 1, text: "x".repeat(300_000) };
  const pickDate = vi.fn((given: unknown) => Object.keys(given as object));
  const server = new FakeServer();
  const world = await createWorld({ server, clientTools: { pickDate } });
  await world.client.send("When?");
  const large = callChunks("call1").map((chunk) => (chunk.type === "tool-input-available" ? { ...chunk, input } : chunk));
  server.refuse = (frame) => {
    if (!("part" in frame)) return undefined;
    return [answer(frame.id, { ...server.thread.live!.message.parts[frame.part], input } as Part)];
  };
  server.thread.chunks(...large.map(stubChunk));
  server.thread.wait();
  await quiet();
  expect(pickDate).toHaveBeenCalledExactlyOnceWith(input, expect.anything());
  expect(server.thread.live?.message.parts.at(-1)).toMatchObject({ state: "output-available", output: ["from", "text"] });
});
