import { createUIMessageStream, isStepCount, readUIMessageStream, streamText, tool, ToolLoopAgent, type UIMessage } from "ai";
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Chunk, Usage } from "../../../src/protocol/messages.ts";
import { normaliseRun } from "../../../src/stream/normalise-run.ts";
import { GENERIC_ERROR_TEXT, readResult, type ReadHooks, type TurnResult } from "../../../src/stream/source.ts";

const TEXT = ["Hello, ", "漢字 ", "👩‍👩‍👧‍👦 ", "and \u{1d11e}."];
const WHOLE = TEXT.join("");
const USAGE = {
  inputTokens: { total: 7, noCache: 7, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 5, text: 5, reasoning: 0 },
};

type ModelPart = Awaited<ReturnType<MockLanguageModelV4["doStream"]>>["stream"] extends ReadableStream<infer Part> ? Part : never;

const stop: ModelPart = { type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage: USAGE };
const says: ModelPart[] = [
  { type: "stream-start", warnings: [] },
  { type: "text-start", id: "0" },
  ...TEXT.map((delta): ModelPart => ({ type: "text-delta", id: "0", delta })),
  { type: "text-end", id: "0" },
  stop,
];
const calls: ModelPart[] = [
  { type: "stream-start", warnings: [] },
  { type: "tool-call", toolCallId: "c1", toolName: "look", input: '{"at":"sky"}' },
  { type: "finish", finishReason: { unified: "tool-calls", raw: "tool_calls" }, usage: USAGE },
];

/** A model whose n-th call streams the n-th script. */
function model(...scripts: ModelPart[][]): MockLanguageModelV4 {
  let call = 0;
  return new MockLanguageModelV4({
    doStream: async () => ({ stream: simulateReadableStream({ chunks: scripts[call++]!, initialDelayInMs: null, chunkDelayInMs: null }) }),
  });
}

const ask = (): ReturnType<typeof streamText> => streamText({ model: model(says), prompt: "hi", onError: () => {} });

/** Hooks that remember; `take` reads to the end or to the failure. */
function recorder(extra: Partial<ReadHooks> = {}) {
  const errors: [unknown, string][] = [];
  const usage: Usage[] = [];
  const hooks: ReadHooks = {
    onError: (error, origin) => void errors.push([error, origin]),
    onUsage: (counts) => void usage.push(counts),
    ...extra,
  };
  const take = async (result: unknown): Promise<{ chunks: Chunk[]; failure?: unknown }> => {
    const chunks: Chunk[] = [];
    try {
      for await (const chunk of readResult(result as TurnResult, hooks)) chunks.push(chunk);
      return { chunks };
    } catch (failure) {
      return { chunks, failure };
    }
  };
  return { errors, usage, hooks, take };
}

async function fold(chunks: Chunk[]): Promise<UIMessage> {
  let last: UIMessage | undefined;
  for await (const message of readUIMessageStream({
    stream: simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null }),
  }))
    last = message;
  return last!;
}

const textOf = (message: UIMessage): string => message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("readResult of every form", () => {
  const FORMS: Record<string, () => TurnResult | Promise<TurnResult>> = {
    "a streamText result": ask,
    "an agent's result": () => new ToolLoopAgent({ model: model(says) }).stream({ prompt: "hi" }),
    "a UI message stream": () => ask().toUIMessageStream(),
    "an SSE response": () => ask().toUIMessageStreamResponse(),
    "a text response": () => ask().toTextStreamResponse(),
    "a merged UI message stream": () => createUIMessageStream({ execute: ({ writer }) => writer.merge(ask().toUIMessageStream()) }),
    "an async generator": async function* () {
      yield* ask().toUIMessageStream();
    },
    "a string": () => WHOLE,
  };
  for (const [name, make] of Object.entries(FORMS)) {
    it(`folds ${name} to the same message`, async () => {
      const { take, errors } = recorder();
      const { chunks, failure } = await take(await make());
      expect(failure).toBeUndefined();
      expect(errors).toEqual([]);
      const message = await fold(chunks);
      expect(textOf(message)).toBe(WHOLE);
      expect(message.parts.map((part) => part.type)).toEqual(["step-start", "text"]);
      expect(message.parts[1]).toMatchObject({ state: "done" });
      expect([chunks[0]!.type, chunks.at(-1)!.type]).toEqual(["start", "finish"]);
    });
  }

  it("makes the exact run of a string, without a text part when it is empty", async () => {
    const { take } = recorder();
    expect((await take("hey")).chunks).toEqual([
      { type: "start" },
      { type: "start-step" },
      { type: "text-start", id: "text" },
      { type: "text-delta", id: "text", delta: "hey" },
      { type: "text-end", id: "text" },
      { type: "finish-step" },
      { type: "finish" },
    ]);
    expect((await take("")).chunks.map((chunk) => chunk.type)).toEqual(["start", "start-step", "finish-step", "finish"]);
  });

  it("gives nothing for nothing", async () => {
    const { take, errors } = recorder();
    for (const nothing of [undefined, null]) expect(await take(nothing)).toEqual({ chunks: [] });
    expect(errors).toEqual([]);
  });

  it("keeps characters whole in a text response cut anywhere", async () => {
    const bytes = encode(WHOLE);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: bytes.length }), { maxLength: 4 }), async (places) => {
        const cuts = [0, ...places.sort((a, b) => a - b), bytes.length];
        const body = new ReadableStream<Uint8Array>({
          start(controller) {
            for (let n = 1; n < cuts.length; n += 1) controller.enqueue(bytes.subarray(cuts[n - 1], cuts[n]));
            controller.close();
          },
        });
        const { chunks } = await recorder().take(new Response(body, { headers: { "content-type": "Text/Plain; charset=utf-8" } }));
        expect(textOf(await fold(chunks))).toBe(WHOLE);
      }),
      { numRuns: 50 },
    );
  });

  it("makes an empty step of a text response without a body", async () => {
    const { take } = recorder();
    const types = (await take(new Response(null, { headers: { "content-type": "text/plain" } }))).chunks.map((chunk) => chunk.type);
    expect(types).toEqual(["start", "start-step", "finish-step", "finish"]);
    const noEvents = await take(new Response(null, { headers: { "content-type": "text/event-stream" } }));
    expect(noEvents).toMatchObject({ chunks: [], failure: { code: "model_error" } });
  });
});

it("reads the outcome of an approved call before the first step, as the next run's log needs it", async () => {
  const look = tool({ inputSchema: z.object({ at: z.string() }), execute: async () => "blue", needsApproval: true });
  const result = streamText({
    model: model(says),
    tools: { look },
    messages: [
      { role: "user", content: "look" },
      {
        role: "assistant",
        content: [
          { type: "tool-call", toolCallId: "c1", toolName: "look", input: { at: "sky" } },
          { type: "tool-approval-request", approvalId: "a1", toolCallId: "c1" },
        ],
      },
      { role: "tool", content: [{ type: "tool-approval-response", approvalId: "a1", approved: true }] },
    ],
  });
  const { chunks } = await recorder().take(result);
  const normaliser = normaliseRun({ messageId: "live", run: 2 });
  const types = chunks.flatMap((chunk) => normaliser.push(chunk)).map((chunk) => chunk.type);
  expect(types.slice(0, 3)).toEqual(["tool-output-available", "start-step", "text-start"]);
});

describe("usage", () => {
  it("is reported for a result and puts no metadata into the stream", async () => {
    const { take, usage } = recorder();
    const { chunks } = await take(ask());
    expect(usage.at(-1)).toEqual({ inputTokens: 7, outputTokens: 5, totalTokens: 12 });
    expect(JSON.stringify(chunks)).not.toMatch(/metadata|Tokens/i);
  });

  it("grows by step and ends at the total", async () => {
    const { take, usage } = recorder();
    const look = tool({ inputSchema: z.object({ at: z.string() }), execute: async () => "blue" });
    await take(streamText({ model: model(calls, says), prompt: "hi", tools: { look }, stopWhen: isStepCount(3) }));
    expect(usage).toEqual([
      { inputTokens: 7, outputTokens: 5, totalTokens: 12 },
      { inputTokens: 14, outputTokens: 10, totalTokens: 24 },
      { inputTokens: 14, outputTokens: 10, totalTokens: 24 },
    ]);
  });

  it("takes only finite counts from a part of another shape", async () => {
    const { hooks, usage } = recorder();
    const parts = [
      { type: "finish-step", usage: { inputTokens: Number.NaN, outputTokens: -1, totalTokens: "9" } },
      { type: "finish-step", usage: null },
      { type: "finish-step", usage: { inputTokens: 3 } },
      { type: "finish" },
    ];
    const result: TurnResult = {
      toUIMessageStream(options) {
        for (const part of parts) options?.messageMetadata?.({ part });
        return simulateReadableStream<Chunk>({ chunks: [] });
      },
    };
    expect(await readResult(result, hooks).next()).toEqual({ done: true, value: undefined });
    expect(usage).toEqual([{ inputTokens: 3 }]);
  });
});

describe("errors", () => {
  it("reports a model's error raw to the hook and gives clients the generic text", async () => {
    const { take, errors } = recorder();
    const secret = new Error("key sk-123 refused");
    const failing = streamText({
      model: new MockLanguageModelV4({
        doStream: async () => {
          throw secret;
        },
      }),
      prompt: "hi",
      maxRetries: 0,
      onError: () => {},
    });
    const { chunks, failure } = await take(failing);
    expect(failure).toBeUndefined();
    expect(chunks).toContainEqual({ type: "error", errorText: GENERIC_ERROR_TEXT });
    expect(JSON.stringify(chunks)).not.toContain("sk-123");
    expect(errors).toEqual([[secret, "run"]]);
  });

  const toolFails = () =>
    streamText({
      model: model(calls, says),
      prompt: "hi",
      tools: {
        look: tool({
          inputSchema: z.object({ at: z.string() }),
          execute: async (): Promise<string> => {
            throw new Error("select * from secrets");
          },
        }),
      },
      stopWhen: isStepCount(3),
    });

  it("tells a tool's error from the run's, and the run goes on", async () => {
    const { take, errors } = recorder();
    const { chunks } = await take(toolFails());
    expect(errors).toEqual([[expect.objectContaining({ message: "select * from secrets" }), "tool"]]);
    expect(chunks).toContainEqual(expect.objectContaining({ type: "tool-output-error", errorText: GENERIC_ERROR_TEXT }));
    expect(chunks.some((chunk) => chunk.type === "error")).toBe(false);
    expect(textOf(await fold(chunks))).toBe(WHOLE);
  });

  it("uses the owner's text for an error of a tool and of a model", async () => {
    const errorText = (error: unknown) => `length: ${(error as Error).message.length}`;
    const ofTool = await recorder({ errorText }).take(toolFails());
    expect(ofTool.chunks).toContainEqual(expect.objectContaining({ type: "tool-output-error", errorText: "length: 21" }));
    const ofModel = await recorder({ errorText }).take(
      streamText({
        model: new MockLanguageModelV4({ doStream: () => Promise.reject(new Error("key sk-123 refused")) }),
        prompt: "hi",
        maxRetries: 0,
        onError: () => {},
      }),
    );
    expect(ofModel.chunks).toContainEqual({ type: "error", errorText: "length: 18" });
  });

  const GARBAGE: [string, unknown][] = [
    ["null", null],
    ["undefined", undefined],
    ["a number", 7],
    ["a string", "secret"],
    ["bytes", new Uint8Array([1])],
    ["an object without a type", { text: "secret" }],
    ["a type that is no string", { type: Symbol("secret") }],
    ["a delta without an id", { type: "text-delta", delta: "secret" }],
  ];
  for (const [name, value] of GARBAGE) {
    it(`fails after the chunks before it and closes the source once when that yields ${name}`, async () => {
      const good: Chunk = { type: "text-start", id: "1" };
      let cancels = 0;
      const stream = new ReadableStream<unknown>({
        start(controller) {
          controller.enqueue(good);
          controller.enqueue(value);
        },
        cancel: () => void (cancels += 1),
      });
      const { chunks, failure } = await recorder().take(stream);
      expect(chunks).toEqual([good]);
      expect(failure).toMatchObject({ name: "ChatError", code: "model_error" });
      expect(String(failure)).not.toContain("secret");
      expect([cancels, stream.locked]).toEqual([1, false]);

      let returns = 0;
      const iterable = (async function* () {
        try {
          yield good;
          yield value;
        } finally {
          returns += 1;
        }
      })();
      expect((await recorder().take(iterable)).failure).toMatchObject({ code: "model_error" });
      expect(returns).toBe(1);
    });
  }

  it("wraps what the source throws, after the chunks before it, and keeps a ChatError as it is", async () => {
    const good: Chunk = { type: "start-step" };
    const raw = new Error("secret");
    const { take, errors } = recorder();
    const throwing = async function* (error: unknown): AsyncGenerator<Chunk> {
      yield good;
      throw error;
    };
    const first = await take(throwing(raw));
    expect(first).toMatchObject({ chunks: [good], failure: { code: "model_error", cause: raw } });
    expect(String(first.failure)).not.toContain("secret");
    const own = Object.assign(new Error("slow down"), { name: "ChatError", code: "rate_limited", retryable: true });
    expect((await take(throwing(own))).failure).toBe(own);
    expect(errors).toEqual([[raw, "run"]]);
  });

  it("refuses values that are no turn result", async () => {
    const { take } = recorder();
    for (const value of [7, true, {}, [], { text: "generated" }, () => "x", Promise.resolve("x")]) {
      expect((await take(value)).failure).toMatchObject({ code: "configuration", retryable: false });
    }
  });

  it("refuses a stream that is read already", async () => {
    const { take, errors } = recorder();
    const stream = new ReadableStream<Chunk>();
    stream.getReader();
    expect((await take(stream)).failure).toMatchObject({ code: "model_error" });
    const response = new Response(encode("data: 1\n\n"), { headers: { "content-type": "text/event-stream" } });
    await response.text();
    expect((await take(response)).failure).toMatchObject({ code: "model_error" });
    expect(errors).toHaveLength(2);
  });

  it("fails when toUIMessageStream throws or gives no stream", async () => {
    const { take, errors } = recorder();
    const raw = new Error("used up");
    const throws = {
      toUIMessageStream: () => {
        throw raw;
      },
    };
    expect((await take(throws)).failure).toMatchObject({ code: "model_error", cause: raw });
    expect(errors).toEqual([[raw, "run"]]);
    expect((await take({ toUIMessageStream: () => undefined })).failure).toMatchObject({ code: "model_error" });
  });

  const RESPONSES: [string, ResponseInit, string][] = [
    ["not ok", { status: 503, headers: { "content-type": "text/event-stream" } }, "status 503 and text/event-stream"],
    ["not ok and plain text", { status: 500, headers: { "content-type": "text/plain" } }, "status 500 and text/plain"],
    ["JSON", { headers: { "content-type": "application/json" } }, "status 200 and application/json"],
    ["of an odd content type", { headers: { "content-type": "<secret>" } }, "no usable content type"],
  ];
  for (const [name, init, message] of RESPONSES) {
    it(`refuses a response that is ${name}, without quoting it, and cancels its body`, async () => {
      let cancels = 0;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(encode("secret")),
        cancel: () => void (cancels += 1),
      });
      const { failure } = await recorder().take(new Response(body, init));
      expect(failure).toMatchObject({ code: "model_error", message: expect.stringContaining(message) });
      expect(String(failure)).not.toContain("secret");
      expect(cancels).toBe(1);
    });
  }
});

it("reports a refused response whose body is locked only once", async () => {
  const response = new Response(encode("x"), { status: 500 });
  response.body!.getReader();
  const { take, errors } = recorder();
  expect((await take(response)).failure).toMatchObject({ code: "model_error", message: expect.stringContaining("status 500") });
  expect(errors).toEqual([]);
});

describe("cancel", () => {
  const DONE = { done: true, value: undefined };
  const CHUNK: Chunk = { type: "start-step" };

  /** A stream that gives one chunk, then stalls; `answer` is what its cancel returns. */
  function stalling(answer: () => unknown) {
    const cancels: unknown[] = [];
    const stream = new ReadableStream<Chunk>({
      start: (controller) => controller.enqueue(CHUNK),
      cancel: (reason) => {
        cancels.push(reason);
        return answer() as Promise<void>;
      },
    });
    return { stream, cancels };
  }

  const ANSWERS: [string, () => unknown][] = [
    ["obeys", () => undefined],
    ["never answers", () => new Promise(() => {})],
    ["throws", () => Promise.reject(new Error("no"))],
  ];
  for (const [name, answer] of ANSWERS) {
    it(`ends a waiting next at once when the source stalls and its cancel ${name}`, async () => {
      const { stream, cancels } = stalling(answer);
      const { hooks, errors } = recorder();
      const reader = readResult(stream, hooks);
      expect(await reader.next()).toEqual({ done: false, value: CHUNK });
      const waiting = reader.next();
      reader.cancel("stop");
      reader.cancel("again");
      expect(await waiting).toEqual(DONE);
      expect(await reader.next()).toEqual(DONE);
      expect(await reader.return()).toEqual(DONE);
      expect(cancels).toEqual(["stop"]);
      expect(stream.locked).toBe(false);
      expect(errors).toEqual([]);
    });
  }

  it("ends a waiting next at once when a generator stalls, which cannot be returned before it wakes", async () => {
    let wake = (): void => {};
    const gate = new Promise<void>((resolve) => (wake = resolve));
    const ended = Promise.withResolvers<void>();
    const source = (async function* (): AsyncGenerator<Chunk> {
      try {
        yield CHUNK;
        await gate;
        yield CHUNK;
      } finally {
        ended.resolve();
      }
    })();
    const reader = readResult(source, recorder().hooks);
    await reader.next();
    const waiting = reader.next();
    reader.cancel();
    expect(await waiting).toEqual(DONE);
    wake();
    await ended.promise;
  });

  it("survives iterators without return, with a failing return, and a late failure", async () => {
    const late = Promise.withResolvers<never>();
    for (const back of [
      undefined,
      () => Promise.reject(new Error("no")),
      () => {
        throw new Error("no");
      },
    ]) {
      const source = { [Symbol.asyncIterator]: () => ({ next: () => late.promise, ...(back ? { return: back } : {}) }) };
      const { hooks, errors } = recorder();
      const reader = readResult(source, hooks);
      const waiting = reader.next();
      reader.cancel();
      expect(await waiting).toEqual(DONE);
      expect(errors).toEqual([]);
    }
    late.reject(new Error("late"));
  });

  it("reports no failure after it, at whatever moment the failure comes", async () => {
    for (let depth = 0; depth < 8; depth += 1) {
      const { hooks, errors } = recorder();
      const reader = readResult({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("late")) }) }, hooks);
      const waiting = reader.next().catch(() => {});
      for (let n = 0; n < depth; n += 1) await Promise.resolve();
      const reported = errors.length;
      reader.cancel();
      await waiting;
      expect(errors).toHaveLength(reported);
      expect(await reader.next()).toEqual(DONE);
    }
  });

  it("closes a source that was never read", () => {
    const { stream, cancels } = stalling(() => undefined);
    readResult(stream, recorder().hooks).cancel("unused");
    expect(cancels).toEqual(["unused"]);
    expect(stream.locked).toBe(false);
  });

  it("closes the source once when the consumer leaves or throws", async () => {
    for (const leave of [
      () => {},
      () => {
        throw new Error("consumer");
      },
    ]) {
      const { stream, cancels } = stalling(() => new Promise(() => {}));
      await (async () => {
        for await (const chunk of readResult(stream, recorder().hooks)) {
          expect(chunk).toEqual(CHUNK);
          leave();
          break;
        }
      })().catch((error: unknown) => expect(error).toMatchObject({ message: "consumer" }));
      expect(cancels).toHaveLength(1);
      expect(stream.locked).toBe(false);
    }
  });

  it("does not cancel a source that ended or failed by itself, and unlocks it", async () => {
    for (const end of ["close", "error"] as const) {
      let cancels = 0;
      const stream = new ReadableStream<Chunk>({
        pull: (controller) => (end === "close" ? controller.close() : controller.error(new Error("x"))),
        cancel: () => void (cancels += 1),
      });
      const reader = readResult(stream, recorder().hooks);
      await reader.next().catch(() => {});
      reader.cancel();
      expect([cancels, stream.locked]).toEqual([0, false]);
    }
  });

  it("drops chunks that were decoded and not yet taken", async () => {
    const body = encode('data: {"type":"start-step"}\n\ndata: {"type":"finish-step"}\n\ndata: {\n\n');
    const reader = readResult(new Response(body, { headers: { "content-type": "text/event-stream" } }), recorder().hooks);
    expect(await reader.next()).toEqual({ done: false, value: CHUNK });
    reader.cancel();
    expect(await reader.next()).toEqual(DONE);
  });

  it("returns at once from a streamText whose model stalls, and the aborted call leaves nothing unhandled", async () => {
    const abort = new AbortController();
    const begun = Promise.withResolvers<AbortSignal>();
    const result = streamText({
      model: new MockLanguageModelV4({
        doStream: async ({ abortSignal }) => {
          begun.resolve(abortSignal!);
          return {
            stream: new ReadableStream({
              start(controller) {
                for (const part of says.slice(0, 3)) controller.enqueue(part);
                abortSignal!.addEventListener("abort", () => controller.error(abortSignal!.reason));
              },
            }),
          };
        },
      }),
      prompt: "hi",
      abortSignal: abort.signal,
      onError: () => {},
    });
    const reader = readResult(result, recorder().hooks);
    for (const type of ["start", "start-step", "text-start", "text-delta"]) expect((await reader.next()).value?.type).toBe(type);
    const waiting = reader.next();
    reader.cancel();
    expect(await waiting).toEqual(DONE);
    abort.abort();
    expect((await begun.promise).aborted).toBe(true);
  });

  it("passes the abort chunk of a run whose signal fires, with the usage of its whole steps", async () => {
    const abort = new AbortController();
    const { hooks, usage } = recorder();
    const look = tool({ inputSchema: z.object({ at: z.string() }), execute: async () => "blue" });
    const second = new MockLanguageModelV4({
      doStream: async ({ abortSignal }) => ({
        stream: new ReadableStream({
          start: (controller) => abortSignal!.addEventListener("abort", () => controller.error(abortSignal!.reason)),
        }),
      }),
    });
    let steps = 0;
    const result = streamText({
      model: model(calls),
      prompt: "hi",
      tools: { look },
      stopWhen: isStepCount(3),
      abortSignal: abort.signal,
      prepareStep: () => (steps++ === 0 ? {} : { model: second }),
    });
    const types: string[] = [];
    for await (const chunk of readResult(result, hooks)) {
      types.push(chunk.type);
      if (chunk.type === "finish-step") abort.abort();
    }
    expect(types.at(-1)).toBe("abort");
    expect(usage).toEqual([{ inputTokens: 7, outputTokens: 5, totalTokens: 12 }]);
  });
});
