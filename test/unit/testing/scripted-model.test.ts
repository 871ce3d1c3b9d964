import { isStepCount, streamText, generateText, tool } from "ai";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { isChatError } from "../../../src/errors.ts";
import { scriptedModel } from "../../../src/testing/scripted-model.ts";

afterEach(() => void vi.useRealTimers());

const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "Hello" }] }];

async function partsOf(stream: ReadableStream<unknown>): Promise<unknown[]> {
  const parts: unknown[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

describe("scriptedModel", () => {
  it("streams the parts of a step in blocks, with its usage and finish reason", async () => {
    const model = scriptedModel([
      [{ reasoning: "Hm." }, "Hello ", { text: "you" }, { usage: { inputTokens: 3, outputTokens: 2 } }, { finish: "length" }],
    ]);
    const { stream } = await model.doStream({ prompt });
    expect(await partsOf(stream)).toEqual([
      { type: "stream-start", warnings: [] },
      { type: "response-metadata", id: "scripted-1", modelId: "scripted" },
      { type: "reasoning-start", id: "reasoning-1" },
      { type: "reasoning-delta", id: "reasoning-1", delta: "Hm." },
      { type: "reasoning-end", id: "reasoning-1" },
      { type: "text-start", id: "text-2" },
      { type: "text-delta", id: "text-2", delta: "Hello " },
      { type: "text-delta", id: "text-2", delta: "you" },
      { type: "text-end", id: "text-2" },
      {
        type: "finish",
        finishReason: { unified: "length", raw: "length" },
        usage: {
          inputTokens: { total: 3, noCache: 3, cacheRead: undefined, cacheWrite: undefined },
          outputTokens: { total: 2, text: 2, reasoning: undefined },
        },
      },
    ]);
  });

  it("plays one step a call, so that streamText runs a tool and goes on", async () => {
    const model = scriptedModel([
      ["Rolling. ", { tool: "roll", input: { sides: 6 } }],
      ["You rolled ", "4."],
    ]);
    const rolled: unknown[] = [];
    const roll = tool({
      inputSchema: z.object({ sides: z.number() }),
      execute: (input) => {
        rolled.push(input);
        return 4;
      },
    });
    const result = streamText({ model, prompt: "Roll", tools: { roll }, stopWhen: isStepCount(3) });
    expect(await result.text).toContain("You rolled 4.");
    expect(rolled).toEqual([{ sides: 6 }]);
    expect((await result.steps).map(({ finishReason }) => finishReason)).toEqual(["tool-calls", "stop"]);
  });

  it("records every call with its prompt", async () => {
    const model = scriptedModel((_call, index) => `answer ${index}`);
    await streamText({ model, prompt: "first" }).text;
    expect(await streamText({ model, prompt: "second", temperature: 0.5 }).text).toBe("answer 1");
    expect(model.calls.map(({ prompt: asked }) => JSON.stringify(asked.at(-1)!.content))).toEqual([
      expect.stringContaining("first"),
      expect.stringContaining("second"),
    ]);
    expect(model.calls[1]!.temperature).toBe(0.5);
  });

  it("rejects a call past the end of its script, and says so", async () => {
    const model = scriptedModel(["only"]);
    await model.doStream({ prompt });
    const error = await Promise.resolve(model.doStream({ prompt })).catch((reason: unknown) => reason);
    expect(isChatError(error, "configuration")).toBe(true);
    expect((error as Error).message).toContain("1 step(s), and this is call 2");
  });

  it("rejects the call when the script throws first, after its delay", async () => {
    vi.useFakeTimers();
    const failure = new Error("overloaded");
    const call = Promise.resolve(scriptedModel([[{ delayMs: 50 }, { throws: failure }, "never"]]).doStream({ prompt }));
    const outcome = vi.fn();
    call.catch(outcome);
    await vi.advanceTimersByTimeAsync(49);
    expect(outcome).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(outcome).toHaveBeenCalledWith(failure);
  });

  it("breaks the stream where the script throws later, after what came before", async () => {
    const failure = new Error("cut");
    const { stream } = await scriptedModel([["Half an ", { throws: failure }, "answer"]]).doStream({ prompt });
    const seen: unknown[] = [];
    const read = (async () => {
      for await (const part of stream) if (part.type === "text-delta") seen.push(part.delta);
    })();
    await expect(read).rejects.toBe(failure);
    expect(seen).toEqual(["Half an "]);
  });

  it("goes on after an error part", async () => {
    const { stream } = await scriptedModel([["a", { error: "odd" }, "b"]]).doStream({ prompt });
    const types = (await partsOf(stream)).map((part) => (part as { type: string }).type);
    expect(types.slice(3)).toEqual(["text-delta", "error", "text-delta", "text-end", "finish"]);
  });

  it("waits before each delta, and for the delays of the script", async () => {
    vi.useFakeTimers();
    const model = scriptedModel([["a", { delayMs: 100 }, "b"]], { delayMs: 10 });
    const { stream } = await model.doStream({ prompt });
    const at: [string, number][] = [];
    const began = Date.now();
    const read = (async () => {
      for await (const part of stream) if (part.type === "text-delta") at.push([part.delta, Date.now() - began]);
    })();
    await vi.runAllTimersAsync();
    await read;
    expect(at).toEqual([
      ["a", 10],
      ["b", 120],
    ]);
  });

  it("stalls until it is aborted, and then leaves no timer", async () => {
    vi.useFakeTimers();
    const abort = new AbortController();
    const { stream } = await scriptedModel([["a", { stall: true }, "b"]]).doStream({ prompt, abortSignal: abort.signal });
    const seen: string[] = [];
    const read = (async () => {
      for await (const part of stream) if (part.type === "text-delta") seen.push(part.delta);
    })();
    const failed = expect(read).rejects.toThrow("enough");
    await vi.advanceTimersByTimeAsync(40 * 86_400_000);
    expect(seen).toEqual(["a"]);
    abort.abort(new Error("enough"));
    await failed;
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves no timer when its reader cancels", async () => {
    vi.useFakeTimers();
    const { stream } = await scriptedModel([[{ stall: true }]]).doStream({ prompt });
    const reader = stream.getReader();
    void reader.read();
    await reader.cancel();
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("rejects a call that is aborted already", async () => {
    const call = Promise.resolve(scriptedModel(["a"]).doStream({ prompt, abortSignal: AbortSignal.abort(new Error("gone")) }));
    await expect(call).rejects.toThrow("gone");
  });

  it("generates the same step without its delays", async () => {
    const model = scriptedModel([[{ delayMs: 1e9 }, { reasoning: "Hm." }, "Four", ".", { usage: { outputTokens: 2 } }]], { delayMs: 1e9 });
    const result = await generateText({ model, prompt: "2 + 2" });
    expect([result.text, result.reasoningText, result.finishReason, result.usage.outputTokens]).toEqual(["Four.", "Hm.", "stop", 2]);
  });

  it.each([{ throws: new Error("no") }, { error: new Error("no") }])("fails to generate where the script has %o", async (part) => {
    await expect(Promise.resolve(scriptedModel([["a", part]]).doGenerate({ prompt }))).rejects.toThrow("no");
  });
});
