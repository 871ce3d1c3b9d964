import {
  convertToModelMessages,
  generateText,
  isStepCount,
  jsonSchema,
  Output,
  readUIMessageStream,
  streamText,
  tool,
  type ToolSet,
  type UIMessage,
} from "ai";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { sampleJson, type JsonSchema } from "../../../src/demo/tool-input.ts";
import { answerTo, chatTurn, fastModel, readAll } from "./support.ts";

const roll = tool({
  description: "Rolls a die",
  inputSchema: z.object({ sides: z.int().min(2).max(100) }),
  execute: async ({ sides }) => ({ sides, rolled: 4 }),
});
const weather = tool({
  inputSchema: z.object({ city: z.string(), unit: z.enum(["celsius", "kelvin"]).optional() }),
  execute: async ({ city }) => `Sunny in ${city}`,
});
const note = tool({ inputSchema: z.object({ text: z.string().max(20) }) });

async function callsOf(message: string, tools: ToolSet): Promise<{ toolName: string; input: unknown }[]> {
  const result = streamText({ model: fastModel(), prompt: message, tools });
  const calls = await result.toolCalls;
  return calls.map(({ toolName, input }) => ({ toolName, input }));
}

describe("tool calls", () => {
  it("goes through call, result and answer in two steps", async () => {
    const result = streamText({ model: fastModel(), prompt: "roll a d20", tools: { weather, roll }, stopWhen: isStepCount(2) });
    const steps = await result.steps;
    expect(steps.map((step) => step.finishReason)).toEqual(["tool-calls", "stop"]);
    expect(steps[0]?.toolResults).toMatchObject([{ toolName: "roll", input: { sides: 20 }, output: { sides: 20, rolled: 4 } }]);
    expect(await result.text).toContain('{"sides":20,"rolled":4}');
  });

  it("stops after the call when one step is allowed", async () => {
    const result = streamText({ model: fastModel(), prompt: "roll a die", tools: { roll }, stopWhen: isStepCount(1) });
    expect(await result.steps).toHaveLength(1);
    expect(await result.finishReason).toBe("tool-calls");
  });

  it("streams the input of a call before the call", async () => {
    const { stream } = await fastModel().doStream({
      prompt: [{ role: "user", content: [{ type: "text", text: "use a tool" }] }],
      tools: [
        { type: "function", name: "note", inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] } },
      ],
    });
    const parts = await readAll(stream);
    const input = parts.map((part) => (part.type === "tool-input-delta" ? part.delta : "")).join("");
    const call = parts.find((part) => part.type === "tool-call");
    expect(call).toMatchObject({ toolName: "note", input });
    expect(JSON.parse(input)).toEqual({ text: "use a tool" });
    expect(parts.findIndex((part) => part.type === "tool-input-start")).toBeLessThan(parts.findIndex((part) => part.type === "tool-call"));
  });

  it.each([
    ["roll a die", { note, roll }, "roll", { sides: 6 }],
    ["weather in New York today, please", { roll, weather }, "weather", { city: "New York" }],
    ["how is the weather in São Paulo in kelvin?", { roll, weather }, "weather", { city: "São Paulo in kelvin" }],
    ["use a tool", { note, roll }, "note", { text: "use a tool" }],
    ["use the weather tool for Oslo", { note, weather }, "weather", { city: "Oslo" }],
    ["roll a die", { note, weather }, "note", { text: "roll a die" }],
    ['use the note tool with {"text": "exactly this"}', { roll, note }, "note", { text: "exactly this" }],
  ])("answers %j with the tool that fits", async (message, tools, toolName, input) => {
    expect(await callsOf(message, tools)).toEqual([{ toolName, input }]);
  });

  it("keeps to a text answer when no tool is bound or allowed", async () => {
    expect(await answerTo("roll a die")).toContain("No tool is bound");
    const none = streamText({ model: fastModel(), prompt: "roll a die", tools: { roll }, toolChoice: "none" });
    expect(await none.text).toContain("No tool is bound");
    expect(await none.toolCalls).toEqual([]);
  });

  it("obeys a required tool and a named one", async () => {
    const required = await generateText({ model: fastModel(), prompt: "hello", tools: { note, roll }, toolChoice: "required" });
    expect(required.toolCalls.map((call) => call.toolName)).toEqual(["note"]);
    const named = await generateText({
      model: fastModel(),
      prompt: "hello",
      tools: { note, roll },
      toolChoice: { type: "tool", toolName: "roll" },
    });
    expect(named.toolCalls.map((call) => call.toolName)).toEqual(["roll"]);
  });

  it("tells of a tool that failed and of one that was refused", async () => {
    const broken = tool({
      inputSchema: z.object({ sides: z.int() }),
      execute: async ({ sides }): Promise<number> => {
        throw new Error(`no dice with ${sides} sides left`);
      },
    });
    const failed = streamText({ model: fastModel(), prompt: "use a tool", tools: { broken }, stopWhen: isStepCount(2) });
    expect(await failed.text).toContain("`broken` failed: Error: no dice with 6 sides left");

    const { content } = await fastModel().doGenerate({
      prompt: [
        { role: "user", content: [{ type: "text", text: "use a tool" }] },
        { role: "assistant", content: [{ type: "tool-call", toolCallId: "c1", toolName: "note", input: {} }] },
        {
          role: "tool",
          content: [{ type: "tool-result", toolCallId: "c1", toolName: "note", output: { type: "execution-denied", reason: "not today" } }],
        },
      ],
    });
    expect(content).toMatchObject([{ text: expect.stringContaining("was not allowed to run (not today)") }]);
  });

  it("names every result of one step", async () => {
    const results = ["first", "second"].map((value, index) => ({
      type: "tool-result" as const,
      toolCallId: `c${index}`,
      toolName: "note",
      output: { type: "text" as const, value },
    }));
    const { content } = await fastModel().doGenerate({
      prompt: [
        { role: "user", content: [{ type: "text", text: "use a tool" }] },
        { role: "tool", content: results },
      ],
    });
    expect(content).toMatchObject([{ text: expect.stringMatching(/first[\s\S]+second/u) }]);
  });

  it("gives each call of a conversation its own id", async () => {
    const ids = new Set<string>();
    const result = streamText({
      model: fastModel(),
      prompt: "roll a die",
      tools: { roll },
      toolChoice: "required",
      stopWhen: isStepCount(4),
    });
    for (const step of await result.steps) for (const call of step.toolCalls) ids.add(call.toolCallId);
    expect(ids.size).toBe(4);
  });

  it("fills a JSON response format", async () => {
    const schema = z.object({
      title: z.string(),
      score: z.number().min(1).max(5),
      tags: z.array(z.string()).min(2),
      mood: z.enum(["glad", "sad"]),
    });
    const { output } = await generateText({ model: fastModel(), prompt: "rate this sad song", output: Output.object({ schema }) });
    expect(output).toMatchObject({ score: 1, mood: "sad" });
  });
});

describe("input from a schema", () => {
  const cases: [string, z.ZodType][] = [
    ["nested", z.object({ a: z.object({ b: z.array(z.object({ c: z.boolean() })) }) })],
    ["nullable and union", z.object({ a: z.string().nullable(), b: z.union([z.number(), z.string()]), c: z.literal("x") })],
    ["formats", z.object({ mail: z.email(), link: z.url(), id: z.uuid(), at: z.iso.datetime(), day: z.iso.date() })],
    ["bounds", z.object({ a: z.string().min(30), b: z.string().max(3), c: z.number().gt(5).lt(6), d: z.int().max(-4) })],
    ["tuple", z.object({ a: z.tuple([z.string(), z.number()]) })],
    ["defaults", z.object({ a: z.string().default("d"), b: z.number().default(7) })],
    ["intersection", z.intersection(z.object({ a: z.string() }), z.object({ b: z.number() }))],
    ["optional", z.object({ a: z.string().optional() })],
    ["record", z.record(z.string(), z.number())],
  ];
  it.each(cases)("is valid for a schema with %s", (_name, schema) => {
    const input: unknown = JSON.parse(
      sampleJson(z.toJSONSchema(schema, { target: "draft-7", io: "input" }) as JsonSchema, "use a tool, please"),
    );
    expect(schema.safeParse(input).error?.issues).toBeUndefined();
  });

  it("comes to an end for a schema that refers to itself", () => {
    const node = {
      type: "object",
      properties: { kids: { type: "array", minItems: 20, items: { $ref: "#/definitions/node" } } },
      required: ["kids"],
    };
    const tree: JsonSchema & { definitions: unknown } = { $ref: "#/definitions/node", definitions: { node } };
    expect(sampleJson(tree, "go").length).toBeLessThan(20_000);
    expect(sampleJson({ $ref: "#" }, "go")).toBe("null");
    expect(sampleJson({ $ref: "#/no/such" }, "go")).toBe("null");
  });

  it("takes a schema without zod", async () => {
    const plain = tool({
      inputSchema: jsonSchema<{ n: number }>({ type: "object", properties: { n: { type: "number" } }, required: ["n"] }),
    });
    expect(await callsOf("use a tool 12 times", { plain })).toEqual([{ toolName: "plain", input: { n: 12 } }]);
  });
});

describe("a conversation over UI messages", () => {
  function userMessage(id: string, text: string): UIMessage {
    return { id, role: "user", parts: [{ type: "text", text }] };
  }

  async function reply(history: UIMessage[], tools?: ToolSet): Promise<UIMessage> {
    const result = await chatTurn(history, tools);
    let last: UIMessage | undefined;
    for await (const message of readUIMessageStream({
      stream: result.toUIMessageStream({ generateMessageId: () => `reply-${history.length}` }),
    }))
      last = message;
    if (last === undefined) throw new Error("no reply");
    return last;
  }

  it("carries names, tool results and counts over many turns", async () => {
    const history: UIMessage[] = [];
    const say = async (text: string, tools?: ToolSet): Promise<string> => {
      history.push(userMessage(`user-${history.length}`, text));
      history.push(await reply(history, tools));
      return (history.at(-1)?.parts ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");
    };
    expect(await say("my name is Ada")).toContain("Ada");
    expect(await say("think about trains")).toContain("trains");
    expect(await say("roll a die", { roll })).toContain("One moment");
    expect(history.at(-1)?.parts).toContainEqual(
      expect.objectContaining({ type: "tool-roll", state: "output-available", output: { sides: 6, rolled: 4 } }),
    );
    expect(await say("what is my name?")).toContain("Your name is Ada.");
    expect(await say("how many messages?")).toContain("9 messages: 5 from you");
    expect(await say("what did I say first?")).toContain("“my name is Ada”");
  });

  it("answers from a result that a client gave", async () => {
    const history: UIMessage[] = [userMessage("u1", "use a tool")];
    const call = await reply(history, { note });
    const part = call.parts.find((candidate) => candidate.type === "tool-note");
    if (part?.type !== "tool-note" || part.state !== "input-available") throw new Error("no open call");
    const settled: UIMessage = {
      ...call,
      parts: [...call.parts.filter((other) => other !== part), { ...part, state: "output-available", output: "written down" }],
    };
    const messages = await convertToModelMessages([...history, settled]);
    expect(await streamText({ model: fastModel(), messages, tools: { note } }).text).toContain("`note` answered: written down");
  });
});
