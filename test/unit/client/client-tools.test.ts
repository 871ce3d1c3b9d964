import { describe, expect, it, vi } from "vitest";
import { runClientTools } from "../../../src/client/client-tools.ts";
import type { ClientTools } from "../../../src/client/types.ts";
import { createWorld, failure, refuseWith, type World } from "./client-world.ts";
import { FakeServer, quiet } from "./fake-server.ts";
import { approvalChunks, callChunks, END_OF_TEXT, textChunks } from "./model-thread.ts";

/** A tool whose runs a test ends. */
function slowTool() {
  const runs: { input: unknown; callId: string; signal: AbortSignal; end: (output: unknown) => void; fail: (error: unknown) => void }[] =
    [];
  const tool: ClientTools["pickDate"] = (input, context) =>
    new Promise((end, fail) => {
      runs.push({ input, ...context, end, fail });
    });
  return { runs, tool };
}

async function page(pickDate: ClientTools["pickDate"], server = new FakeServer(), prefix = ""): Promise<World> {
  return createWorld({ server, prefix, clientTools: { pickDate } });
}

/** The model has called the tool. */
async function call(world: World, callId = "call1"): Promise<void> {
  if (!world.server.thread.turn) await world.client.send("When?");
  world.server.thread.chunks(...callChunks(callId));
  world.server.thread.wait();
  await quiet();
}

const sent = (world: World, type: string) => world.server.sockets.flatMap((socket) => socket.sent).filter((frame) => frame.type === type);
const livePart = ({ server }: World) => server.thread.live?.message.parts.at(-1);

describe("client tools", () => {
  it("run by themselves, and the turn goes on with their output", async () => {
    const pickDate = vi.fn(() => ({ date: "tomorrow" }));
    const world = await page(pickDate);
    await call(world);
    expect(pickDate).toHaveBeenCalledExactlyOnceWith({ from: 1 }, { callId: "call1", signal: expect.any(AbortSignal) });
    expect(livePart(world)).toMatchObject({ state: "output-available", output: { date: "tomorrow" } });
    expect(world.snapshot.turn).toMatchObject({ state: "running", resume: "client-tool" });
    world.server.thread.chunks(...textChunks("Done"), ...END_OF_TEXT);
    world.server.thread.end();
    await quiet();
    expect(sent(world, "resolve")).toHaveLength(1);
  });

  it("run while the turn still runs, one run for each call", async () => {
    const { runs, tool } = slowTool();
    const world = await page(tool);
    await world.client.send("When?");
    world.server.thread.chunks(...callChunks("call1"), ...callChunks("call2").slice(1));
    await quiet();
    world.server.thread.chunks(...textChunks("More"));
    await quiet();
    expect(runs.map(({ callId }) => callId)).toEqual(["call1", "call2"]);
  });

  it.each([
    ["what it throws, by its message", () => Promise.reject(new Error("No calendar")), "No calendar"],
    ["what is thrown and is no error", () => Promise.reject(new Object("Nothing") as Error), "Nothing"],
    ["a long message, cut", () => Promise.reject(new Error("x".repeat(3_000))), "x".repeat(2_000)],
    ["an output that the server refuses", () => "invalid", "Refused with bad_request."],
  ])("tell the model of %s", async (_, tool, errorText) => {
    const world = await page(tool);
    await call(world);
    expect(livePart(world)).toMatchObject({ state: "output-error", errorText });
  });

  it("give null for no output", async () => {
    const world = await page(() => undefined);
    await call(world);
    expect(livePart(world)).toMatchObject({ state: "output-available", output: null });
  });

  it("leave alone what is not theirs: other tools, requests for approval, calls of the provider", async () => {
    const tool = vi.fn();
    const world = await createWorld({ clientTools: { pickDate: tool, deleteFile: tool } });
    await world.client.send("When?");
    world.server.thread.chunks(
      ...callChunks("call1", "search"),
      ...callChunks("call2", "toString").slice(1),
      ...approvalChunks("call3", "approval1").slice(1),
      { type: "tool-input-available", toolCallId: "call4", toolName: "pickDate", input: {}, providerExecuted: true },
    );
    world.server.thread.wait();
    await quiet();
    expect(tool).not.toHaveBeenCalled();
    expect(sent(world, "claim")).toEqual([]);
  });

  it("run in one of two pages, whichever is first", async () => {
    const [first, second] = [slowTool(), slowTool()];
    const world = await page(first.tool);
    await page(second.tool, world.server, "other-");
    await call(world);
    expect(first.runs.length + second.runs.length).toBe(1);
    [...first.runs, ...second.runs][0]!.end("tomorrow");
    await quiet();
    expect(livePart(world)).toMatchObject({ output: "tomorrow" });
    expect(first.runs.length + second.runs.length).toBe(1);
  });

  it("run in the other page when the first is gone", async () => {
    const [first, second] = [slowTool(), slowTool()];
    const world = await page(first.tool);
    await call(world);
    expect(first.runs).toHaveLength(1);
    const other = await page(second.tool, world.server, "other-");
    await quiet();
    expect(second.runs).toHaveLength(0);
    world.client.close();
    await quiet();
    expect(first.runs[0]!.signal.aborted).toBe(true);
    expect(second.runs).toHaveLength(1);
    // What the first says now is not heard, and opens nothing.
    first.runs[0]!.end("late");
    await quiet();
    expect(world.snapshot.connection.kind).toBe("idle");
    second.runs[0]!.end("tomorrow");
    await quiet();
    expect(livePart(other)).toMatchObject({ output: "tomorrow" });
  });

  it("run again after a reload", async () => {
    const [before, after] = [slowTool(), slowTool()];
    const world = await page(before.tool);
    await call(world);
    world.server.socket.drop();
    const reloaded = await page(after.tool, world.server, "reloaded-");
    await quiet();
    expect(after.runs).toHaveLength(1);
    after.runs[0]!.end("tomorrow");
    await quiet();
    expect(livePart(reloaded)).toMatchObject({ output: "tomorrow" });
  });

  it("go on over a lost connection when nobody else has taken the call, and claim it anew", async () => {
    const { runs, tool } = slowTool();
    const world = await page(tool);
    await call(world);
    world.server.socket.drop();
    await world.clock.advance(1_000);
    expect(world.snapshot.turn).toMatchObject({ claims: { call1: "connection2" } });
    expect(runs).toHaveLength(1);
    expect(runs[0]!.signal.aborted).toBe(false);
    runs[0]!.end("tomorrow");
    await quiet();
    expect(livePart(world)).toMatchObject({ output: "tomorrow" });
  });

  it("give their output over a lost connection", async () => {
    const { runs, tool } = slowTool();
    const world = await page(tool);
    await call(world);
    world.server.socket.drop();
    runs[0]!.end("tomorrow");
    await world.clock.advance(1_000);
    expect(livePart(world)).toMatchObject({ output: "tomorrow" });
    expect(runs).toHaveLength(1);
  });

  it("go on when another connection has taken the call meanwhile, and take it again when that lets go", async () => {
    const { runs, tool } = slowTool();
    const world = await page(tool);
    await call(world);
    world.server.socket.drop();
    const other = await createWorld({ server: world.server, prefix: "other-" });
    await other.client.claim("call1");
    await world.clock.advance(1_000);
    expect(runs[0]!.signal.aborted).toBe(false);
    const claims = sent(world, "claim").length;
    other.client.close();
    await quiet();
    expect(sent(world, "claim")).toHaveLength(claims + 1);
    expect(runs).toHaveLength(1);
    runs[0]!.end("tomorrow");
    await quiet();
    expect(livePart(world)).toMatchObject({ output: "tomorrow" });
  });

  it("run again when somebody else has the call at their end, and gives it up", async () => {
    const { runs, tool } = slowTool();
    const world = await page(tool);
    await call(world);
    world.server.socket.drop();
    const other = await createWorld({ server: world.server, prefix: "other-" });
    await other.client.claim("call1");
    await world.clock.advance(1_000);
    runs[0]!.end("too late");
    await quiet();
    expect(livePart(world)).toMatchObject({ state: "input-available" });
    other.client.close();
    await quiet();
    expect(runs).toHaveLength(2);
    runs[1]!.end("tomorrow");
    await quiet();
    expect(livePart(world)).toMatchObject({ output: "tomorrow" });
  });

  it("are aborted when somebody else answers, or the turn ends", async () => {
    const { runs, tool } = slowTool();
    const world = await page(tool);
    await call(world);
    await world.client.addToolOutput("call1", { output: "by hand" });
    expect(runs[0]!.signal.aborted).toBe(true);
    await call(world, "call2");
    await world.client.stop();
    expect(runs.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    runs[1]!.fail(new Error("late"));
    await quiet();
    expect(sent(world, "resolve")).toHaveLength(1);
  });

  it("end with the function that began them gave, and may begin anew on the same connection", async () => {
    const [before, after] = [slowTool(), slowTool()];
    const world = await createWorld();
    const end = runClientTools(world.client, { pickDate: before.tool });
    await call(world);
    end();
    expect(before.runs[0]!.signal.aborted).toBe(true);
    runClientTools(world.client, { pickDate: after.tool });
    await quiet();
    // What was aborted is not heard: the call is for who runs it now.
    before.runs[0]!.end("late");
    await quiet();
    after.runs[0]!.end("tomorrow");
    await quiet();
    expect(after.runs).toHaveLength(1);
    expect(livePart(world)).toMatchObject({ output: "tomorrow" });
  });

  it("run again when an edit that hid their call is refused", async () => {
    const { runs, tool } = slowTool();
    const world = await page(tool);
    await call(world);
    refuseWith(world, "queue_full");
    world.server.held = [];
    const edit = failure(world.client.edit({ messageId: world.snapshot.messages[0]!.id, text: "Now?" }));
    await quiet();
    expect(runs[0]!.signal.aborted).toBe(true);
    world.server.release();
    delete world.server.refuse;
    await edit;
    await quiet();
    runs[1]!.end("tomorrow");
    await quiet();
    expect(livePart(world)).toMatchObject({ output: "tomorrow" });
  });

  it("give nothing after a close, even before anybody has heard of it", async () => {
    const { runs, tool } = slowTool();
    const world = await page(tool);
    await call(world);
    runs[0]!.end("late");
    world.client.close();
    await quiet();
    expect(sent(world, "resolve")).toEqual([]);
    expect(world.snapshot.connection.kind).toBe("idle");
  });

  it("ask once for a claim that is refused, not with every frame, and again with the next connection", async () => {
    const { runs, tool } = slowTool();
    const world = await page(tool);
    refuseWith(world, "forbidden");
    world.server.thread.send({ id: "turn1", messageId: "message1", parts: [] });
    await call(world);
    world.server.thread.set({ field: "title", value: "a" });
    world.server.thread.set({ field: "title", value: "b" });
    await quiet();
    expect(sent(world, "claim")).toHaveLength(1);
    expect(runs).toEqual([]);
    delete world.server.refuse;
    world.server.socket.drop();
    await world.clock.advance(1_000);
    expect(runs).toHaveLength(1);
  });

  it("keep a run when the answer to its claim is lost, and run it once", async () => {
    const { runs, tool } = slowTool();
    const world = await page(tool);
    await world.client.send("When?");
    world.server.thread.chunks(...callChunks("call1"));
    await quiet();
    world.server.socket.drop();
    await world.clock.advance(1_000);
    world.server.losesAnswers = true;
    world.server.socket.drop();
    world.server.losesAnswers = false;
    await world.clock.advance(2_000);
    runs[0]!.end("tomorrow");
    await quiet();
    expect(runs).toHaveLength(1);
    expect(livePart(world)).toMatchObject({ output: "tomorrow" });
  });
});
