// Wrapped tools where they are used: run by `streamText` and by agents of both versions of the AI SDK.
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { toModelMessages } from "../../../src/history/model-view.ts";
import { emptyLive, foldChunks } from "../../../src/protocol/fold.ts";
import type { Chunk, Message } from "../../../src/protocol/messages.ts";
import { missingChunks, rerunnableCalls } from "../../../src/session/tool-facts.ts";
import { idempotencyKeyOf, wrapTools } from "../../../src/session/tools.ts";
import { checkProviderRules, type PromptMessage } from "../../../src/testing/provider-rules.ts";
import { call, reply, user, type Fields } from "../history/histories.ts";
import { LedgerWorld } from "./ledger-support.ts";
import { SDKS } from "./sdks.ts";

const inputSchema = z.object({ sides: z.number() });
const CALL = { tool: "roll", input: { sides: 6 } };
const pending = { state: "input-available", output: undefined };
const STEP = { type: "step-start" };

const types = (chunks: readonly Chunk[]): string[] => chunks.map(({ type }) => type);
const toolChunks = (chunks: readonly Chunk[]): Chunk[] => chunks.filter(({ type }) => type.startsWith("tool-output"));

describe.each(SDKS)("with $name, a wrapped tool", (sdk) => {
  for (const way of ["stream", "agent"] as const) {
    it(`stores each call of a ${way} once, also under an id that comes again`, async () => {
      using world = new LedgerWorld();
      const roll = { inputSchema, execute: async ({ sides }: { sides: number }) => ({ value: sides }) };
      const model = sdk.model([[{ ...CALL, id: "call_0" }], [{ ...CALL, id: "call_0" }], "Done."]);
      const tools = wrapTools({ roll }, world.ports(world.ledger()));
      const chunks = await sdk[way](model, { tools, messages: await sdk.toModelMessages([user("Roll.")]) });
      expect(toolChunks(chunks)).toMatchObject([{ output: { value: 6 } }, { output: { value: 6 } }]);
      expect(world.outcomes).toHaveLength(2);
      expect(missingChunks(foldChunks(emptyLive("m"), chunks), world.table.list())).toEqual([]);
    });
  }

  it("says in the stream what it says in the ledger: outputs, none, preliminary ones and errors", async () => {
    using world = new LedgerWorld();
    const tools = wrapTools(
      {
        none: { inputSchema, execute: () => undefined },
        many: {
          inputSchema,
          async *execute() {
            yield 1;
            yield 2;
          },
        },
        fails: {
          inputSchema,
          execute: () => {
            throw new Error("It broke.");
          },
        },
        odd: { inputSchema, execute: () => 1n },
        any: { type: "dynamic", inputSchema, execute: () => "dynamic" },
      },
      world.ports(world.ledger()),
    );
    const model = sdk.model([Object.keys(tools).map((tool) => ({ tool, input: { sides: 6 } })), "Done."]);
    const chunks = await sdk.stream(model, { tools, messages: await sdk.toModelMessages([user("Go.")]) });
    const live = foldChunks(emptyLive("m"), JSON.parse(JSON.stringify(chunks)) as Chunk[]);
    const shown = live.message.parts.flatMap((part) =>
      "errorText" in part && part.errorText !== undefined ? [part.errorText] : "output" in part ? [part.output] : [],
    );
    expect(shown).toEqual([null, 2, "shown: It broke.", expect.stringContaining("JSON form"), "dynamic"]);
    expect(world.outcomes.map((outcome) => (outcome?.type === "output" ? outcome.output : outcome?.errorText))).toEqual(shown);
    for (let cut = 0; cut <= chunks.length; cut++) {
      const begun = foldChunks(emptyLive("m"), JSON.parse(JSON.stringify(chunks.slice(0, cut))) as Chunk[]);
      const { message } = foldChunks(begun, missingChunks(begun, world.table.list()));
      const calls = message.parts.filter(({ type }) => type.startsWith("tool-") || type === "dynamic-tool");
      expect(calls.every((part) => "state" in part && part.state?.startsWith("output"))).toBe(true);
      expect(new Set(calls.map((part) => "toolCallId" in part && part.toolCallId)).size).toBe(5);
    }
  });

  it("does not hold a stream that is aborted", async () => {
    using world = new LedgerWorld();
    const ledger = world.ledger();
    const stop = new AbortController();
    const roll = { inputSchema, execute: () => new Promise(() => queueMicrotask(() => stop.abort())) };
    const tools = wrapTools({ roll }, world.ports(ledger));
    const messages = await sdk.toModelMessages([user("Roll.")]);
    const chunks = await sdk.stream(sdk.model([[CALL], "Done."]), { tools, messages, abortSignal: stop.signal });
    expect(types(chunks)).toContain("abort");
    expect([ledger.inFlight, world.timers.size]).toEqual([0, 0]);
  });
});

/** A history whose last reply was cut off in its calls, and the rows of those that are to run again. */
interface Cut {
  parts: Fields[];
  begun: { callId: string; name?: string; input?: unknown }[];
}

describe.each(SDKS)("with $name, a call that a crash cut off", (sdk) => {
  async function goOn(
    world: LedgerWorld,
    { parts, begun }: Cut,
    {
      needsApproval,
      way = "stream",
      knowsTools = false,
      ...settings
    }: { needsApproval?: unknown; way?: "stream" | "agent"; knowsTools?: boolean; toolApproval?: unknown } = {},
  ): Promise<{ chunks: Chunk[]; keys: string[]; prompts: PromptMessage[][] }> {
    for (const { callId, name = "roll", input = { sides: 6 } } of begun) {
      world.ledger(1).begin({ callId, name, input, isDynamic: false, isIdempotent: true });
    }
    const last = reply(...parts);
    const live = { ...emptyLive("m"), message: { id: "m", role: "assistant" as const, parts: last.parts } };
    const rerunCalls = new Set(rerunnableCalls(live, world.table.list()).map(({ callId }) => callId));
    const keys: string[] = [];
    const execute = (_input: unknown, options: object) => (keys.push(idempotencyKeyOf(options)), "again");
    const roll = { inputSchema, idempotent: true, execute, ...(needsApproval !== undefined && { needsApproval }) };
    const tools = wrapTools({ roll }, world.ports(world.ledger(2)));
    const model = sdk.model(["Done."]);
    const messages = await sdk.toModelMessages([user("Roll."), last], { rerunCalls, ...(knowsTools && { tools }) });
    expect(checkProviderRules(messages as PromptMessage[])).toEqual([]);
    const chunks = await sdk[way](model, { tools, messages, ...settings });
    const prompts = model.calls.map(({ prompt }) => prompt as PromptMessage[]);
    for (const prompt of prompts) expect(checkProviderRules(prompt)).toEqual([]);
    return { chunks, keys, prompts };
  }

  const ONE: Cut = { parts: [STEP, { type: "text", text: "I roll." }, call("call_0", pending)], begun: [{ callId: "call_0" }] };

  it.each([
    ["without approvals", {}],
    ["in an agent", { way: "agent" as const }],
    ["that always needs approval", { needsApproval: true }],
    ["whose approval is decided per call", { needsApproval: () => false }],
    ["under `toolApproval`", { toolApproval: { roll: "user-approval" } }],
  ])("runs again first, under its key, and its outcome goes to it: a tool %s", async (_name, settings) => {
    using world = new LedgerWorld();
    const { chunks, keys, prompts } = await goOn(world, ONE, settings);
    expect(keys).toEqual(["turn-1:1"]);
    expect(types(chunks).filter((type) => type !== "start")[0]).toBe("tool-output-available");
    expect(types(chunks)).not.toContain("tool-approval-request");
    expect(world.outcomes).toEqual([{ type: "output", output: "again" }]);
    expect(prompts).toHaveLength(1);
    expect(prompts[0]!.at(-1)).toMatchObject({ role: "tool", content: [{ type: "tool-result", toolCallId: "call_0" }] });
  });

  it("runs again beside calls of its step that are settled, and beside an approved one", async () => {
    using world = new LedgerWorld();
    const approved = call("call_3", { state: "approval-responded", output: undefined, approval: { id: "a", approved: true } });
    const failed = call("call_2", { state: "output-error", output: undefined, errorText: "Interrupted, outcome unknown." });
    const { keys, prompts, chunks } = await goOn(
      world,
      { parts: [STEP, call("call_1"), call("call_0", pending), failed, approved], begun: [{ callId: "call_0" }] },
      { needsApproval: true },
    );
    expect(keys.toSorted()).toEqual(["turn-1:1", "turn-1:2"]);
    expect(toolChunks(chunks)).toHaveLength(2);
    const results = (prompts[0]!.at(-1)!.content as Fields[]).map(({ toolCallId }) => toolCallId);
    expect(new Set(results)).toEqual(new Set(["call_0", "call_1", "call_2", "call_3"]));
  });

  it("runs again after a person had approved it, and where a preliminary output was shown", async () => {
    for (const fields of [
      { state: "approval-responded", output: undefined, approval: { id: "a", approved: true } },
      { state: "output-available", output: 1, preliminary: true, approval: { id: "a", approved: true } },
    ]) {
      using world = new LedgerWorld();
      const { keys } = await goOn(
        world,
        { parts: [STEP, call("call_0", fields)], begun: [{ callId: "call_0" }] },
        { needsApproval: () => false },
      );
      expect(keys).toEqual(["turn-1:1"]);
    }
  });

  it("runs again though the app has written data since", async () => {
    using world = new LedgerWorld();
    const { keys } = await goOn(world, { ...ONE, parts: [...ONE.parts, STEP, { type: "data-status", data: 1 }] });
    expect(keys).toEqual(["turn-1:1"]);
  });

  it("does not run again where the model has gone on: it is told that the outcome is unknown", async () => {
    using world = new LedgerWorld();
    const { keys, prompts } = await goOn(world, { ...ONE, parts: [...ONE.parts, STEP, { type: "text", text: "So." }] });
    expect(keys).toEqual([]);
    expect(JSON.stringify(prompts[0])).toContain("Interrupted, outcome unknown.");
  });

  it("gets an outcome where its tool is known to be gone, and the others run", async () => {
    using world = new LedgerWorld();
    const gone = call("call_1", { ...pending, type: "tool-gone" });
    const { keys, prompts } = await goOn(
      world,
      { parts: [STEP, call("call_0", pending), gone], begun: [{ callId: "call_0" }, { callId: "call_1", name: "gone" }] },
      { knowsTools: true },
    );
    expect(keys).toEqual(["turn-1:1"]);
    expect(prompts).toHaveLength(1);
  });

  it("is told as its tool says, when the tools are known", async () => {
    const toModelOutput = ({ output }: { output: unknown }) => ({ type: "text", value: `a ${String(output)}, in words` });
    const settled = call("call_0", { state: "output-available", input: { sides: 6 }, output: 4 });
    const messages = await sdk.toModelMessages([user("Roll."), reply(STEP, settled)], { tools: { roll: { inputSchema, toModelOutput } } });
    expect(JSON.stringify(messages)).toContain("a 4, in words");
  });

  it("does not run with an input that its tool takes no more, and gets that as its outcome", async () => {
    using world = new LedgerWorld();
    const input = { faces: 6 };
    const cut = { parts: [STEP, call("call_0", { ...pending, input })], begun: [{ callId: "call_0", input }] };
    const { keys, chunks } = await goOn(world, cut);
    expect(keys).toEqual([]);
    expect(toolChunks(chunks)).toMatchObject([{ type: "tool-output-error", toolCallId: "call_0" }]);
  });

  it("is a new call when the model uses its id again", async () => {
    using world = new LedgerWorld();
    world.ledger(1).begin({ callId: "call_0", name: "roll", input: { sides: 6 }, isDynamic: false, isIdempotent: true });
    const keys: string[] = [];
    const roll = {
      inputSchema,
      idempotent: true,
      execute: (_input: unknown, options: object) => (keys.push(idempotencyKeyOf(options)), 4),
    };
    const messages = await sdk.toModelMessages([user("Roll."), reply(...ONE.parts)], { rerunCalls: new Set(["call_0"]) });
    const model = sdk.model([[{ ...CALL, id: "call_0" }], "Done."]);
    const chunks = await sdk.stream(model, { tools: wrapTools({ roll }, world.ports(world.ledger(2))), messages });
    expect(keys).toEqual(["turn-1:1", "turn-1:2"]);
    expect(types(chunks)).not.toContain("tool-approval-request");
  });
});

describe("the prompt with calls that are to run again", () => {
  const history = (parts: Fields[]): Message[] => [user("Roll."), reply(...parts)];
  const prompt = (parts: Fields[], ids: string[], continueNote?: string): Promise<unknown> =>
    toModelMessages(history(parts), { rerunCalls: new Set(ids), ...(continueNote !== undefined && { continueNote }) });

  it.each([
    ["one that is not named", [STEP, call("call_1", pending)]],
    ["one that is settled", [STEP, call("call_0")]],
    ["one that nobody has approved", [STEP, call("call_0", { ...pending, state: "approval-requested", approval: { id: "a" } })]],
    ["one that was refused", [STEP, call("call_0", { ...pending, state: "approval-responded", approval: { id: "a", approved: false } })]],
    ["one that the provider runs", [STEP, call("call_0", { ...pending, providerExecuted: true })]],
    ["one whose input streams", [STEP, call("call_0", { ...pending, state: "input-streaming" })]],
  ])("is the same for %s", async (_name, parts) => {
    expect(await prompt(parts, ["call_0"])).toEqual(await prompt(parts, []));
  });

  it("tells of an unknown outcome where a person asks to go on by hand", async () => {
    const parts = [STEP, call("call_0", pending)];
    expect(await prompt(parts, ["call_0"], "Go on.")).toEqual(await prompt(parts, [], "Go on."));
  });

  it("keeps the approval that a person gave, with the input that was shown", async () => {
    const approval = { id: "a", approved: true, inputSchemaInput: { sides: "6" } };
    const shown = JSON.stringify(await prompt([STEP, call("call_0", { output: 1, preliminary: true, approval })], ["call_0"]));
    expect(shown).toContain(JSON.stringify({ type: "tool-approval-response", approvalId: "a", approved: true }));
    expect(shown).toContain(`"inputSchemaInput":{"sides":"6"}`);
  });

  it("changes no stored message, and runs one call of an id", async () => {
    const messages = history([STEP, call("call_0", pending), call("call_0", pending)]);
    const before = JSON.stringify(messages);
    const shown = await toModelMessages(messages, { rerunCalls: new Set(["call_0"]) });
    expect(JSON.stringify(messages)).toBe(before);
    expect(checkProviderRules(shown as PromptMessage[])).toEqual([]);
    expect(JSON.stringify(shown).match(/tool-approval-response/g)).toHaveLength(1);
  });
});
