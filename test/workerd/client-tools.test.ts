// Client tools on the real platform: a call of the model that only a client can answer. One connection runs it, and the turn goes
// on once, after every call of the step has its outcome, whatever was reloaded or has died.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import { GO_ON, Scripted } from "./scripted.ts";
import { openCall, outcomesIn, replicaOf, shownCalls } from "./support/calls.ts";
import { clientScene, clientTool, DATE, LOCATE, PICK, waitingForClient } from "./support/client-tool-scene.ts";
import { TestSocket } from "./support/client.ts";
import { dumpOf, evict, traceOf } from "./support/objects.ts";
import { approvalOf, claimOf, ended, faultsOfScenes, Gate, outputOf, post, SDKS, waiting, resolveOf } from "./support/scene.ts";
import { ask } from "./support/threads.ts";

const UNKNOWN = "Interrupted, outcome unknown.";

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

afterEach(async () => {
  vi.restoreAllMocks();
  expect(await faultsOfScenes()).toEqual([]);
});

describe.each(SDKS)("with %s, a client tool", (sdk) => {
  it("makes the turn wait without an alarm, and its output makes it go on, once", async () => {
    const scene = await waitingForClient([PICK], sdk);
    expect(await scene.turnRows()).toMatchObject([{ state: "waiting", due_at: null }]);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
    await evict(scene.threadId);
    expect(await ask(scene.socket, outputOf(scene, "pickDate", DATE))).toMatchObject({ type: "ack" });
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 1 });
    expect(openCall(scene.socket, "pickDate")).toMatchObject({ state: "output-available", input: PICK.input, output: DATE });
    expect(scene.turns.map(({ resume }) => resume?.kind)).toEqual([undefined, "client-tool"]);
    expect(outcomesIn(scene.prompts[1]!)).toEqual([["pickDate", DATE]]);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
  });

  it("is one of three in a step: the turn goes on once, after the last, across an eviction, a crash and a reload", async () => {
    const scene = await waitingForClient([PICK, LOCATE, { tool: "pickDate", input: { label: "Until?" } }], sdk);
    const calls = shownCalls(scene.socket);
    const answer = (index: number, output: unknown) => ({ ...resolveOf(scene), callId: calls[index]!.toolCallId, output });
    expect(await ask(scene.socket, answer(2, DATE))).toMatchObject({ type: "ack" });
    await evict(scene.threadId);
    expect(await ask(scene.socket, answer(0, DATE))).toMatchObject({ type: "ack" });
    await scene.crash();
    const late = await TestSocket.open(scene.threadId, "user-1");
    expect(shownCalls(late).map(({ state }) => state)).toEqual(["output-available", "input-available", "output-available"]);
    expect([scene.turns.length, scene.prompts.length]).toEqual([1, 1]);
    expect(await ask(late, answer(1, "Rome"))).toMatchObject({ type: "ack" });
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 1 });
    expect([scene.turns.length, scene.prompts.length]).toEqual([2, 2]);
    expect(outcomesIn(scene.prompts[1]!)).toEqual([
      ["pickDate", DATE],
      ["locate", "Rome"],
      ["pickDate", DATE],
    ]);
  });

  it("may fail in the client, which the model reads", async () => {
    const scene = await waitingForClient([LOCATE], sdk);
    const { output: _output, ...command } = outputOf(scene, "locate", null);
    expect(await ask(scene.socket, { ...command, errorText: "No permission" })).toMatchObject({ type: "ack" });
    await ended(scene);
    expect(openCall(scene.socket, "locate")).toMatchObject({ state: "output-error", errorText: "No permission" });
    expect(outcomesIn(scene.prompts[1]!)).toEqual([["locate", "No permission"]]);
  });

  it("beside a tool of the server and one that needs approval waits for both people and clients, in any order", async () => {
    for (const isApprovedFirst of [true, false]) {
      const asking = sdk.endsWith("7") ? { toolApproval: { pay: "user-approval" } } : {};
      const extra = sdk.endsWith("7") ? {} : { needsApproval: true };
      const scene = await clientScene([[PICK, { tool: "pay", input: {} }, { tool: "read", input: {} }], "Done."], {
        sdk,
        settings: asking,
        others: (scene) => ({ pay: scene.tool("pay", () => "paid", extra), read: scene.tool("read", () => "text") }),
      });
      await scene.send();
      await waiting(scene);
      const answers = [approvalOf(scene, "pay", true), outputOf(scene, "pickDate", DATE)];
      if (!isApprovedFirst) answers.reverse();
      expect(await ask(scene.socket, answers[0]!)).toMatchObject({ type: "ack" });
      await evict(scene.threadId);
      expect(scene.turns).toHaveLength(1);
      expect(await ask(scene.socket, answers[1]!)).toMatchObject({ type: "ack" });
      expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 1 });
      expect(scene.effects.map(({ tool }) => tool)).toEqual(["read", "pay"]);
      expect(shownCalls(scene.socket).map(({ output }) => output)).toEqual([DATE, "paid", "text"]);
      expect(scene.turns).toHaveLength(2);
    }
  });

  it("that the class does not declare gets an outcome, and the turn ends", async () => {
    const scene = await clientScene([[{ tool: "sing", input: {} }]], { sdk, others: (scene) => ({ sing: clientTool(scene, "sing") }) });
    await scene.send();
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(openCall(scene.socket, "sing").state).toBe("output-error");
    expect(scene.turns).toHaveLength(1);
    const next = await scene.send().catch(String);
    expect(next).toEqual(expect.any(String));
    await ended(scene, 2);
  });

  it("is answered while a tool beside it is still at work", async () => {
    const gate = new Gate();
    const scene = await clientScene([[LOCATE, { tool: "slow", input: {} }], "Done."], {
      sdk,
      others: (scene) => ({ slow: scene.tool("slow", () => gate.pass()) }),
    });
    await scene.send();
    await scene.reach(gate);
    await scene.socket.until(
      (socket) => shownCalls(socket).every(({ state }) => state === "input-available") && shownCalls(socket).length === 2,
    );
    expect(await ask(scene.socket, outputOf(scene, "locate", "Rome"))).toMatchObject({ type: "ack" });
    expect(scene.turns).toHaveLength(1);
    await scene.pass(gate, "slowly");
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 1 });
    expect(shownCalls(scene.socket).map(({ output }) => output)).toEqual(["Rome", "slowly"]);
    expect(scene.turns).toHaveLength(2);
  });

  it("that was answered is not asked again after a crash of the run that goes on", async () => {
    for (const policy of [Scripted.configure(), GO_ON]) {
      vi.spyOn(Scripted, "configure").mockReturnValue(policy);
      const scene = await waitingForClient([LOCATE], sdk);
      scene.silence();
      await ask(scene.socket, outputOf(scene, "locate", "Rome"));
      await scene.crash();
      expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 2 });
      expect(openCall(scene.socket, "locate")).toMatchObject({ output: "Rome" });
      expect(outcomesIn(scene.prompts[1]!)).toEqual([["locate", "Rome"]]);
    }
  });

  it("in the log before its run has ended is not lost in a crash", async () => {
    const gate = new Gate();
    const scene = await clientScene([[LOCATE, { tool: "slow", input: {} }], "Done."], {
      sdk,
      others: (scene) => ({ slow: scene.tool("slow", () => gate.pass()) }),
    });
    await scene.send();
    await scene.reach(gate);
    await scene.socket.until(
      (socket) => shownCalls(socket).every(({ state }) => state === "input-available") && shownCalls(socket).length === 2,
    );
    await scene.crash();
    await waiting(scene);
    expect(shownCalls(scene.socket)).toMatchObject([{ state: "input-available" }, { errorText: UNKNOWN }]);
    await ask(scene.socket, outputOf(scene, "locate", "Rome"));
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(scene.effects).toHaveLength(1);
  });
});

describe("a claim", () => {
  const claimed = { type: "error", code: "already_claimed" };

  it("goes to the first connection, is seen by all, and nobody else may answer", async () => {
    const scene = await waitingForClient();
    const other = await TestSocket.open(scene.threadId, "user-2");
    const sameUser = await TestSocket.open(scene.threadId, "user-1");
    const claim = claimOf(scene, "pickDate");
    expect(await ask(other, claim)).toMatchObject({ type: "ack" });
    expect(await ask(scene.socket, claimOf(scene, "pickDate"))).toMatchObject(claimed);
    expect(await ask(sameUser, claimOf(scene, "pickDate"))).toMatchObject(claimed);
    const holder = other.of("welcome")[0]!.connection;
    expect(replicaOf(scene.socket).turn?.claims).toEqual({ [claim.callId]: holder });
    const late = await TestSocket.open(scene.threadId, "user-1");
    expect(late.of("snapshot")[0]!.turn?.claims).toEqual({ [claim.callId]: holder });
    expect(await ask(scene.socket, outputOf(scene, "pickDate", DATE))).toMatchObject(claimed);
    const { status, body } = await post(scene.threadId, "user-1", outputOf(scene, "pickDate", DATE));
    expect([status, body]).toMatchObject([409, { error: { code: "already_claimed" } }]);
    // Again by its holder: still its own.
    expect(await ask(other, claimOf(scene, "pickDate"))).toMatchObject({ type: "ack" });
    // Over whatever road: its line may be dead without our knowing.
    expect((await post(scene.threadId, "user-2", outputOf(scene, "pickDate", DATE))).status).toBe(200);
    await ended(scene);
    expect(openCall(scene.socket, "pickDate")).toMatchObject({ output: DATE });
  });

  it("lasts over an eviction, and is freed when its connection goes: another one may claim and answer", async () => {
    const scene = await waitingForClient();
    const other = await TestSocket.open(scene.threadId, "user-2");
    await ask(other, claimOf(scene, "pickDate"));
    await evict(scene.threadId);
    expect(await ask(scene.socket, claimOf(scene, "pickDate"))).toMatchObject(claimed);
    other.close();
    await scene.socket.until((socket) => replicaOf(socket).turn?.claims === undefined);
    expect(await ask(scene.socket, claimOf(scene, "pickDate"))).toMatchObject({ type: "ack" });
    expect(await ask(scene.socket, outputOf(scene, "pickDate", DATE))).toMatchObject({ type: "ack" });
    await ended(scene);
  });

  it("binds nobody when its connection has died with the process", async () => {
    const scene = await waitingForClient();
    await ask(scene.socket, claimOf(scene, "pickDate"));
    await scene.crash();
    expect(replicaOf(scene.socket).turn?.claims).toBeUndefined();
    expect((await post(scene.threadId, "user-2", outputOf(scene, "pickDate", DATE))).status).toBe(200);
    await ended(scene);
  });

  it("is refused where it means nothing, and changes nothing", async () => {
    const scene = await waitingForClient([PICK, LOCATE]);
    await ask(scene.socket, outputOf(scene, "locate", "Rome"));
    const viewer = await TestSocket.open(scene.threadId, "user-viewer");
    const before = await dumpOf(scene.threadId);
    const good = claimOf(scene, "pickDate");
    expect((await post(scene.threadId, "user-1", good)).body).toMatchObject({ error: { code: "bad_request" } });
    expect(await ask(viewer, { ...good, id: newId() })).toMatchObject({ code: "forbidden" });
    expect(await ask(scene.socket, { ...good, id: newId(), callId: "made-up" })).toMatchObject({ code: "not_found" });
    expect(await ask(scene.socket, { ...good, id: newId(), turnId: newId() })).toMatchObject({ code: "not_found" });
    expect(await ask(scene.socket, claimOf(scene, "locate"))).toMatchObject({ code: "already_resolved" });
    expect(await dumpOf(scene.threadId)).toBe(before);
    expect(await ask(scene.socket, good)).toMatchObject({ type: "ack" });
  });
});
