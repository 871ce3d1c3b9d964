// The scripted stream says what the AI SDK says, and runs ahead as it does. What is not compared: the ids of parts, metadata,
// and at which moment a tool starts while the model still speaks.
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { ModelMessage } from "ai";
import type { Chunk } from "../../src/protocol/messages.ts";
import { scriptedStream, type Approval, type ModelPart, type StreamTool } from "../../src/testing/world/scripted-stream.ts";
import { VirtualClock } from "../../src/testing/world/virtual-clock.ts";
import { Incarnation } from "../../src/testing/world/virtual-incarnation.ts";
import { call, reply, user } from "../unit/history/histories.ts";
import { SDKS, type Sdk } from "../unit/session/sdks.ts";

interface Case {
  steps: ModelPart[][];
  messages?: Parameters<Sdk["toModelMessages"]>[0];
}

const inputSchema = z.object({ n: z.number(), approval: z.string().optional() });
const use = (tool: string, n: number, fields: object = {}): ModelPart => ({ call: tool, id: `call-${n}`, input: { n, ...fields } });
const asked = { state: "approval-responded", output: undefined, input: { n: 1, approval: "user" }, type: "tool-ok" };

const CASES: Record<string, Case> = {
  "text and reasoning": { steps: [[{ reasoning: "I think." }, { text: "One " }, { text: "two." }]] },
  "a call, and what follows": { steps: [[{ text: "So: " }, use("ok", 1)], [{ text: "Done." }]] },
  "calls that succeed, fail and say more than once": { steps: [[use("ok", 1), use("fails", 2), use("many", 3)], [{ text: "Done." }]] },
  "a call for a person": { steps: [[use("ok", 1, { approval: "user" })], [{ text: "Never said." }]] },
  "a call for a person beside one that runs": { steps: [[use("ok", 1, { approval: "user" }), use("ok", 2)], [{ text: "Never said." }]] },
  "a call for a client": { steps: [[use("client", 1), use("ok", 2)], [{ text: "Never said." }]] },
  "an approved call": {
    messages: [user("Go."), reply({ type: "step-start" }, call("call-1", { ...asked, approval: { id: "a", approved: true } }))],
    steps: [[{ text: "Done." }]],
  },
  "a refused call beside one that has run": {
    messages: [
      user("Go."),
      reply({ type: "step-start" }, call("call-0"), call("call-1", { ...asked, approval: { id: "a", approved: false, reason: "no" } })),
    ],
    steps: [[{ text: "Then not." }]],
  },
};

/** Only version 7 knows decisions of the app. */
const CASES_7: Record<string, Case> = {
  "a call that the app approves, and one that it refuses": {
    steps: [[use("ok", 1, { approval: "approved" }), use("ok", 2, { approval: "denied" })], [{ text: "Done." }]],
  },
};

function makeTools(started: unknown[] = []) {
  const note = (input: { n: number }): { value: number } => {
    started.push(input.n);
    return { value: input.n };
  };
  const needsApproval = ({ approval }: { approval?: string | undefined }) => approval === "user";
  return {
    ok: { inputSchema, needsApproval, execute: async (input: { n: number }) => note(input) },
    fails: {
      inputSchema,
      execute: (): never => {
        throw new Error("It broke.");
      },
    },
    many: {
      inputSchema,
      async *execute() {
        yield 1;
        yield 2;
      },
    },
    client: { inputSchema },
  };
}

const approvalOf = (input: Record<string, unknown>): Approval => (input.approval as Approval | undefined) ?? "none";
const errorText = (error: unknown): string => `shown: ${error instanceof Error ? error.message : String(error)}`;

async function fake(steps: ModelPart[][], messages: ModelMessage[], isEager: boolean, started?: unknown[]): Promise<Chunk[]> {
  let ids = 0;
  const chunks: Chunk[] = [];
  const stream = scriptedStream({
    messages,
    steps,
    tools: makeTools(started) as unknown as Record<string, StreamTool>,
    approvalOf,
    newId: () => `approval-${++ids}`,
    signal: new AbortController().signal,
    life: new Incarnation(new VirtualClock(0), () => {}),
    isEager,
  }).toUIMessageStream({ onError: errorText });
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** The same with the real one. */
function real(sdk: Sdk, steps: ModelPart[][], messages: ModelMessage[], started?: unknown[]): Promise<Chunk[]> {
  const script = steps.map((parts) =>
    parts.map((part) => ("call" in part ? { tool: part.call, id: part.id, input: part.input } : "text" in part ? part.text : part)),
  );
  const tools = makeTools(started);
  const decide = ({ approval }: { approval?: string }) =>
    approval === "user" ? "user-approval" : approval === "approved" || approval === "denied" ? approval : "not-applicable";
  return sdk.stream(sdk.model(script as Parameters<Sdk["model"]>[0]), {
    tools,
    messages,
    ...(sdk.name === "ai 7" ? { toolApproval: { ok: decide } } : {}),
  });
}

/** What of a chunk can be compared. Deltas of one part are one; where tools run at once, only the order in each call is fixed. */
function comparable(chunks: readonly Chunk[]): unknown[] {
  const ids = new Map<string, string>();
  const nameOf = (id: unknown): unknown => (typeof id === "string" ? (ids.get(id) ?? (ids.set(id, `id-${ids.size}`), ids.get(id))) : id);
  const plain = chunks.flatMap((chunk): Record<string, unknown>[] => {
    const { type, toolCallId, toolName, input, output, errorText, preliminary, approved, isAutomatic, finishReason, ...rest } = chunk as {
      type: string;
    } & Record<string, unknown>;
    if (type.endsWith("-delta")) return type === "tool-input-delta" ? [] : [{ type, delta: rest.delta }];
    const approvalId = nameOf(rest.approvalId);
    const fields = { type, toolCallId, toolName, input, output, errorText, preliminary, approved, approvalId, isAutomatic, finishReason };
    return [Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))];
  });
  const outcomes = plain.filter(({ type }) => String(type).startsWith("tool-output"));
  const others = plain.filter(({ type }) => !String(type).startsWith("tool-output"));
  return [others, outcomes.sort((a, b) => String(a.toolCallId).localeCompare(String(b.toolCallId)))];
}

describe.each(SDKS)("beside $name", (sdk) => {
  const cases = Object.entries(sdk.name === "ai 7" ? { ...CASES, ...CASES_7 } : CASES);
  it.each(cases)("the scripted stream says the same: %s", async (_name, { steps, messages = [user("Go.")] }) => {
    const prompt = (await sdk.toModelMessages(messages)) as ModelMessage[];
    const [started, ran]: [unknown[], unknown[]] = [[], []];
    const said = await real(sdk, steps, prompt, started);
    expect(comparable(await fake(steps, prompt, sdk.name === "ai 6", ran))).toEqual(comparable(said));
    expect(ran).toEqual(started);
  });
});

it("runs ahead: a tool has run before the chunk of its call is read, as with the AI SDK", async () => {
  const started: unknown[] = [];
  const stream = scriptedStream({
    messages: [],
    steps: [[use("ok", 1)], [use("ok", 2)], [{ text: "Done." }]],
    tools: makeTools(started) as unknown as Record<string, StreamTool>,
    approvalOf,
    newId: () => "a",
    signal: new AbortController().signal,
    life: new Incarnation(new VirtualClock(0), () => {}),
  });
  const reader = stream.toUIMessageStream()[Symbol.asyncIterator]();
  await reader.next();
  await new Promise((resolve) => setImmediate(resolve));
  expect(started).toEqual([1, 2]);
});
