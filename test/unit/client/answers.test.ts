import { describe, expect, it } from "vitest";
import { isChatError } from "../../../src/errors.ts";
import { createWorld, failure, type World } from "./client-world.ts";
import { approvalChunks, callChunks, END_OF_TEXT, textChunks } from "./model-thread.ts";

async function waiting(...chunks: Parameters<World["server"]["thread"]["chunks"]>): Promise<World> {
  const world = await createWorld();
  await world.client.send("Hello");
  world.server.thread.chunks(...chunks);
  world.server.thread.wait();
  return world;
}

const part = (world: World) => world.snapshot.messages[1]!.parts.at(-1)!;
const answers = (world: World) => world.server.socket.sent.filter(({ type }) => type === "resolve" || type === "claim");

describe("approve", () => {
  it("answers the live turn, which goes on in the same message", async () => {
    const world = await waiting(...approvalChunks("call1", "approval1"));
    expect(world.snapshot).toMatchObject({ status: "waiting", turn: { state: "waiting" } });
    await world.client.approve("approval1", { approved: false, reason: "Too risky" });
    expect(part(world)).toMatchObject({ state: "approval-responded", approval: { approved: false, reason: "Too risky" } });
    expect(world.snapshot).toMatchObject({ status: "streaming", turn: { state: "running", resume: "approval" } });
    expect(answers(world)).toEqual([
      {
        type: "resolve",
        id: expect.any(String),
        epoch: "epoch1",
        turnId: world.snapshot.turn!.id,
        approvalId: "approval1",
        approved: false,
        reason: "Too risky",
      },
    ]);
    world.server.thread.chunks(...textChunks("Well then"), ...END_OF_TEXT);
    world.server.thread.end();
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });

  it("tells the second of two that it was late", async () => {
    const world = await waiting(...approvalChunks("call1", "approval1"));
    await world.client.approve("approval1", { approved: true });
    expect(isChatError(await failure(world.client.approve("approval1", { approved: false })), "already_resolved")).toBe(true);
  });

  it("rejects when no turn is live, and sends nothing", async () => {
    const world = await createWorld();
    expect(isChatError(await failure(world.client.approve("approval1", { approved: true })), "not_found")).toBe(true);
    expect(isChatError(await failure(world.client.claim("call1")), "not_found")).toBe(true);
    expect(world.server.socket.sent).toEqual([]);
  });

  it.each(["losesRequests", "losesAnswers"] as const)("survives a lost connection (%s) with the same id", async (loses) => {
    const world = await waiting(...approvalChunks("call1", "approval1"));
    world.server[loses] = true;
    const approving = world.client.approve("approval1", { approved: true });
    const before = answers(world);
    world.server[loses] = false;
    world.server.socket.drop();
    await world.clock.advance(1_000);
    await approving;
    expect(answers(world)).toEqual(before);
    expect(part(world)).toMatchObject({ state: "approval-responded" });
  });
});

describe("addToolOutput and claim", () => {
  it("gives an output, or why there is none", async () => {
    const world = await waiting(...callChunks("call1"), ...callChunks("call2").slice(1));
    await world.client.addToolOutput("call1", { output: { date: 1 } });
    expect(world.snapshot.status).toBe("waiting");
    await world.client.addToolOutput("call2", { errorText: "No calendar" });
    expect(world.snapshot.messages[1]!.parts.slice(1)).toMatchObject([
      { state: "output-available", output: { date: 1 } },
      { state: "output-error", errorText: "No calendar" },
    ]);
    expect(world.snapshot).toMatchObject({ status: "streaming", turn: { resume: "client-tool" } });
  });

  it("shows who has claimed what", async () => {
    const world = await waiting(...callChunks("call1"));
    await world.client.claim("call1");
    expect(world.snapshot.turn).toMatchObject({ claims: { call1: "connection1" } });
    const other = await createWorld({ server: world.server, prefix: "other-" });
    expect(other.snapshot.turn).toEqual(world.snapshot.turn);
    expect(isChatError(await failure(other.client.claim("call1")), "already_claimed")).toBe(true);
    expect(isChatError(await failure(other.client.addToolOutput("call1", { output: 1 })), "already_claimed")).toBe(true);
  });

  it("claims anew for another connection: what the first had claimed is free", async () => {
    const world = await waiting(...callChunks("call1"));
    world.server.losesAnswers = true;
    const claiming = world.client.claim("call1");
    world.server.losesAnswers = false;
    world.server.socket.drop();
    expect(world.server.thread.turn!.claims).toBeUndefined();
    await world.clock.advance(1_000);
    await claiming;
    expect(world.snapshot.turn).toMatchObject({ claims: { call1: "connection2" } });
  });
});
