// `turn.tools` on the real platform, with the real AI SDK: a tool's call is stored before it runs, and its outcome before anyone
// sees it.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Scripted } from "./scripted.ts";
import { callsOf, shownCalls } from "./support/calls.ts";
import { billedWrites, metered } from "./support/meter.ts";
import { traceOf } from "./support/objects.ts";
import { ended, faultsOfScenes, Gate, Scene, SDKS, stored } from "./support/scene.ts";
import { end } from "./support/threads.ts";

const CALL = { tool: "charge", input: { euros: 5 } };

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

afterEach(async () => {
  vi.restoreAllMocks();
  expect(await faultsOfScenes()).toEqual([]);
});

describe.each(SDKS)("with %s, a tool", (sdk) => {
  it("is stored before it runs, and its outcome before it is shown; nothing of it stays after the turn", async () => {
    const gate = new Gate();
    const scene = await Scene.stage((scene) => ({ charge: scene.tool("charge", () => gate.pass()) }), { sdk, script: [[CALL], "Paid."] });
    const turnId = await scene.send();
    await scene.reach(gate);
    expect(await scene.rows()).toMatchObject([{ n: 1, name: "charge", run: 1, outcome: null }]);
    expect(JSON.parse((await scene.rows())[0]!.body)).toMatchObject({ input: { euros: 5 } });
    expect(scene.effects).toMatchObject([{ input: { euros: 5 }, key: `${turnId}:1` }]);
    await scene.pass(gate, { receipt: 7 });
    const { facts } = await ended(scene);
    expect(facts).toMatchObject({ outcome: "completed", attempts: 1 });
    expect(await scene.rows()).toEqual([]);
    expect(shownCalls(scene.socket)).toMatchObject([{ type: "tool-charge", state: "output-available", output: { receipt: 7 } }]);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
  });

  it("that fails is shown with a general text, or with what the hook of the app says", async () => {
    const fail = (): never => {
      throw new Error("password=hunter2");
    };
    const plain = await Scene.stage((scene) => ({ charge: scene.tool("charge", fail) }), { sdk, script: [[CALL], "Sorry."] });
    await plain.send();
    await ended(plain);
    expect(shownCalls(plain.socket)).toMatchObject([{ state: "output-error", errorText: "Something went wrong while answering." }]);
    expect(plain.socket.texts.join()).not.toContain("hunter2");
    const told = await Scene.stage((scene) => ({ charge: scene.tool("charge", fail) }), {
      sdk,
      script: [[CALL], "Sorry."],
      errorText: (error) => `told: ${(error as Error).name}`,
    });
    await told.send();
    await ended(told);
    expect(shownCalls(told.socket)).toMatchObject([{ state: "output-error", errorText: "told: Error" }]);
  });

  it("may give nothing, or what has no JSON form", async () => {
    const scene = await Scene.stage(
      (scene) => ({
        none: scene.tool("none", () => undefined),
        big: scene.tool("big", () => 1n),
        later: scene.tool("later", async () => 2n),
      }),
      { sdk, script: [["none", "big", "later"].map((tool) => ({ tool, input: {} })), "Odd."] },
    );
    await scene.send();
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(shownCalls(scene.socket)).toMatchObject([
      { state: "output-available", output: null },
      { state: "output-error", errorText: expect.stringContaining("no JSON form") },
      { state: "output-error", errorText: expect.stringContaining("no JSON form") },
    ]);
  });

  it("may stream preliminary results: the last one is its output, and the only one in the ledger", async () => {
    const gate = new Gate();
    const scene = await Scene.stage(
      (scene) => ({
        count: scene.tool("count", async function* () {
          yield 1;
          yield 2;
          yield await gate.pass();
        }),
      }),
      { sdk, script: [[{ tool: "count", input: {} }], "Three."] },
    );
    await scene.send();
    await scene.reach(gate);
    await scene.socket.until((socket) => shownCalls(socket)[0]?.output === 2);
    expect(shownCalls(scene.socket)).toMatchObject([{ state: "output-available", preliminary: true }]);
    expect(await scene.rows()).toMatchObject([{ outcome: null }]);
    await scene.pass(gate, 3);
    await ended(scene);
    expect(shownCalls(scene.socket)).toMatchObject([{ state: "output-available", output: 3 }]);
    expect(shownCalls(scene.socket)[0]).not.toHaveProperty("preliminary");
  });

  it("keeps its calls apart when the provider uses one id again, over steps and turns", async () => {
    const again = { ...CALL, id: "call_0" };
    const scene = await Scene.stage((scene) => ({ charge: scene.tool("charge", () => scene.effects.length) }), {
      sdk,
      script: [[again], [again], "Twice.", [again], "Once more."],
    });
    await scene.send();
    await ended(scene);
    expect(shownCalls(scene.socket).map(({ output }) => output)).toEqual([1, 2]);
    await scene.send();
    await ended(scene, 2);
    expect(shownCalls(scene.socket).map(({ output }) => output)).toEqual([3]);
    expect(new Set(scene.effects.map(({ key }) => key)).size).toBe(3);
  });

  it("is ended by stop though it ignores its signal: the turn ends at once, and the late result is dropped", async () => {
    const gate = new Gate();
    let signal: AbortSignal | undefined;
    const scene = await Scene.stage(
      (scene) => ({ charge: scene.tool("charge", (_input, options) => ((signal = options.abortSignal), gate.pass())) }),
      { sdk, script: [[CALL], "Never said."] },
    );
    const turnId = await scene.send();
    await scene.reach(gate);
    expect(await end("stop", scene.socket, scene.socket.epoch, turnId)).toMatchObject({ type: "ack" });
    expect((await ended(scene)).facts.outcome).toBe("stopped");
    expect(signal!.aborted).toBe(true);
    const before = await stored(scene.threadId);
    expect(callsOf(before[1]!.parts)).toMatchObject([{ state: "output-error" }]);
    await scene.pass(gate, "too late");
    await scene.inside(() => scheduler.wait(0));
    expect(await stored(scene.threadId)).toEqual(before);
    expect(await scene.rows()).toEqual([]);
    expect(scene.effects).toHaveLength(1);
    expect(scene.model.calls).toHaveLength(1);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
  });
});

describe("a tool call", () => {
  it("costs three rows in the ledger, beside the flushes of its turn", async () => {
    const bills: Record<string, number>[] = [];
    for (const calls of [1, 3]) {
      const scene = await Scene.stage((scene) => ({ charge: scene.tool("charge") }), {
        script: [Array.from({ length: calls }, () => CALL), "Paid."],
      });
      const bill = await metered(async () => {
        await scene.send();
        await ended(scene);
      });
      const ledger = Object.entries(bill.writes).filter(([sql]) => sql.includes("cc_tool_call"));
      expect(
        ledger.reduce((sum, [, rows]) => sum + rows, 0),
        JSON.stringify(bill.writes),
      ).toBe(3 * calls);
      const log = Object.entries(bill.writes).filter(([sql]) => sql.includes("cc_log"));
      const rest = billedWrites(bill) - 3 * calls - log.reduce((sum, [, rows]) => sum + rows, 0);
      bills.push({ rest });
    }
    // Nothing else grows with the calls.
    expect(bills[1]).toEqual(bills[0]);
  });

  it("fails at `toolTimeoutMs`, and its late result is dropped", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue({ limits: { toolTimeoutMs: 20 } });
    const gate = new Gate();
    const scene = await Scene.stage((scene) => ({ charge: scene.tool("charge", () => gate.pass()) }), { script: [[CALL], "It hung."] });
    await scene.send();
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(shownCalls(scene.socket)).toMatchObject([{ state: "output-error", errorText: expect.stringContaining("20 ms") }]);
    const before = await stored(scene.threadId);
    await scene.pass(gate, "late");
    await scene.inside(() => scheduler.wait(0));
    expect(await stored(scene.threadId)).toEqual(before);
  });

  it("of a local tool that did not come from `turn.tools` ends the turn in development", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue({ development: true });
    const bare: Record<string, object> = {};
    const scene = new Scene({ script: [[CALL], "Paid."], bare });
    bare.charge = scene.tool("charge");
    await scene.open();
    await scene.send();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "failed", error: { code: "configuration" } });
  });
});
