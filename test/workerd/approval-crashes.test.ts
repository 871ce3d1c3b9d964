// Crashes around approvals: no question and no answer is lost, and an approved tool runs at most once.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newId } from "../../src/protocol/ids.ts";
import type { Chunk } from "../../src/protocol/messages.ts";
import { GO_ON, Scripted } from "./scripted.ts";
import { nameOf, openCall, outcomesIn, shownCalls } from "./support/calls.ts";
import { failingAfter } from "./support/meter.ts";
import { accepted } from "./support/asking.ts";
import { TestSocket } from "./support/client.ts";
import { dumpOf, evict, play, traceOf } from "./support/objects.ts";
import { PAY, payScene, waitingForPay } from "./support/pay-scene.ts";
import { approvalOf, ended, faultsOfScenes, Gate, post, SDKS, waiting } from "./support/scene.ts";
import { ask, end, openThread, sendOf } from "./support/threads.ts";

const UNKNOWN = "Interrupted, outcome unknown.";

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

afterEach(async () => {
  vi.restoreAllMocks();
  expect(await faultsOfScenes()).toEqual([]);
});

describe("a crash", () => {
  it.each(SDKS)("in the approved tool leaves its outcome unknown, and it never runs again: %s", async (sdk) => {
    for (const [policy, outcome] of [
      [Scripted.configure(), "interrupted"],
      [GO_ON, "completed"],
    ] as const) {
      vi.spyOn(Scripted, "configure").mockReturnValue(policy);
      const gate = new Gate();
      const scene = await waitingForPay({ sdk, pay: () => gate.pass() });
      await ask(scene.socket, approvalOf(scene, "pay", true));
      await scene.reach(gate);
      await scene.crash();
      expect((await ended(scene)).facts.outcome).toBe(outcome);
      expect(scene.effects).toHaveLength(1);
      expect(openCall(scene.socket, "pay")).toMatchObject({ state: "output-error", errorText: UNKNOWN, approval: { approved: true } });
      if (outcome === "completed") expect(outcomesIn(scene.prompts[1]!)).toEqual([["pay", UNKNOWN]]);
    }
  });

  it.each(SDKS)("in an approved tool that is idempotent runs it again with its key: %s", async (sdk) => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const gate = new Gate();
    let runs = 0;
    const scene = await waitingForPay({ sdk, pay: () => (runs++ ? "paid" : gate.pass()), extra: { idempotent: true } });
    await ask(scene.socket, approvalOf(scene, "pay", true));
    await scene.reach(gate);
    await scene.crash();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 2 });
    expect(scene.effects.map(({ key }) => key)).toEqual([`${scene.turnId}:1`, `${scene.turnId}:1`]);
    expect(openCall(scene.socket, "pay")).toMatchObject({ output: "paid", approval: { approved: true, by: "user-1" } });
  });

  it.each(SDKS)("before the run that asked has ended does not lose the question: %s", async (sdk) => {
    for (const policy of [Scripted.configure(), GO_ON]) {
      vi.spyOn(Scripted, "configure").mockReturnValue(policy);
      const gate = new Gate();
      const scene = await payScene([[PAY, { tool: "slow", input: {} }], "Done."], {
        sdk,
        others: (scene) => ({ slow: scene.tool("slow", () => gate.pass()) }),
      });
      await scene.send();
      await scene.reach(gate);
      await scene.socket.until((socket) => shownCalls(socket)[0]?.state === "approval-requested" && shownCalls(socket).length === 2);
      await scene.crash();
      await waiting(scene);
      expect(shownCalls(scene.socket)).toMatchObject([{ state: "approval-requested" }, { state: "output-error", errorText: UNKNOWN }]);
      expect(await scene.turnRows()).toMatchObject([{ state: "waiting", due_at: null }]);
      expect((await traceOf(scene.threadId)).alarm).toBeNull();
      await ask(scene.socket, approvalOf(scene, "pay", true));
      expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 1 });
      expect(scene.effects.map(({ tool }) => tool)).toEqual(["slow", "pay"]);
      expect(new Map(outcomesIn(scene.prompts[1]!))).toEqual(
        new Map<string, unknown>([
          ["pay", "paid"],
          ["slow", UNKNOWN],
        ]),
      );
    }
  });

  it.each(SDKS)("after the answer and before the tool beside it has ended runs what was approved, once: %s", async (sdk) => {
    const gate = new Gate();
    const scene = await payScene([[PAY, { tool: "slow", input: {} }], "Done."], {
      sdk,
      others: (scene) => ({ slow: scene.tool("slow", () => gate.pass()) }),
    });
    await scene.send();
    await scene.reach(gate);
    await scene.socket.until((socket) => shownCalls(socket)[0]?.state === "approval-requested" && shownCalls(socket).length === 2);
    await ask(scene.socket, approvalOf(scene, "pay", true));
    await scene.crash();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed" });
    expect(scene.effects.map(({ tool }) => tool)).toEqual(["slow", "pay"]);
    expect(shownCalls(scene.socket)).toMatchObject([{ output: "paid" }, { errorText: UNKNOWN }]);
  });
});

it("a call that a crash left without a start beside a question is told as interrupted, not as one that nobody declared", async () => {
  const { threadId, socket, epoch } = await openThread();
  await accepted(socket, sendOf(epoch));
  await play(threadId, (run) => {
    run.write({ type: "tool-input-available", toolCallId: "c1", toolName: "slow", input: {} });
    run.write({ type: "tool-input-available", toolCallId: "c2", toolName: "pay", input: {} });
    run.write({ type: "tool-approval-request", toolCallId: "c2", approvalId: "a1" });
  });
  await socket.until(() => socket.of("chunks").some(({ items }) => items.some(({ type }) => type === "tool-approval-request")));
  await evict(threadId);
  const late = await TestSocket.open(threadId, "user-1");
  const { turn, live } = late.of("snapshot")[0]!;
  expect(turn).toMatchObject({ state: "waiting" });
  expect(live!.message.parts.slice(-2)).toMatchObject([{ state: "output-error", errorText: UNKNOWN }, { state: "approval-requested" }]);
});

it.each([
  ["a word", []],
  ["a status and a word", [{ type: "data-status", data: { text: "Paying" } }]],
] satisfies [string, Chunk[]][])(
  "an approved call stays to be run after a run that said only %s before its crash",
  async (_name, first) => {
    const { threadId, socket, epoch } = await openThread();
    const { turnId } = (await accepted(socket, sendOf(epoch))).result!;
    await play(threadId, (run) => {
      run.write({ type: "tool-input-available", toolCallId: "c1", toolName: "pay", input: {} });
      run.write({ type: "tool-approval-request", toolCallId: "c1", approvalId: "a1" });
      run.end();
    });
    await socket.until(() => socket.of("delta").some(({ turn }) => turn?.state === "waiting"));
    await accepted(socket, { type: "resolve", id: newId(), epoch, turnId, approvalId: "a1", approved: true });
    await play(threadId, (run) => {
      for (const chunk of first) run.write(chunk);
      run.text("One moment.");
    });
    await socket.until(() => socket.of("chunks").some(({ items }) => items.some(({ type }) => type === "text-delta")));
    await evict(threadId);
    const late = await TestSocket.open(threadId, "user-1");
    const { turn, live } = late.of("snapshot")[0]!;
    expect(turn).toMatchObject({ state: "running", attempt: 2 });
    expect(live!.message.parts.find((part) => part.type === "tool-pay")).toMatchObject({ state: "approval-responded" });
  },
);

describe("an approved call", () => {
  it("that no run ever takes up is given up after three attempts, and ends with the turn", async () => {
    const scene = await waitingForPay();
    scene.silence();
    await ask(scene.socket, approvalOf(scene, "pay", true));
    for (let attempt = 2; attempt <= 3; attempt++) {
      scene.silence();
      await scene.crash();
    }
    await scene.crash();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "failed", attempts: 3, error: { code: "attempts_exhausted" } });
    expect(openCall(scene.socket, "pay")).toMatchObject({ state: "output-error", approval: { approved: true, by: "user-1" } });
    expect(scene.effects).toEqual([]);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
  });

  it("is stopped while its tool runs: the late result is dropped", async () => {
    const gate = new Gate();
    const scene = await waitingForPay({ pay: () => gate.pass() });
    await ask(scene.socket, approvalOf(scene, "pay", true));
    await scene.reach(gate);
    await end("stop", scene.socket, scene.socket.epoch, scene.turnId);
    expect((await ended(scene)).facts.outcome).toBe("stopped");
    const before = await dumpOf(scene.threadId);
    await scene.pass(gate, "late");
    await scene.inside(() => scheduler.wait(0));
    expect(await dumpOf(scene.threadId)).toBe(before);
    expect(openCall(scene.socket, "pay")).toMatchObject({ state: "output-error", approval: { approved: true } });
    expect(scene.effects).toHaveLength(1);
  });

  it.each(SDKS)("under an id that an earlier call of the turn had keeps its own outcome over a crash: %s", async (sdk) => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const gate = new Gate();
    const first: (() => unknown)[] = [() => "paid", () => gate.pass()];
    const scene = await payScene([[{ ...PAY, id: "call_0" }], [{ ...PAY, id: "call_0" }], "Done."], { sdk, pay: () => first.shift()!() });
    await scene.send();
    await waiting(scene);
    await ask(scene.socket, approvalOf(scene, "pay", true));
    await waiting(scene, 2);
    await ask(scene.socket, approvalOf(scene, "pay", true));
    await scene.reach(gate);
    await scene.crash();
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(shownCalls(scene.socket)).toMatchObject([
      { state: "output-available", output: "paid" },
      { state: "output-error", errorText: UNKNOWN },
    ]);
    expect(scene.effects).toHaveLength(2);
    expect(outcomesIn(scene.prompts[2]!)).toEqual([
      ["pay", "paid"],
      ["pay", UNKNOWN],
    ]);
  });

  it("of a reply that goes on by hand is one of that reply", async () => {
    const gate = new Gate();
    const scene = await payScene([["Let me see. ", { tool: "slow", input: {} }], [PAY], "Paid."], {
      others: (scene) => ({ slow: scene.tool("slow", () => gate.pass()) }),
    });
    const turnId = await scene.send();
    await scene.reach(gate);
    await scene.socket.until((socket) => shownCalls(socket).length === 1);
    await end("stop", scene.socket, scene.socket.epoch, turnId);
    await ended(scene);
    const goOn = { type: "continue", id: newId(), epoch: scene.socket.epoch, messageId: turnId };
    expect(await ask(scene.socket, goOn)).toMatchObject({ type: "ack" });
    await waiting(scene);
    await scene.crash();
    const answer = approvalOf(scene, "pay", true);
    expect(answer.turnId).toBe(goOn.id);
    expect(await ask(scene.socket, answer)).toMatchObject({ type: "ack" });
    const { id, facts } = await ended(scene);
    expect([id, facts.outcome]).toEqual([turnId, "completed"]);
    expect(shownCalls(scene.socket).map((part) => [nameOf(part), part.state])).toEqual([
      ["slow", "output-error"],
      ["pay", "output-available"],
    ]);
    expect(scene.effects.map(({ tool, key }) => [tool, key])).toEqual([
      ["slow", `${turnId}:1`],
      ["pay", `${goOn.id}:1`],
    ]);
    expect(await ask(scene.socket, { ...answer, id: newId() })).toMatchObject({ code: "already_resolved" });
  });
});

describe("an answer that cannot be stored", () => {
  it("changes nothing, at whichever statement it fails, and is taken when it comes again", async () => {
    let first: Record<string, unknown> = {};
    let count = 0;
    while (!first.ack) {
      count++;
      const scene = await waitingForPay();
      scene.silence();
      const before = await dumpOf(scene.threadId);
      const answer = approvalOf(scene, "pay", true);
      await failingAfter(count, async () => void (first = (await post(scene.threadId, "user-1", answer)).body));
      // Where it was taken, what failed came after its transaction.
      if (!first.ack) {
        expect(first).toMatchObject({ error: { code: "internal" } });
        expect(await dumpOf(scene.threadId)).toBe(before);
        expect((await post(scene.threadId, "user-1", answer)).status).toBe(200);
      }
      await scene.crash();
      await ended(scene);
      expect(scene.effects).toHaveLength(1);
      expect(openCall(scene.socket, "pay")).toMatchObject({ output: "paid" });
    }
    expect(count).toBeGreaterThan(5);
  }, 30_000);
});
