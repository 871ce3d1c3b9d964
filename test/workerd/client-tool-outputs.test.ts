// What clients say to client tool calls: checked by the schema of the class, taken once, and for the call that it was given for.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GO_ON, Scripted } from "./scripted.ts";
import { openCall, outcomesIn, partsOf, replicaOf, shownCalls } from "./support/calls.ts";
import { clientScene, clientTool, DATE, LOCATE, PICK, waitingForClient } from "./support/client-tool-scene.ts";
import { dumpOf } from "./support/objects.ts";
import { approvalOf, ended, faultsOfScenes, Gate, outputOf, post, Scene, SDKS, waiting } from "./support/scene.ts";
import { ask, end } from "./support/threads.ts";

const UNKNOWN = "Interrupted, outcome unknown.";

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

afterEach(async () => {
  vi.restoreAllMocks();
  expect(await faultsOfScenes()).toEqual([]);
});

describe("an output", () => {
  it("that does not fit its schema is refused, and the call still waits", async () => {
    const scene = await waitingForClient();
    const before = await dumpOf(scene.threadId);
    for (const output of [{ date: "soon" }, {}, null, "2026-12-24", [DATE]]) {
      expect(await ask(scene.socket, outputOf(scene, "pickDate", output))).toMatchObject({ type: "error", code: "bad_request" });
    }
    const both = { ...outputOf(scene, "pickDate", DATE), errorText: "or not" };
    const { output: _output, ...neither } = outputOf(scene, "pickDate", DATE);
    for (const command of [both, neither]) expect(await ask(scene.socket, command)).toMatchObject({ code: "bad_frame" });
    expect(await dumpOf(scene.threadId)).toBe(before);
    // What the schema does not know is not stored.
    expect(await ask(scene.socket, outputOf(scene, "pickDate", { ...DATE, extra: 1 }))).toMatchObject({ type: "ack" });
    await ended(scene);
    expect(openCall(scene.socket, "pickDate").output).toEqual(DATE);
  });

  it("wins when it is the first; a repeat gets its ack, another one is told", async () => {
    const scene = await waitingForClient([LOCATE, PICK]);
    const first = outputOf(scene, "locate", "Rome");
    const ack = await ask(scene.socket, first);
    expect(ack).toMatchObject({ type: "ack" });
    expect(await ask(scene.socket, first)).toEqual(ack);
    expect((await post(scene.threadId, "user-2", outputOf(scene, "locate", "Oslo"))).body).toMatchObject({
      error: { code: "already_resolved", details: { state: "output-available" } },
    });
    await ask(scene.socket, outputOf(scene, "pickDate", DATE));
    await ended(scene);
    expect(openCall(scene.socket, "locate").output).toBe("Rome");
  });

  it("may be null, and goes to the call of its own turn when ids come again", async () => {
    const scene = await clientScene([
      [{ ...LOCATE, id: "call_0" }],
      [{ ...LOCATE, id: "call_0" }],
      "One.",
      [{ ...LOCATE, id: "call_0" }],
      "Two.",
    ]);
    const first = await scene.send();
    await waiting(scene);
    await ask(scene.socket, outputOf(scene, "locate", null));
    await waiting(scene, 2);
    await ask(scene.socket, outputOf(scene, "locate", "step two"));
    await ended(scene);
    expect(shownCalls(scene.socket).map(({ output }) => output)).toEqual([null, "step two"]);
    await scene.send();
    await waiting(scene, 3);
    expect(await ask(scene.socket, { ...outputOf(scene, "locate", "old"), turnId: first })).toMatchObject({ code: "already_resolved" });
    await ask(scene.socket, outputOf(scene, "locate", "turn two"));
    await ended(scene, 2);
    expect(shownCalls(scene.socket).map(({ output }) => output)).toEqual(["turn two"]);
  });

  it("of a call that waits is given up by a stop or by a new message", async () => {
    const stopped = await waitingForClient();
    const late = outputOf(stopped, "pickDate", DATE);
    await end("stop", stopped.socket, stopped.socket.epoch, late.turnId);
    expect((await ended(stopped)).facts.outcome).toBe("stopped");
    expect(openCall(stopped.socket, "pickDate").state).toBe("output-error");
    expect(await ask(stopped.socket, late)).toMatchObject({ code: "already_resolved" });

    const scene = await waitingForClient([PICK, LOCATE]);
    await ask(scene.socket, outputOf(scene, "locate", "Rome"));
    const turnId = replicaOf(scene.socket).turn!.id;
    await scene.send("Forget it");
    await ended(scene, 2);
    const old = replicaOf(scene.socket).messages.find(({ id }) => id === turnId)!;
    expect(old.facts?.outcome).toBe("stopped");
    expect(old.parts.slice(1)).toMatchObject([{ errorText: "superseded" }, { output: "Rome" }]);
  });
});

describe("a dynamic tool", () => {
  it.each(SDKS)("of the server is kept in the ledger, and one of a client is answered, as dynamic ones: %s", async (sdk) => {
    const scene = await Scene.stage(
      (scene) => ({ mcp: scene.tool("mcp", () => "found", { type: "dynamic" }), locate: clientTool(scene, "locate", { type: "dynamic" }) }),
      { sdk, script: [[{ tool: "mcp", input: { q: 1 } }, LOCATE], "Done."] },
    );
    await scene.send();
    await waiting(scene);
    expect(shownCalls(scene.socket)).toMatchObject([
      { type: "dynamic-tool", toolName: "mcp", output: "found" },
      { type: "dynamic-tool", toolName: "locate", state: "input-available" },
    ]);
    await ask(scene.socket, outputOf(scene, "locate", "Rome"));
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(shownCalls(scene.socket)).toMatchObject([
      { output: "found" },
      { type: "dynamic-tool", output: "Rome", state: "output-available" },
    ]);
    expect(outcomesIn(scene.prompts[1]!)).toEqual([
      ["mcp", "found"],
      ["locate", "Rome"],
    ]);
    expect(scene.effects).toHaveLength(1);
  });

  it("that a crash cut off is a dynamic call with its outcome unknown", async () => {
    vi.spyOn(Scripted, "configure").mockReturnValue(GO_ON);
    const gate = new Gate();
    const scene = await Scene.stage((scene) => ({ mcp: scene.tool("mcp", () => gate.pass(), { type: "dynamic" }) }), {
      script: [[{ tool: "mcp", input: {} }], "Done."],
    });
    await scene.send();
    await scene.reach(gate);
    await scene.crash();
    await ended(scene);
    expect(shownCalls(scene.socket)).toMatchObject([{ type: "dynamic-tool", toolName: "mcp", errorText: UNKNOWN }]);
    expect(scene.effects).toHaveLength(1);
  });
});

describe("a client tool that needs approval", () => {
  it("is approved by a person, and then run by a client", async () => {
    const scene = await clientScene([[PICK], "Noted."], { settings: { toolApproval: { pickDate: "user-approval" } } });
    await scene.send();
    await waiting(scene);
    await ask(scene.socket, approvalOf(scene, "pickDate", true));
    await scene.socket.until((socket) => replicaOf(socket).turn?.state === "waiting" || replicaOf(socket).turn === null);
    expect(await ask(scene.socket, outputOf(scene, "pickDate", DATE))).toMatchObject({ type: "ack" });
    await ended(scene);
    expect(openCall(scene.socket, "pickDate")).toMatchObject({ output: DATE, approval: { approved: true } });
    expect(partsOf(scene.socket).at(-1)).toMatchObject({ text: "Noted." });
  });

  it("is not run when it is refused", async () => {
    const scene = await clientScene([[PICK], "Noted."], { settings: { toolApproval: { pickDate: "user-approval" } } });
    await scene.send();
    await waiting(scene);
    await ask(scene.socket, approvalOf(scene, "pickDate", false, "No"));
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(openCall(scene.socket, "pickDate").state).toBe("output-denied");
  });
});

describe("an undeclared tool without `execute`", () => {
  it("beside a client tool gets its outcome when the wait begins, and does not hold the turn", async () => {
    const scene = await clientScene([[LOCATE, { tool: "sing", input: {} }], "Done."], {
      others: (scene) => ({ sing: clientTool(scene, "sing") }),
    });
    await scene.send();
    await waiting(scene);
    expect(openCall(scene.socket, "sing")).toMatchObject({ state: "output-error", errorText: expect.stringContaining("not declared") });
    expect(await ask(scene.socket, outputOf(scene, "sing", "la"))).toMatchObject({ code: "forbidden" });
    await ask(scene.socket, outputOf(scene, "locate", "Rome"));
    expect((await ended(scene)).facts.outcome).toBe("completed");
    expect(scene.turns).toHaveLength(2);
  });
});

describe("an output whose schema changes it", () => {
  it("is the JSON value of what the schema gives: for the model at once as after a crash", async () => {
    for (const isCrashed of [false, true]) {
      const scene = await clientScene([[{ tool: "when", input: {} }], "Noted."], {
        others: (scene) => ({ when: clientTool(scene, "when") }),
      });
      await scene.send();
      await waiting(scene);
      if (isCrashed) scene.silence();
      await ask(scene.socket, outputOf(scene, "when", "2026-12-24"));
      if (isCrashed) await scene.crash();
      await ended(scene);
      expect(openCall(scene.socket, "when").output).toBe("2026-12-24T00:00:00.000Z");
      expect(outcomesIn(scene.prompts[1]!)).toEqual([["when", "2026-12-24T00:00:00.000Z"]]);
    }
  });

  it("to nothing is null, and one that has no JSON form is refused", async () => {
    const scene = await clientScene([[{ tool: "strange", input: {} }], "Noted."], {
      others: (scene) => ({ strange: clientTool(scene, "strange") }),
    });
    await scene.send();
    await waiting(scene);
    const before = await dumpOf(scene.threadId);
    expect(await ask(scene.socket, outputOf(scene, "strange", "big"))).toMatchObject({ type: "error" });
    expect(await dumpOf(scene.threadId)).toBe(before);
    expect(await ask(scene.socket, outputOf(scene, "strange", "nothing"))).toMatchObject({ type: "ack" });
    await ended(scene);
    expect(openCall(scene.socket, "strange")).toMatchObject({ state: "output-available", output: null });
  });
});

describe("a tool that clients run and the server too", () => {
  it("is refused: a client could say what the server has done", async () => {
    const scene = await Scene.stage((scene) => ({ locate: scene.tool("locate") }), { script: [[LOCATE], "Never."] });
    await scene.send();
    expect((await ended(scene)).facts).toMatchObject({ outcome: "failed", error: { code: "configuration" } });
    expect([scene.effects, scene.prompts]).toEqual([[], []]);
  });
});
