// Tool calls that a crash cut off, on the real platform: what the ledger knows is never lost, and a side effect happens at most
// once.
import { abortAllDurableObjects, runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GO_ON, Scripted } from "./scripted.ts";
import { callsOf, outcomesIn, partsOf, replicaOf, shownCalls } from "./support/calls.ts";
import { withClock } from "./support/clock.ts";
import { failingAfter } from "./support/meter.ts";
import { stubOf, traceOf } from "./support/objects.ts";
import { ended, faultsOfScenes, Gate, Scene, SDKS, stored } from "./support/scene.ts";
import { end } from "./support/threads.ts";

const CALL = { tool: "charge", input: { euros: 5 } };
const UNKNOWN = "Interrupted, outcome unknown.";

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

afterEach(async () => {
  vi.restoreAllMocks();
  expect(await faultsOfScenes()).toEqual([]);
});

describe("a model that runs ahead of its reader: a tool whose chunk was never read", () => {
  /** A run that has called tools and whose stream says nothing. */
  async function ahead(names: string[], extra: object = {}): Promise<{ scene: Scene; turnId: string; finish: () => Promise<void> }> {
    const toolsOf = (scene: Scene): Record<string, object> => ({
      charge: scene.tool("charge", () => "paid", extra),
      // Its first run is the one that is cut off.
      hang: scene.tool("hang", () => (hung++ ? "done at last" : new Promise(() => {})), extra),
    });
    let hung = 0;
    let close = (): void => {};
    const begun = new Gate();
    const scene = await Scene.stage(toolsOf, { script: ["Then on."] });
    scene.stunts.push((turn) => {
      const tools = turn.tools(toolsOf(scene)) as Record<string, { execute(input: unknown, options: object): Promise<unknown> }>;
      for (const [n, name] of names.entries()) tools[name]!.execute({ n }, { toolCallId: `call-${n + 1}`, messages: [] }).catch(() => {});
      void begun.pass();
      return new ReadableStream({ start: (controller) => void (close = () => controller.close()) });
    });
    const turnId = await scene.send();
    await scene.reach(begun);
    await scene.inside(() => scheduler.wait(0));
    return { scene, turnId, finish: () => scene.inside(() => close()) };
  }

  const BOTH = ["charge", "hang"];

  it("has outputs that a reply cannot hold together: the first is kept, of the other that it did not fit", async () => {
    const output = "x".repeat(9_000_000);
    const { scene, turnId } = await ahead(["charge", "charge"], { execute: () => Promise.resolve(output) });
    await scene.inside(() => scheduler.wait(0));
    await end("stop", scene.socket, scene.socket.epoch, turnId);
    expect((await ended(scene)).facts.outcome).toBe("stopped");
    const [, reply] = await stored(scene.threadId);
    const calls = callsOf(reply!.parts);
    expect(calls.map(({ state, errorText }) => [state, errorText])).toEqual([
      ["output-available", undefined],
      ["output-error", "The result did not fit into the reply."],
    ]);
    expect(calls[0]!.output).toEqual({ truncated: true, bytes: output.length + 2 });
  });

  it("is in the reply that a stop keeps", async () => {
    const { scene, turnId } = await ahead(BOTH);
    await end("stop", scene.socket, scene.socket.epoch, turnId);
    expect((await ended(scene)).facts.outcome).toBe("stopped");
    const [, reply] = await stored(scene.threadId);
    expect(callsOf(reply!.parts)).toMatchObject([
      { type: "tool-charge", input: { n: 0 }, state: "output-available", output: "paid" },
      { type: "tool-hang", input: { n: 1 }, state: "output-error" },
    ]);
  });

  it("is in the reply at its end", async () => {
    const { scene, finish } = await ahead(["charge"]);
    await finish();
    expect((await ended(scene)).facts.outcome).toBe("completed");
    const [, reply] = await stored(scene.threadId);
    expect(callsOf(reply!.parts)).toMatchObject([{ type: "tool-charge", input: { n: 0 }, output: "paid" }]);
  });

  it("is in the reply that a recovery keeps, and never runs again", async () => {
    const { scene } = await ahead(BOTH);
    await scene.crash();
    expect((await ended(scene)).facts.outcome).toBe("interrupted");
    const [, reply] = await stored(scene.threadId);
    expect(callsOf(reply!.parts)).toMatchObject([
      { type: "tool-charge", state: "output-available", output: "paid" },
      { type: "tool-hang", state: "output-error", errorText: UNKNOWN },
    ]);
    expect(scene.effects).toHaveLength(2);
  });

  it("is shown to the model when the recovery goes on, and never runs again", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const { scene } = await ahead(BOTH);
    await scene.crash();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 2 });
    expect(scene.effects).toHaveLength(2);
    expect(outcomesIn(scene.prompts[0]!)).toEqual([
      ["charge", "paid"],
      ["hang", UNKNOWN],
    ]);
  });

  it("and that is idempotent runs again with its key; one with an outcome does not", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const { scene, turnId } = await ahead(BOTH, { idempotent: true });
    await scene.crash();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 2 });
    expect(scene.effects.map(({ tool, key }) => [tool, key])).toEqual([
      ["charge", `${turnId}:1`],
      ["hang", `${turnId}:2`],
      ["hang", `${turnId}:2`],
    ]);
    expect(outcomesIn(scene.prompts[0]!)).toEqual([
      ["charge", "paid"],
      ["hang", "done at last"],
    ]);
    expect(shownCalls(scene.socket)).toMatchObject([{ output: "paid" }, { output: "done at last" }]);
  });
});

describe("after a crash", () => {
  /** A turn that has charged and is now in its second tool. */
  async function inSecondTool(sdk: (typeof SDKS)[number], extra: object = {}): Promise<{ scene: Scene; turnId: string }> {
    const gate = new Gate();
    let hung = 0;
    const scene = await Scene.stage(
      (scene) => ({
        charge: scene.tool("charge", () => "paid"),
        ship: scene.tool("ship", () => (hung++ ? "shipped" : gate.pass()), extra),
      }),
      { sdk, script: [["First. ", CALL], ["Second. ", { tool: "ship", input: { to: "Rome" } }], "On its way."] },
    );
    const turnId = await scene.send();
    await scene.reach(gate);
    await scene.socket.until((socket) => shownCalls(socket)[1]?.state === "input-available");
    return { scene, turnId };
  }

  it.each(SDKS)("a reply is kept with the outcome that is true of the call that was cut off: %s", async (sdk) => {
    const { scene } = await inSecondTool(sdk);
    await scene.crash();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "interrupted", attempts: 1 });
    expect(shownCalls(scene.socket)).toMatchObject([
      { state: "output-available", output: "paid" },
      { state: "output-error", errorText: UNKNOWN },
    ]);
    expect(scene.effects.map(({ tool }) => tool)).toEqual(["charge", "ship"]);
    expect(await scene.rows()).toEqual([]);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
  });

  it.each(SDKS)("with `recovery: continue` the model is told of both, and neither runs again: %s", async (sdk) => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const { scene } = await inSecondTool(sdk);
    await scene.crash();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 2 });
    expect(scene.effects.map(({ tool }) => tool)).toEqual(["charge", "ship"]);
    expect(outcomesIn(scene.prompts[2]!)).toEqual([
      ["charge", "paid"],
      ["ship", UNKNOWN],
    ]);
    expect(partsOf(scene.socket).map((part) => ("text" in part ? part.text : part.type))).toEqual([
      "step-start",
      "First. ",
      "tool-charge",
      "step-start",
      "Second. ",
      "tool-ship",
      "step-start",
      "On its way.",
    ]);
  });

  it.each(SDKS)("an idempotent tool runs again with its key, and the turn goes on with its outcome: %s", async (sdk) => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const { scene, turnId } = await inSecondTool(sdk, { idempotent: true });
    await scene.crash();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "completed", attempts: 2 });
    expect(scene.effects.map(({ tool, key }) => [tool, key])).toEqual([
      ["charge", `${turnId}:1`],
      ["ship", `${turnId}:2`],
      ["ship", `${turnId}:2`],
    ]);
    expect(shownCalls(scene.socket)).toMatchObject([{ output: "paid" }, { output: "shipped" }]);
    expect(outcomesIn(scene.prompts[2]!)).toEqual([
      ["charge", "paid"],
      ["ship", "shipped"],
    ]);
  });

  it("with sockets lost too, the alarm finds the turn, and nobody has to come by", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const { scene } = await inSecondTool("streamText of ai 7");
    await abortAllDurableObjects();
    await withClock(async (move) => {
      move(31_000);
      expect(await runDurableObjectAlarm(stubOf(scene.threadId))).toBe(true);
    });
    await scene.inside(() => vi.waitFor(() => expect(scene.prompts).toHaveLength(3)));
    await scene.comeBack();
    await scene.socket.until((socket) => replicaOf(socket).turn === null);
    const [, reply] = await stored(scene.threadId);
    expect(reply!.facts).toMatchObject({ outcome: "completed", attempts: 2 });
    expect(callsOf(reply!.parts)).toMatchObject([{ output: "paid" }, { errorText: UNKNOWN }]);
    expect(scene.effects).toHaveLength(2);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
  });

  it("in a step with two calls, the one that may runs again and the other does not", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const gate = new Gate();
    const runs = { read: 0 };
    const scene = await Scene.stage(
      (scene) => ({
        read: scene.tool("read", () => (runs.read++ ? "text" : new Promise(() => {})), { idempotent: true }),
        ship: scene.tool("ship", () => gate.pass()),
      }),
      {
        script: [
          [
            { tool: "read", input: {} },
            { tool: "ship", input: {} },
          ],
          "Done.",
        ],
      },
    );
    await scene.send();
    await scene.reach(gate);
    await scene.socket.until((socket) => shownCalls(socket)[1]?.state === "input-available");
    await scene.crash();
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(scene.effects.map(({ tool }) => tool)).toEqual(["read", "ship", "read"]);
    expect(shownCalls(scene.socket)).toMatchObject([{ output: "text" }, { errorText: UNKNOWN }]);
    expect(new Map(outcomesIn(scene.prompts[1]!))).toEqual(
      new Map<string, unknown>([
        ["read", "text"],
        ["ship", UNKNOWN],
      ]),
    );
  });

  it("again and again in an idempotent tool, the turn is given up after three attempts", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const gates = [new Gate(), new Gate(), new Gate()];
    let runs = 0;
    const scene = await Scene.stage((scene) => ({ read: scene.tool("read", () => gates[runs++]!.pass(), { idempotent: true }) }), {
      script: [[{ tool: "read", input: {} }]],
    });
    await scene.send();
    for (const gate of gates) {
      await scene.reach(gate);
      await scene.crash();
    }
    expect((await ended(scene)).facts).toMatchObject({ outcome: "failed", attempts: 3, error: { code: "attempts_exhausted" } });
    expect(new Set(scene.effects.map(({ key }) => key)).size).toBe(1);
    expect(shownCalls(scene.socket)).toMatchObject([{ state: "output-error" }]);
    expect((await traceOf(scene.threadId)).alarm).toBeNull();
    expect(await scene.rows()).toEqual([]);
  });

  it("in a tool that had shown a preliminary result, that one is not taken for its outcome", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const gate = new Gate();
    const scene = await Scene.stage(
      (scene) => ({
        count: scene.tool("count", async function* () {
          yield 1;
          yield await gate.pass();
        }),
      }),
      { script: [[{ tool: "count", input: {} }], "Done."] },
    );
    await scene.send();
    await scene.reach(gate);
    await scene.socket.until((socket) => shownCalls(socket)[0]?.output === 1);
    await scene.crash();
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(shownCalls(scene.socket)).toMatchObject([{ state: "output-error", errorText: UNKNOWN }]);
    expect(outcomesIn(scene.prompts[1]!)).toEqual([["count", UNKNOWN]]);
    expect(scene.effects).toHaveLength(1);
  });

  it("a model that makes the same call again under the same id makes another one", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const gate = new Gate();
    let runs = 0;
    const again = { ...CALL, id: "call_0" };
    const scene = await Scene.stage((scene) => ({ charge: scene.tool("charge", () => (runs++ ? "paid" : gate.pass())) }), {
      script: [[again], [again], "Paid."],
    });
    await scene.send();
    await scene.reach(gate);
    await scene.socket.until((socket) => shownCalls(socket)[0]?.state === "input-available");
    await scene.crash();
    await ended(scene);
    expect(new Set(scene.effects.map(({ key }) => key)).size).toBe(2);
    expect(shownCalls(scene.socket)).toMatchObject([{ errorText: UNKNOWN }, { output: "paid" }]);
  });
});

describe("a call whose outcome cannot be stored", () => {
  it.each([
    ["keep", Scripted.configure()],
    ["continue", GO_ON],
  ])(
    "at whichever statement: the turn ends, and no tool runs twice (recovery: %s)",
    async (_name, settings) => {
      vi.spyOn(Scripted, "configure").mockReturnValue(settings);
      let statements = Infinity;
      for (let count = 1; count <= statements; count++) {
        const gate = new Gate();
        const scene = await Scene.stage((scene) => ({ charge: scene.tool("charge", () => gate.pass()) }), {
          script: (_call, index) => (index === 0 ? [CALL] : "Paid."),
        });
        await scene.send();
        await scene.reach(gate);
        await scene.socket.until((socket) => shownCalls(socket)[0]?.state === "input-available");
        statements = await failingAfter(count, async () => {
          await scene.pass(gate, "paid");
          await scene.inside(async () => {
            for (let tick = 0; tick < 30; tick++) await scheduler.wait(0);
          });
        });
        if (scene.socket.closed !== null) await scene.comeBack();
        await withClock(async (move) => {
          for (let round = 0; round < 8 && (await scene.turnRows()).length > 0; round++) {
            move(31_000);
            await runDurableObjectAlarm(stubOf(scene.threadId));
            await scene.inside(() => scheduler.wait(20));
          }
        });
        await ended(scene);
        expect(scene.effects, `statement ${count}`).toHaveLength(1);
        expect(shownCalls(scene.socket)).toHaveLength(1);
        expect(["output-available", "output-error"]).toContain(shownCalls(scene.socket)[0]!.state);
        expect(await scene.rows()).toEqual([]);
        expect((await traceOf(scene.threadId)).alarm).toBeNull();
      }
      expect(statements).toBeGreaterThan(5);
    },
    60_000,
  );
});
