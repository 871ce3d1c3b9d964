import { describe, expect, it } from "vitest";
import { isChatError } from "../../../src/errors.ts";
import type { SetCommand } from "../../../src/protocol/frames.ts";
import { createWorld, failure, refuseWith, type World } from "./client-world.ts";

const sets = (world: World) =>
  world.server.sockets.flatMap(({ sent }) => sent).filter((frame): frame is SetCommand => frame.type === "set");
const stateful = () => createWorld({ prepare: ({ thread }) => void thread.set({ field: "state", value: { plan: true, count: 1 } }) });

describe("setState", () => {
  it("shows at once, and stays when it is acked", async () => {
    const world = await stateful();
    world.server.held = [];
    const setting = world.client.setState({ count: 2 });
    expect(world.snapshot.state).toEqual({ plan: true, count: 2 });
    world.server.release();
    await setting;
    expect(world.snapshot.state).toEqual({ plan: true, count: 2 });
    expect(world.server.thread.state).toEqual({ plan: true, count: 2 });
  });

  it("is taken back when it is refused", async () => {
    const world = await stateful();
    world.server.held = [];
    const setting = world.client.setState({ invalid: true });
    expect(world.snapshot.state).toMatchObject({ invalid: true });
    world.server.release();
    expect(isChatError(await failure(setting), "bad_request")).toBe(true);
    expect(world.snapshot.state).toEqual({ plan: true, count: 1 });
  });

  it("shows each change at once, and sends one of a field at a time, so that the last one stands", async () => {
    const world = await stateful();
    world.server.held = [];
    const all = [world.client.setState({ count: 2 }), world.client.setState({ count: 3 }), world.client.setTitle("Title")];
    expect(sets(world)).toMatchObject([
      { field: "state", value: { count: 2 } },
      { field: "title", value: "Title" },
    ]);
    expect(world.snapshot).toMatchObject({ state: { count: 3 }, thread: { title: "Title" } });
    world.server.release();
    await Promise.all(all);
    expect(world.server.thread).toMatchObject({ state: { count: 3 }, title: "Title" });
  });

  it("merges with a change that came first, which keeps its other fields", async () => {
    const world = await stateful();
    world.server.held = [];
    const setting = world.client.setState({ count: 2 });
    world.server.thread.set({ field: "state", value: { plan: false, count: 9 } });
    expect(world.snapshot.state).toEqual({ plan: false, count: 2 });
    world.server.release();
    await setting;
    expect(world.snapshot.state).toEqual({ plan: false, count: 2 });
    expect(sets(world)).toHaveLength(1);
  });

  it.each(["losesRequests", "losesAnswers"] as const)("survives a lost connection (%s), and is done once", async (loses) => {
    const world = await stateful();
    world.server[loses] = true;
    const setting = world.client.setState({ count: 2 });
    const later = world.client.setState({ more: 1 });
    world.server[loses] = false;
    world.server.socket.drop();
    world.server.thread.set({ field: "state", value: { other: true } });
    expect(world.snapshot.state).toEqual({ plan: true, count: 2, more: 1 });
    await world.clock.advance(1_000);
    await Promise.all([setting, later]);
    expect(world.server.thread.state).toEqual({ plan: true, count: 2, more: 1, other: true });
    expect(world.snapshot.state).toEqual(world.server.thread.state);
  });

  it("made before the first view waits for it", async () => {
    const world = await createWorld({ prepare: (server) => (server.accepts = false) });
    const setting = world.client.setState({ count: 2 });
    expect(world.snapshot.state).toEqual({ count: 2 });
    world.server.socket.accept();
    await setting;
    expect(sets(world)).toMatchObject([{ epoch: "epoch1" }]);
  });

  it("refused for another reason holds up nothing behind it", async () => {
    const world = await stateful();
    refuseWith(world, "forbidden");
    const refused = failure(world.client.setState({ count: 2 }));
    delete world.server.refuse;
    await world.client.setState({ count: 3 });
    expect(isChatError(await refused, "forbidden")).toBe(true);
    expect(world.snapshot.state).toEqual({ plan: true, count: 3 });
  });
});

describe("the state of others", () => {
  it("shows as it changes, with the same object while it does not", async () => {
    const world = await stateful();
    const { state } = world.snapshot;
    await world.client.send("Hello");
    expect(world.snapshot.state).toBe(state);
    world.server.thread.set({ field: "state", value: { count: 5 } });
    world.server.thread.set({ field: "title", value: "Theirs" });
    expect(world.snapshot).toMatchObject({ state: { plan: true, count: 5 }, thread: { title: "Theirs" }, status: "submitted" });
    await world.client.setTitle(null);
    expect(world.snapshot.thread.title).toBeNull();
  });
});
