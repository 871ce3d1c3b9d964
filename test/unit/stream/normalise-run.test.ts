import { readUIMessageStream, type UIMessage } from "ai";
import { simulateReadableStream } from "ai/test";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Chunk } from "../../../src/protocol/messages.ts";
import { normaliseRun } from "../../../src/stream/normalise-run.ts";

const S: Chunk = { type: "start-step" };
const F: Chunk = { type: "finish-step" };
const START: Chunk = { type: "start", messageId: "live" };
const text = (id: string, delta = "hi"): Chunk[] => [
  { type: "text-start", id },
  { type: "text-delta", id, delta },
  { type: "text-end", id },
];
const metadata = (messageMetadata: unknown): Chunk => ({ type: "message-metadata", messageMetadata });
const call = (toolCallId: string): Chunk => ({ type: "tool-input-available", toolCallId, toolName: "look", input: {} });
const output = (toolCallId: string): Chunk => ({ type: "tool-output-available", toolCallId, output: 1 });
const data = (name: string, extra = {}): Chunk => ({ type: `data-${name}`, data: 1, ...extra });

function normalise(chunks: Chunk[], run = 1) {
  const transient: Chunk[] = [];
  const normaliser = normaliseRun({ messageId: "live", run, onTransient: (chunk) => transient.push(chunk) });
  return { log: chunks.flatMap((chunk) => normaliser.push(chunk)), end: normaliser.end, transient };
}

async function fold(chunks: Chunk[]): Promise<UIMessage | undefined> {
  let last: UIMessage | undefined;
  const stream = simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null });
  for await (const message of readUIMessageStream({ stream, terminateOnError: true })) last = message;
  return last;
}

describe("normaliseRun", () => {
  it("gives start our message id and keeps its metadata", () => {
    const { log } = normalise([
      { type: "start", messageId: "theirs", messageMetadata: { a: 1 } },
      S,
      ...text("0"),
      F,
      { type: "finish", finishReason: "stop" },
    ]);
    expect(log).toEqual([{ type: "start", messageId: "live", messageMetadata: { a: 1 } }, S, ...text("1:0"), F]);
  });

  it("adds start and start-step before the first content", () => {
    expect(normalise(text("0")).log).toEqual([START, S, ...text("1:0")]);
    expect(normalise(text("0"), 4).log).toEqual([S, ...text("4:0")]);
    expect(normalise([{ type: "start" }, ...text("0")]).log).toEqual([START, S, ...text("1:0")]);
  });

  it("keeps only the metadata of every later start", () => {
    const again: Chunk = { type: "start", messageId: "other", messageMetadata: { b: 2 } };
    expect(normalise([{ type: "start" }, S, again, ...text("0")]).log).toEqual([START, S, metadata({ b: 2 }), ...text("1:0")]);
    expect(normalise([again, S, ...text("0")], 2).log).toEqual([metadata({ b: 2 }), S, ...text("2:0")]);
    expect(normalise([{ type: "start", messageId: "other" }, S], 2).log).toEqual([S]);
    expect(normalise([...text("0"), { type: "start" }]).log).toEqual([START, S, ...text("1:0")]);
  });

  it("opens a run with one start-step when the source sends two, and keeps the steps after it", () => {
    expect(normalise([{ type: "start" }, S, S, ...text("0"), F, S, ...text("0"), F]).log).toEqual([
      START,
      S,
      ...text("1:0"),
      F,
      S,
      ...text("1:0"),
      F,
    ]);
    expect(normalise([S, metadata(1), data("x", { transient: true }), S, ...text("0")]).log).toEqual([
      START,
      S,
      metadata(1),
      ...text("1:0"),
    ]);
  });

  it("opens a step for content that the source sends before its own, which stays a step of its own", () => {
    expect(normalise([{ type: "start" }, data("x"), S, ...text("0")]).log).toEqual([START, S, data("x"), S, ...text("1:0")]);
  });

  it("puts outcomes of older calls before the first step", () => {
    const denied: Chunk = { type: "tool-output-denied", toolCallId: "b" };
    const failed: Chunk = { type: "tool-output-error", toolCallId: "c", errorText: "no" };
    const source: Chunk[] = [{ type: "start", messageId: "x" }, output("a"), denied, failed, S, ...text("0"), F];
    expect(normalise(source, 2).log).toEqual([output("a"), denied, failed, S, ...text("2:0"), F]);
  });

  it("keeps finish and abort back, and what they say readable", () => {
    const { log, end } = normalise([S, ...text("0"), { type: "finish", finishReason: "length", messageMetadata: { t: 1 } }]);
    expect(log).toEqual([START, S, ...text("1:0"), metadata({ t: 1 })]);
    expect(end).toEqual({ finished: true, aborted: false, finishReason: "length" });
    expect(normalise([S, { type: "abort", reason: "x" }])).toMatchObject({ log: [START, S], end: { finished: false, aborted: true } });
    expect(normalise([{ type: "finish" }])).toMatchObject({ log: [], end: { finished: true } });
    expect(normalise([{ type: "abort", messageMetadata: { t: 1 } } as Chunk]).log).toEqual([START, metadata({ t: 1 })]);
  });

  it("goes on after a finish in the middle and remembers the last reason", () => {
    const { log, end } = normalise([
      S,
      ...text("0"),
      F,
      { type: "finish", finishReason: "stop" },
      { type: "start" },
      S,
      ...text("0"),
      F,
      { type: "finish", finishReason: "length" },
    ]);
    expect(log).toEqual([START, S, ...text("1:0"), F, S, ...text("1:0"), F]);
    expect(end.finishReason).toBe("length");
  });

  it("ends at an error, which it remembers and does not log", () => {
    const error: Chunk = { type: "error", errorText: "first" };
    const after: Chunk[] = [
      error,
      ...text("1"),
      { type: "error", errorText: "second" },
      data("x", { transient: true }),
      { type: "finish", finishReason: "stop" },
    ];
    const { log, end, transient } = normalise([S, ...text("0"), ...after]);
    expect(log).toEqual([START, S, ...text("1:0")]);
    expect(end).toEqual({ finished: false, aborted: false, errorText: "first" });
    expect(transient).toEqual([]);
    expect(normalise([{ type: "error", errorText: "" }, ...text("0")])).toMatchObject({ log: [], end: { errorText: "" } });
  });

  it("hands transient data aside, without opening a step for it", () => {
    const { log, transient } = normalise([data("x", { transient: true }), data("y", { transient: false })]);
    expect(transient).toEqual([data("x", { transient: true })]);
    expect(log).toEqual([START, S, data("y", { transient: false })]);
  });

  it("passes unknown chunks, calls and data with the same object and ids", () => {
    const odd = [{ type: "future", id: "0", deep: { a: 1 } } as unknown as Chunk, call("c"), output("c"), data("x", { id: "0" })];
    const { log } = normalise([S, ...odd], 3);
    expect(log).toHaveLength(5);
    odd.forEach((chunk, index) => expect(log[index + 1]).toBe(chunk));
  });

  it("drops a reset-step that would reach into an earlier run", () => {
    expect(normalise([{ type: "reset-step" }, S, ...text("0")], 2).log).toEqual([S, ...text("2:0")]);
    expect(normalise([output("a"), { type: "reset-step" }, S], 2).log).toEqual([output("a"), S]);
  });

  it("passes a reset-step of a step without a call, and does not double the step after it", () => {
    const source: Chunk[] = [S, ...text("0"), { type: "reset-step" }, S, ...text("0")];
    expect(normalise(source).log).toEqual([START, S, ...text("1:0"), { type: "reset-step" }, ...text("1:0")]);
  });

  it("keeps a step with a call when the source resets it, and ends its open parts", () => {
    const open: Chunk[] = [{ type: "text-start", id: "0" }, { type: "reasoning-start", id: "0" }, call("c")];
    expect(normalise([S, ...open, { type: "reset-step" }, { type: "reset-step" }]).log.slice(5)).toEqual([
      { type: "text-end", id: "1:0" },
      { type: "reasoning-end", id: "1:0" },
    ]);
    expect(normalise([S, call("c"), F, S, ...text("0"), { type: "reset-step" }]).log.at(-1)).toEqual({ type: "reset-step" });
  });

  it("drops a finish-step without a step", () => {
    expect(normalise([F]).log).toEqual([]);
  });
});

const anyChunk: fc.Arbitrary<Chunk> = fc.oneof(
  fc.record({
    type: fc.constant("start" as const),
    messageId: fc.string(),
    messageMetadata: fc.option(fc.record({ m: fc.nat() }), { nil: undefined }),
  }),
  fc.constantFrom(S, S, F, { type: "abort" } as Chunk, { type: "reset-step" } as Chunk, metadata({ k: 1 })),
  fc.record({ type: fc.constant("finish" as const), finishReason: fc.constantFrom("stop" as const, "length" as const) }),
  fc.record({
    type: fc.constantFrom("text-start" as const, "text-end" as const, "reasoning-start" as const, "reasoning-end" as const),
    id: fc.constantFrom("0", "1"),
  }),
  fc.record({
    type: fc.constantFrom("text-delta" as const, "reasoning-delta" as const),
    id: fc.constantFrom("0", "1"),
    delta: fc.string(),
  }),
  fc.constantFrom(
    call("c"),
    output("c"),
    { type: "tool-output-denied", toolCallId: "c" } as Chunk,
    data("x", { id: "1" }),
    data("x", { transient: true }),
  ),
  fc.constant({ type: "unknown-type", id: "0" } as unknown as Chunk),
);
const source = fc.array(
  fc.oneof({ weight: 30, arbitrary: anyChunk }, { weight: 1, arbitrary: fc.constant<Chunk>({ type: "error", errorText: "e" }) }),
  { maxLength: 25 },
);

describe("normaliseRun of any source", () => {
  it("begins run 1 with one start of ours, and no other run with any", () => {
    fc.assert(
      fc.property(source, fc.integer({ min: 1, max: 3 }), (chunks, run) => {
        const { log } = normalise(chunks, run);
        const starts = log.filter((chunk) => chunk.type === "start");
        expect(starts).toHaveLength(run === 1 && log.length > 0 ? 1 : 0);
        if (starts.length > 0) expect(log[0]).toMatchObject(START);
      }),
    );
  });

  it("has exactly one start-step before content, and only outcomes and metadata before that", () => {
    fc.assert(
      fc.property(source, fc.integer({ min: 1, max: 3 }), (chunks, run) => {
        const { log } = normalise(chunks, run);
        const step = log.findIndex((chunk) => chunk.type === "start-step");
        const before = step < 0 ? log : log.slice(0, step);
        for (const chunk of before)
          expect(["start", "message-metadata", "tool-output-available", "tool-output-denied"]).toContain(chunk.type);
        const after = log.slice(step + 1).filter((chunk) => chunk.type !== "message-metadata");
        if (step >= 0) expect(after[0]?.type).not.toBe("start-step");
      }),
    );
  });

  it("never logs finish, abort, error or transient data, and never changes its input", () => {
    fc.assert(
      fc.property(source, (chunks) => {
        const copy = structuredClone(chunks);
        const { log } = normalise(chunks.map((chunk) => Object.freeze(chunk)));
        expect(chunks).toEqual(copy);
        for (const chunk of log) {
          expect(["finish", "abort", "error"]).not.toContain(chunk.type);
          expect(chunk).not.toHaveProperty("transient", true);
        }
      }),
    );
  });

  it("keeps every other chunk up to the error, in order, with ids of its run", () => {
    const loggedWithId = (chunk: Chunk): boolean =>
      /^(text|reasoning)-(start|delta)$/.test(chunk.type) || (chunk.type as string) === "unknown-type";
    fc.assert(
      fc.property(source, fc.integer({ min: 1, max: 3 }), (chunks, run) => {
        const error = chunks.findIndex((chunk) => chunk.type === "error");
        const expected = (error < 0 ? chunks : chunks.slice(0, error))
          .filter(loggedWithId)
          .map((chunk) => (chunk.type.endsWith("-type") ? chunk : { ...chunk, id: `${run}:${(chunk as { id: string }).id}` }));
        expect(normalise(chunks, run).log.filter(loggedWithId)).toEqual(expected);
      }),
    );
  });

  it("lets two runs with the same chunk ids share one log: the message holds both in order", async () => {
    const steps = fc.array(fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 });
    const runOf = (texts: string[][]): Chunk[] => [
      { type: "start", messageId: "theirs" },
      ...texts.flatMap((step) => [S, ...step.flatMap((value, index) => text(String(index), value)), F]),
      { type: "finish", finishReason: "stop" },
    ];
    await fc.assert(
      fc.asyncProperty(steps, steps, async (first, second) => {
        const message = await fold([...normalise(runOf(first), 1).log, ...normalise(runOf(second), 2).log]);
        expect(message?.id).toBe("live");
        const expected = [...first, ...second].flatMap((step) => ["step-start", ...step]);
        expect(message?.parts.map((part) => (part.type === "text" ? part.text : part.type))).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });
});
