// Approvals on the real platform, with those of the AI SDK: the first answer wins, nothing can be forged, and the tool runs at
// most once, with the input that was put up, and only if somebody said yes.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import { GO_ON, Scripted } from "./scripted.ts";
import { nameOf, openCall, outcomesIn, replicaOf, shownCalls } from "./support/calls.ts";
import { TestSocket } from "./support/client.ts";
import { withClock } from "./support/clock.ts";
import { dumpOf, evict, stubOf, traceOf } from "./support/objects.ts";
import { PAY, payScene, waitingForPay } from "./support/pay-scene.ts";
import { approvalOf, ended, faultsOfScenes, Gate, post, Scene, SDKS, SDKS_7, waiting, resolveOf } from "./support/scene.ts";
import { ask } from "./support/threads.ts";

const DAY = 24 * 60 * 60_000;

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

afterEach(async () => {
  vi.restoreAllMocks();
  expect(await faultsOfScenes()).toEqual([]);
});

describe.each(SDKS)("with %s, a tool that needs approval", (sdk) => {
  it("waits for days without an alarm, and runs once when it is given, with the input that was put up", async () => {
    const scene = await waitingForPay({ sdk });
    expect(await scene.turnRows()).toMatchObject([{ state: "waiting", due_at: null }]);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
    expect(await scene.rows()).toEqual([]);
    expect(openCall(scene.socket, "pay")).toMatchObject({ state: "approval-requested", input: { euros: 5 } });
    await withClock(async (move) => {
      await evict(scene.threadId);
      move(5 * DAY);
      const at = Date.now();
      expect(await ask(scene.socket, approvalOf(scene, "pay", true))).toMatchObject({ type: "ack", result: { turnId: scene.turnId } });
      const { facts, id } = await ended(scene);
      expect(id).toBe(scene.turnId);
      expect(facts).toMatchObject({ outcome: "completed", attempts: 1 });
      expect(openCall(scene.socket, "pay")).toMatchObject({
        state: "output-available",
        output: "paid",
        input: { euros: 5 },
        approval: { approved: true, by: "user-1", at },
      });
    });
    expect(scene.effects).toMatchObject([{ tool: "pay", input: { euros: 5 }, key: `${scene.turnId}:1` }]);
    expect(scene.turns.map(({ attempt, resume }) => [attempt, resume?.kind])).toEqual([
      [1, undefined],
      [1, "approval"],
    ]);
    expect(scene.prompts).toHaveLength(2);
    expect(outcomesIn(scene.prompts[1]!)).toEqual([["pay", "paid"]]);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
  });

  it("does not run when it is refused, and the model reads why", async () => {
    const scene = await waitingForPay({ sdk });
    await ask(scene.socket, approvalOf(scene, "pay", false, "Too expensive"));
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 1 });
    expect(scene.effects).toEqual([]);
    expect(openCall(scene.socket, "pay")).toMatchObject({
      state: "output-denied",
      approval: { approved: false, reason: "Too expensive", by: "user-1" },
    });
    expect(JSON.stringify(scene.prompts[1])).toContain("Too expensive");
  });

  it.each([
    [0, 1],
    [1, 0],
  ])("runs only where it was approved, of two in one step, answered in the order %i, %i", async (...order) => {
    const scene = await payScene([[PAY, { tool: "pay", input: { euros: 6 } }], "Half."], { sdk });
    await scene.send();
    await waiting(scene);
    const ids = shownCalls(scene.socket).map(({ approval }) => approval!.id);
    for (const index of order) {
      expect(scene.turns).toHaveLength(1);
      const answer = { ...resolveOf(scene), approvalId: ids[index]!, approved: index === 1 };
      expect(await ask(scene.socket, answer)).toMatchObject({ type: "ack" });
    }
    await ended(scene);
    expect(scene.turns).toHaveLength(2);
    expect(scene.effects.map(({ input }) => input)).toEqual([{ euros: 6 }]);
    expect(shownCalls(scene.socket).map(({ state }) => state)).toEqual(["output-denied", "output-available"]);
  });

  it("is asked for in each of two steps, and attempts begin at 1 each time", async () => {
    const scene = await payScene([[PAY], [{ tool: "pay", input: { euros: 6 } }], "Twice."], { sdk });
    await scene.send();
    await waiting(scene);
    await ask(scene.socket, approvalOf(scene, "pay", true));
    await waiting(scene, 2);
    expect(shownCalls(scene.socket).map(({ state }) => state)).toEqual(["output-available", "approval-requested"]);
    await ask(scene.socket, approvalOf(scene, "pay", true));
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 1 });
    expect(scene.effects.map(({ input }) => input)).toEqual([{ euros: 5 }, { euros: 6 }]);
    expect(scene.turns.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  });

  it("keeps its calls apart when the provider uses one id in both steps", async () => {
    const scene = await payScene([[{ ...PAY, id: "call_0" }], [{ tool: "pay", input: { euros: 6 }, id: "call_0" }], "Twice."], { sdk });
    await scene.send();
    await waiting(scene);
    await ask(scene.socket, approvalOf(scene, "pay", true));
    await waiting(scene, 2);
    await ask(scene.socket, approvalOf(scene, "pay", false));
    await ended(scene);
    expect(scene.effects.map(({ input }) => input)).toEqual([{ euros: 5 }]);
    expect(shownCalls(scene.socket).map(({ state }) => state)).toEqual(["output-available", "output-denied"]);
  });

  it("is approved while a tool beside it is still at work: each runs once, and the turn goes on when both can", async () => {
    const gate = new Gate();
    const scene = await payScene([[PAY, { tool: "slow", input: {} }], "Both."], {
      sdk,
      others: (scene) => ({ slow: scene.tool("slow", () => gate.pass()) }),
    });
    await scene.send();
    await scene.reach(gate);
    await scene.socket.until((socket) => shownCalls(socket)[0]?.state === "approval-requested" && shownCalls(socket).length === 2);
    expect(replicaOf(scene.socket).turn?.state).toBe("running");
    expect(await ask(scene.socket, approvalOf(scene, "pay", true))).toMatchObject({ type: "ack" });
    expect(scene.effects.map(({ tool }) => tool)).toEqual(["slow"]);
    await scene.pass(gate, "slowly");
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 1 });
    expect(scene.effects.map(({ tool }) => tool)).toEqual(["slow", "pay"]);
    expect(shownCalls(scene.socket).map(({ output }) => output)).toEqual(["paid", "slowly"]);
    // No wait in between: the answer was there already.
    expect(scene.socket.frames.some((frame) => "turn" in frame && frame.turn?.state === "waiting")).toBe(false);
  });
});

describe("an answer", () => {
  it("comes over HTTP and from the server itself, and says who gave it", async () => {
    const byHttp = await waitingForPay();
    const { status, body } = await post(byHttp.threadId, "user-2", approvalOf(byHttp, "pay", true));
    expect([status, body]).toMatchObject([200, { ack: { result: { turnId: byHttp.turnId } } }]);
    await ended(byHttp);
    expect(openCall(byHttp.socket, "pay")).toMatchObject({ state: "output-available", approval: { by: "user-2" } });

    const byRpc = await waitingForPay();
    const { epoch: _epoch, ...command } = approvalOf(byRpc, "pay", false, "By rule");
    const request = { principal: { id: "system:rules" }, tenant: "", threadId: byRpc.threadId, command };
    expect(await stubOf(byRpc.threadId).command(request)).toMatchObject({ ok: true });
    await ended(byRpc);
    expect(openCall(byRpc.socket, "pay")).toMatchObject({ state: "output-denied", approval: { by: "system:rules", reason: "By rule" } });
  });

  it("wins when it is the first; the other one is told what was said, whoever asks by whichever road", async () => {
    const gate = new Gate();
    const scene = await waitingForPay();
    const other = await TestSocket.open(scene.threadId, "user-2");
    // The turn goes on, but does not end before both have their answer.
    scene.stunts.push(async (turn) => (await gate.pass(), scene.answer(turn)));
    const refusal = approvalOf(scene, "pay", false, "Mine first");
    const [first, second] = await Promise.all([ask(other, refusal), ask(scene.socket, approvalOf(scene, "pay", true))]);
    const [winner, loser] = first.type === "ack" ? [first, second] : [second, first];
    expect(winner.type).toBe("ack");
    const by = first.type === "ack" ? "user-2" : "user-1";
    expect(loser).toMatchObject({ type: "error", code: "already_resolved", details: { approved: by === "user-1", by } });
    await scene.pass(gate);
    await ended(scene);
    expect(scene.effects).toHaveLength(by === "user-1" ? 1 : 0);
    const late = await post(scene.threadId, "user-1", { ...approvalOf(scene, "pay", true), turnId: scene.turnId });
    expect([late.status, late.body]).toMatchObject([409, { error: { code: "already_resolved" } }]);
  });

  it("that is repeated gets its first ack, over any road, and does nothing", async () => {
    const scene = await waitingForPay();
    const answer = approvalOf(scene, "pay", true);
    const ack = await ask(scene.socket, answer);
    await ended(scene);
    expect(await ask(scene.socket, answer)).toEqual(ack);
    await evict(scene.threadId);
    expect((await post(scene.threadId, "user-1", answer)).body).toEqual({ ack });
    expect(scene.effects).toHaveLength(1);
    expect(await ask(scene.socket, { ...answer, approved: false })).toMatchObject({ type: "error", code: "id_reused" });
  });

  it("that is forged is refused, and changes nothing", async () => {
    const scene = await payScene([[PAY], "One.", [PAY], "Two."]);
    const oldTurn = await scene.send();
    await waiting(scene);
    const { id: oldApproval } = openCall(scene.socket, "pay").approval!;
    await ask(scene.socket, approvalOf(scene, "pay", false));
    await ended(scene);
    const turnId = await scene.send();
    await waiting(scene, 2);
    const good = approvalOf(scene, "pay", true);
    const viewer = await TestSocket.open(scene.threadId, "user-viewer");
    const before = await dumpOf(scene.threadId);
    const { approvalId } = good;
    const forged: [object, string][] = [
      [{ ...good, approvalId: "made-up" }, "not_found"],
      // An approval of an older turn, under this turn and under its own.
      [{ ...good, approvalId: oldApproval }, "not_found"],
      [{ ...good, turnId: oldTurn, approvalId: oldApproval }, "already_resolved"],
      [{ ...good, turnId: oldTurn }, "already_resolved"],
      [{ ...good, turnId: newId() }, "not_found"],
      [{ ...good, epoch: newId() }, "stale_epoch"],
      [{ ...good, input: { euros: 1 } }, "bad_frame"],
      [{ ...good, by: "user-2" }, "bad_frame"],
      [{ ...good, at: 1 }, "bad_frame"],
      [{ ...good, output: "paid" }, "bad_frame"],
      [{ ...good, approved: "yes" }, "bad_frame"],
      [{ ...good, reason: "x".repeat(100_000) }, "bad_frame"],
      // An output for a call that is the server's to run.
      [{ ...resolveOf(scene), callId: openCall(scene.socket, "pay").toolCallId, output: "paid" }, "forbidden"],
    ];
    for (const [command, code] of forged) {
      const answer = await ask(scene.socket, { ...command, id: newId() });
      expect(answer, JSON.stringify(command).slice(0, 300)).toMatchObject({ type: "error", code });
    }
    expect(await ask(viewer, { ...good, id: newId() })).toMatchObject({ type: "error", code: "forbidden" });
    expect((await post(scene.threadId, "user-3", { ...good, id: newId() })).status).toBe(404);
    expect((await post(scene.threadId, "user-viewer", { ...good, id: newId() })).status).toBe(403);
    expect(await dumpOf(scene.threadId)).toBe(before);
    expect(scene.effects).toEqual([]);
    expect([turnId, approvalId]).toEqual([good.turnId, good.approvalId]);
    expect(await ask(scene.socket, good)).toMatchObject({ type: "ack" });
    await ended(scene, 2);
    expect(scene.effects).toHaveLength(1);
  });

  it("is not lost when the process dies right after it was accepted, and the tool runs once", async () => {
    for (const policy of [Scripted.configure(), GO_ON]) {
      vi.spyOn(Scripted, "configure").mockReturnValue(policy);
      const scene = await waitingForPay();
      scene.silence();
      expect(await ask(scene.socket, approvalOf(scene, "pay", true))).toMatchObject({ type: "ack" });
      await scene.crash();
      expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 2 });
      expect(scene.effects).toHaveLength(1);
      expect(openCall(scene.socket, "pay")).toMatchObject({ output: "paid", approval: { approved: true, by: "user-1" } });
    }
  });
});

describe.each(SDKS_7)("a rule of the app, with %s,", (sdk) => {
  it("that approves or denies is recorded like a person's answer, and nothing waits", async () => {
    const scene = await Scene.stage((scene) => ({ pay: scene.tool("pay"), drop: scene.tool("drop") }), {
      sdk,
      script: [[PAY, { tool: "drop", input: {} }], "Done."],
      settings: { toolApproval: { pay: { type: "approved", reason: "Under ten" }, drop: { type: "denied", reason: "Never" } } },
    });
    await scene.send();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 1 });
    expect(shownCalls(scene.socket).map(nameOf)).toEqual(["pay", "drop"]);
    expect(openCall(scene.socket, "pay")).toMatchObject({
      state: "output-available",
      approval: { approved: true, isAutomatic: true, reason: "Under ten", at: expect.any(Number) },
    });
    expect(openCall(scene.socket, "drop")).toMatchObject({
      state: "output-denied",
      approval: { approved: false, isAutomatic: true, reason: "Never", at: expect.any(Number) },
    });
    expect(scene.effects.map(({ tool }) => tool)).toEqual(["pay"]);
    expect(scene.turns).toHaveLength(1);
    expect(scene.socket.frames.some((frame) => "turn" in frame && frame.turn?.state === "waiting")).toBe(false);
  });

  it("beside a question to a person keeps its answer over the wait", async () => {
    const scene = await Scene.stage((scene) => ({ pay: scene.tool("pay"), drop: scene.tool("drop"), look: scene.tool("look") }), {
      sdk,
      script: [[PAY, { tool: "drop", input: {} }, { tool: "look", input: {} }], "Done."],
      settings: { toolApproval: { pay: "user-approval", drop: "denied", look: "approved" } },
    });
    await scene.send();
    await waiting(scene);
    await evict(scene.threadId);
    await ask(scene.socket, approvalOf(scene, "pay", true));
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(shownCalls(scene.socket).map((part) => [nameOf(part), part.state])).toEqual([
      ["pay", "output-available"],
      ["drop", "output-denied"],
      ["look", "output-available"],
    ]);
    expect(scene.effects.map(({ tool }) => tool)).toEqual(expect.arrayContaining(["look", "pay"]));
  });
});
