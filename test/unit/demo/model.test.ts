import { generateText, streamText } from "ai";
import type { LanguageModelV4CallOptions, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createDemoModel } from "../../../src/demo/model.ts";
import { answerTo, countWords, fastModel, readAll } from "./support.ts";

function callOf(message: string, more: Partial<LanguageModelV4CallOptions> = {}): LanguageModelV4CallOptions {
  return { prompt: [{ role: "user", content: [{ type: "text", text: message }] }], ...more };
}

function textOf(parts: readonly LanguageModelV4StreamPart[]): string {
  return parts.map((part) => (part.type === "text-delta" ? part.delta : "")).join("");
}

describe("options", () => {
  it.each([0, -1, Number.NaN])("refuses a pace of %d", (wordsPerSecond) => {
    expect(() => createDemoModel({ wordsPerSecond })).toThrow(expect.objectContaining({ name: "ChatError", code: "configuration" }));
  });

  it.each([0.5, Number.NaN, Infinity])("refuses a seed of %d", (seed) => {
    expect(() => createDemoModel({ seed })).toThrow(expect.objectContaining({ code: "configuration" }));
  });
});

describe("facts of an answer", () => {
  it("reports finish reason, usage and response metadata", async () => {
    const result = streamText({ model: fastModel({ modelId: "tiny" }), prompt: "say one two three four" });
    expect(await result.text).toBe("one two three four");
    expect(await result.finishReason).toBe("stop");
    const usage = await result.usage;
    expect(usage.outputTokens).toBe(5);
    expect(usage.inputTokens).toBeGreaterThan(5);
    expect(usage.totalTokens).toBe((usage.inputTokens ?? 0) + 5);
    const response = await result.response;
    expect(response.modelId).toBe("tiny");
    expect(response.id).toMatch(/^demo-[0-9a-f]{16}$/u);
  });

  it("counts reasoning apart from text", async () => {
    const usage = (await generateText({ model: fastModel(), prompt: "think about tea" })).usage;
    expect(usage.outputTokenDetails.reasoningTokens).toBeGreaterThan(20);
    expect(usage.outputTokenDetails.textTokens).toBeGreaterThan(20);
  });

  it("counts more input for a longer history, and a file by a flat number", async () => {
    const inputTokens = async (text: string, bytes?: number): Promise<number> => {
      const file =
        bytes === undefined
          ? []
          : [{ type: "file" as const, data: { type: "data" as const, data: new Uint8Array(bytes) }, mediaType: "image/png" }];
      const result = await fastModel().doGenerate({ prompt: [{ role: "user", content: [{ type: "text", text }, ...file] }] });
      return result.usage.inputTokens.total ?? 0;
    };
    expect((await inputTokens("x".repeat(4_000))) - (await inputTokens(""))).toBe(1_000);
    expect(await inputTokens("", 1_000_000)).toBe(await inputTokens("", 10));
    expect(await inputTokens("", 10)).toBeGreaterThan(250);
  });

  it("ends with the reason length at maxOutputTokens", async () => {
    const result = streamText({ model: fastModel(), prompt: "write 500 words", maxOutputTokens: 50 });
    expect(await result.finishReason).toBe("length");
    expect((await result.usage).outputTokens).toBeLessThanOrEqual(50);
    expect((await answerTo("write 500 words")).startsWith(await result.text)).toBe(true);
    expect(countWords(await result.text)).toBeGreaterThan(20);
  });

  it.each(["hello", "think about tea", "write 30 words", "unicode"])("gives the same answer at once: %s", async (message) => {
    const streamed = streamText({ model: fastModel(), prompt: message });
    const whole = await generateText({ model: createDemoModel({ wordsPerSecond: 1 }), prompt: `${message} at 1 words per second` });
    expect(whole.text).toBe(await streamed.text);
    expect(whole.reasoningText).toBe(await streamed.reasoningText);
  });

  it("answers a prompt without any user message", async () => {
    const { content } = await fastModel().doGenerate({ prompt: [{ role: "system", content: "Be kind." }] });
    expect(content).toEqual([{ type: "text", text: expect.stringContaining("no words") }]);
  });
});

describe("failures", () => {
  it("fails before the first part, and the SDK does not try again", async () => {
    const model = fastModel();
    const doStream = vi.spyOn(model, "doStream");
    const errors: unknown[] = [];
    const result = streamText({ model, prompt: "fail", onError: ({ error }) => void errors.push(error) });
    const types: string[] = [];
    for await (const part of result.stream) types.push(part.type);
    expect(types).toEqual(["start", "error"]);
    expect(errors).toEqual([expect.objectContaining({ name: "ChatError", code: "model_error" })]);
    expect(doStream).toHaveBeenCalledTimes(1);
  });

  it("rejects both kinds of call", async () => {
    await expect(fastModel().doStream(callOf("fail"))).rejects.toMatchObject({ code: "model_error" });
    await expect(fastModel().doGenerate(callOf("fail"))).rejects.toMatchObject({ code: "model_error" });
    await expect(fastModel().doGenerate(callOf("fail after 3 words"))).rejects.toMatchObject({ code: "model_error" });
  });

  it.each([1, 7, 100])("sends %i words, an error part and the finish", async (words) => {
    const { stream } = await fastModel().doStream(callOf(`fail after ${words} words`));
    const parts = await readAll(stream);
    expect(countWords(textOf(parts))).toBe(words);
    expect(parts.slice(-2).map((part) => part.type)).toEqual(["error", "finish"]);
    expect(parts.at(-1)).toMatchObject({ finishReason: { unified: "error" } });
    expect(parts.some((part) => part.type === "text-end")).toBe(false);
  });

  it("reaches the UI stream as an error after the words", async () => {
    const result = streamText({ model: fastModel(), prompt: "fail after 7 words", onError: () => undefined });
    const chunks = await readAll(result.toUIMessageStream({ onError: () => "broken" }));
    const text = chunks.map((chunk) => (chunk.type === "text-delta" ? chunk.delta : "")).join("");
    expect(countWords(text)).toBe(7);
    expect(chunks).toContainEqual({ type: "error", errorText: "broken" });
  });
});

describe("pace and abort", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  /** Reads a stream in the background; `words` grows as time passes. */
  function follow(stream: ReadableStream<LanguageModelV4StreamPart>): {
    words: () => number;
    ended: Promise<unknown>;
    reader: ReadableStreamDefaultReader<LanguageModelV4StreamPart>;
  } {
    const reader = stream.getReader();
    let text = "";
    const run = async (): Promise<unknown> => {
      try {
        for (let next = await reader.read(); !next.done; next = await reader.read())
          if (next.value.type === "text-delta") text += next.value.delta;
        return "done";
      } catch (error) {
        return error;
      }
    };
    return { words: () => countWords(text), ended: run(), reader };
  }

  it.each([
    [undefined, "count to 100", 25],
    [10, "count to 100", 10],
    [500, "count to 5000", 500],
    [undefined, "count to 100 at 5 words per second", 5],
  ])("gives out the words of a second in a second (option %s, %s)", async (wordsPerSecond, message, expected) => {
    const { stream } = await createDemoModel(wordsPerSecond === undefined ? {} : { wordsPerSecond }).doStream(callOf(message));
    const { words, reader } = follow(stream);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(words()).toBeGreaterThanOrEqual(2 * expected * 0.9);
    expect(words()).toBeLessThanOrEqual(2 * expected + 4);
    await reader.cancel();
  });

  it("ends on time and leaves no timer", async () => {
    const { stream } = await createDemoModel().doStream(callOf("count to 50"));
    const { words, ended } = follow(stream);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await ended).toBe("done");
    expect(words()).toBe(50);
  });

  it("makes no timer at an infinite pace", async () => {
    const setTimer = vi.spyOn(globalThis, "setTimeout");
    const { stream } = await fastModel().doStream(callOf("write 2000 words"));
    const parts = await readAll(stream);
    expect(countWords(textOf(parts))).toBe(2_000);
    expect(setTimer).not.toHaveBeenCalled();
  });

  it.each([
    ["the default reason", undefined],
    ["a text", "user pressed stop"],
    ["an error of another name", new Error("supersed")],
  ])("errors the stream at once when aborted with %s", async (_name, reason) => {
    const abort = new AbortController();
    const { stream } = await createDemoModel().doStream(callOf("count to 500", { abortSignal: abort.signal }));
    const { words, ended } = follow(stream);
    await vi.advanceTimersByTimeAsync(1_000);
    const before = words();
    abort.abort(reason);
    expect(vi.getTimerCount()).toBe(0);
    expect(await ended).toMatchObject({ name: "AbortError" });
    expect(words()).toBe(before);
  });

  it.each(["stall", "stall after 9 words"])("says nothing more until it is aborted: %s", async (message) => {
    const abort = new AbortController();
    const { stream } = await createDemoModel().doStream(callOf(message, { abortSignal: abort.signal }));
    const { words, ended } = follow(stream);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(words()).toBe(message === "stall" ? 0 : 9);
    abort.abort();
    expect(await ended).toMatchObject({ name: "AbortError" });
  });

  it("stalls a call without a stream too, until it is aborted", async () => {
    const abort = new AbortController();
    const call = Promise.resolve(createDemoModel().doGenerate(callOf("stall after 3 words", { abortSignal: abort.signal })));
    const outcome = call.catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(60_000);
    abort.abort();
    expect(await outcome).toMatchObject({ name: "AbortError" });
  });

  it("ends its timer when the reader cancels", async () => {
    const { stream } = await createDemoModel().doStream(callOf("stall after 5 words"));
    const { reader, ended } = follow(stream);
    await vi.advanceTimersByTimeAsync(10_000);
    await reader.cancel();
    expect(await ended).toBe("done");
  });

  it("refuses a call whose signal is aborted already", async () => {
    const abortSignal = AbortSignal.abort();
    await expect(createDemoModel().doStream(callOf("hello", { abortSignal }))).rejects.toMatchObject({ name: "AbortError" });
    await expect(createDemoModel().doGenerate(callOf("hello", { abortSignal }))).rejects.toMatchObject({ name: "AbortError" });
  });

  it("takes its listener off the signal at the end", async () => {
    const { signal } = new AbortController();
    const add = vi.spyOn(signal, "addEventListener");
    const remove = vi.spyOn(signal, "removeEventListener");
    await readAll((await fastModel().doStream(callOf("hello", { abortSignal: signal }))).stream);
    expect(add).toHaveBeenCalledTimes(1);
    expect(remove).toHaveBeenCalledWith("abort", add.mock.calls[0]?.[1]);
  });

  it.each([["count to 500"], ["stall after 9 words"]])("aborts through streamText with an abort part: %s", async (message) => {
    const abort = new AbortController();
    const errors: unknown[] = [];
    const result = streamText({
      model: createDemoModel(),
      prompt: message,
      abortSignal: abort.signal,
      onError: ({ error }) => void errors.push(error),
    });
    const chunks = readAll(result.toUIMessageStream());
    await vi.advanceTimersByTimeAsync(2_000);
    abort.abort("stopped by hand");
    const types = (await chunks).map((chunk) => chunk.type);
    expect(types.at(-1)).toBe("abort");
    expect(types).toContain("text-delta");
    expect(types).not.toContain("error");
    expect(errors).toEqual([]);
  });
});
