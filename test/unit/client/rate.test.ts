// What a client does where the server takes so many requests a second, and no more.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runClientTools } from "../../../src/client/client-tools.ts";
import type { ClientFrame } from "../../../src/protocol/frames.ts";
import { World as RealWorld } from "../ai-sdk/world.ts";
import { createWorld, failure, type World } from "./client-world.ts";
import { quiet } from "./fake-server.ts";

/** From now on the server takes `count` requests and refuses the others as too many. */
function limit({ server }: World, count: number): void {
  let left = count;
  server.refuse = (frame) => {
    if (!("id" in frame) || left-- > 0) return undefined;
    return [{ type: "error", ref: frame.id, code: "rate_limited", message: "Slower.", retryable: true }];
  };
}

const titles = (frames: readonly ClientFrame[]) => frames.flatMap((frame) => ("value" in frame ? [frame.value] : []));

describe("a request that came too fast", () => {
  it("is written again a second later, the same and in order, and nothing before it", async () => {
    const world = await createWorld();
    limit(world, 1);
    world.server.held = [];
    const stopping = ["a", "b", "c"].map((turnId) => world.client.stop(turnId));
    world.server.release();
    await quiet();
    stopping.push(world.client.stop("d"));
    await world.clock.advance(999);
    const { sent } = world.server.socket;
    expect(sent).toHaveLength(3);
    limit(world, 3);
    await world.clock.advance(1);
    expect(sent.slice(3, 5)).toEqual(sent.slice(1, 3));
    await Promise.all(stopping);
    expect([sent.length, world.clock.pending.filter((ms) => ms <= 1_000)]).toEqual([6, []]);
  });

  it("fails when it asks for a turn: one that came behind it may have been taken, and messages keep their order", async () => {
    const world = await createWorld();
    limit(world, 1);
    world.server.held = [];
    const sending = ["a", "b"].map((text) => world.client.send(text));
    world.server.release();
    await sending[0];
    expect(await failure(sending[1]!)).toMatchObject({ code: "rate_limited", retryable: true });
    expect(world.snapshot.messages.at(-1)).toMatchObject({ delivery: "failed", error: { code: "rate_limited" } });
  });

  it("is written once a second for as long as it is refused", async () => {
    const world = await createWorld();
    limit(world, 0);
    void world.client.setTitle("a");
    void world.client.setTitle("b");
    await world.clock.advance(10_000);
    expect(titles(world.server.socket.sent)).toEqual(Array.from({ length: 11 }, () => "a"));
    expect(world.snapshot.thread.title).toBe("b");
  });

  it("is written to another connection when its own is lost, and after the pause", async () => {
    const world = await createWorld();
    limit(world, 0);
    const titled = world.client.setTitle("a");
    world.server.socket.drop();
    delete world.server.refuse;
    await world.clock.advance(1_000);
    await titled;
    expect([world.server.sockets.length, world.server.thread.title]).toEqual([2, "a"]);
  });

  it("fails when the client is closed in the pause, and leaves nothing behind it", async () => {
    const world = await createWorld();
    limit(world, 0);
    const titled = failure(world.client.setTitle("a"));
    world.client.close();
    expect(await titled).toMatchObject({ code: "interrupted" });
    await world.clock.advance(1_000);
    expect([world.clock.pending, world.server.socket.sent.length]).toEqual([[], 1]);
  });
});

describe("over the real session", () => {
  let world: RealWorld;
  beforeEach(() => void (world = new RealWorld()));
  afterEach(() => world.close());

  it("arrive all of 60 titles that are set at once, the last one last", async () => {
    const client = world.client("thread-of-the-test", true);
    void client.send("Hello");
    await world.pass();
    const titled = Promise.all(Array.from({ length: 60 }, (_, n) => client.setTitle(`t${n}`)));
    await world.pass(5_000);
    await titled;
    expect(client.getSnapshot().thread.title).toBe("t59");
  });

  it("arrive the outputs of 25 client tools that are called at once", async () => {
    const client = world.client("thread-of-the-test", true);
    const end = runClientTools(client, { pickDate: () => "today" });
    void client.send("When?");
    await world.pass();
    const calls = Array.from({ length: 25 }, (_, n) => ({
      type: "tool-input-available" as const,
      toolCallId: `c${n}`,
      toolName: "pickDate",
      input: {},
    }));
    world.play.say({ type: "start-step" }, ...calls, { type: "finish-step" });
    world.play.end();
    await world.pass(5_000);
    const states = client
      .getSnapshot()
      .messages.at(-1)!
      .parts.flatMap((part) => ("state" in part ? [part.state] : []));
    expect([world.plays.length, ...new Set(states)]).toEqual([2, "output-available"]);
    end();
  });
});
