import { describe, expect, it } from "vitest";
import { mergeChunks } from "../../../src/protocol/coalesce.ts";
import type { Chunk } from "../../../src/protocol/messages.ts";
import { chunkOf, deepFreeze } from "./fold-support.ts";

const text = (delta: string, id = "t", providerMetadata?: unknown): Chunk =>
  chunkOf({ type: "text-delta", id, delta, ...(providerMetadata ? { providerMetadata } : {}) });
const input = (inputTextDelta: string, toolCallId = "c"): Chunk => ({ type: "tool-input-delta", toolCallId, inputTextDelta });
const output = (value: unknown, more = {}): Chunk => chunkOf({ type: "tool-output-available", toolCallId: "c", output: value, ...more });
const merge = (previous: Chunk, next: Chunk): Chunk | null => mergeChunks(deepFreeze(previous), deepFreeze(next));

describe("mergeChunks", () => {
  it("joins deltas of one part in order", () => {
    expect(merge(text("Hel"), text("lo"))).toStrictEqual(text("Hello"));
    expect(merge(input('{"a'), input('":1}'))).toStrictEqual(input('{"a":1}'));
    const reasoning = (delta: string): Chunk => ({ type: "reasoning-delta", id: "r", delta });
    expect(merge(reasoning("a"), reasoning("b"))).toStrictEqual(reasoning("ab"));
  });

  it("joins a character that was cut in two", () => {
    expect(merge(text("\ud83d"), text("\ude00"))).toStrictEqual(text("😀"));
  });

  it("keeps the later provider metadata, and the earlier where the later chunk has none", () => {
    expect(merge(text("a", "t", { p: 1 }), text("b", "t", { q: 2 }))).toStrictEqual(text("ab", "t", { q: 2 }));
    expect(merge(text("a", "t", { p: 1 }), text("b"))).toStrictEqual(text("ab", "t", { p: 1 }));
    expect(merge(text("a", "t", { p: 1 }), chunkOf({ ...text("b"), providerMetadata: undefined }))).toStrictEqual(
      text("ab", "t", { p: 1 }),
    );
  });

  it("gives what took the place of the chunk before it", () => {
    expect(merge(output(1, { preliminary: true }), output(2, { preliminary: true }))).toStrictEqual(output(2, { preliminary: true }));
    expect(merge(output(1, { preliminary: true, providerMetadata: { p: 1 } }), output(2))).toStrictEqual(
      output(2, { providerMetadata: { p: 1 } }),
    );
    const data = (value: number): Chunk => chunkOf({ type: "data-progress", id: "1", data: value });
    expect(merge(data(1), data(2))).toStrictEqual(data(2));
  });

  it.each<[string, Chunk, Chunk]>([
    ["two parts", text("a"), text("b", "u")],
    ["text and reasoning of one id", text("a"), { type: "reasoning-delta", id: "t", delta: "b" }],
    ["two calls", input("a"), input("b", "d")],
    ["text and tool input", text("a"), input("b", "t")],
    ["a start and a delta", { type: "text-start", id: "t" }, text("a")],
    ["a delta and an end", text("a"), { type: "text-end", id: "t" }],
    ["two data parts of one type without an id", chunkOf({ type: "data-a", data: 1 }), chunkOf({ type: "data-a", data: 2 })],
    [
      "data of one id of which the first is transient",
      chunkOf({ type: "data-a", id: "1", data: 1, transient: true }),
      chunkOf({ type: "data-a", id: "1", data: 2 }),
    ],
    [
      "data of one id of which the second is transient",
      chunkOf({ type: "data-a", id: "1", data: 1 }),
      chunkOf({ type: "data-a", id: "1", data: 2, transient: true }),
    ],
    ["data parts of two types", chunkOf({ type: "data-a", id: "1", data: 1 }), chunkOf({ type: "data-b", id: "1", data: 2 })],
    ["outputs of two calls", output(1, { preliminary: true }), { ...output(2), toolCallId: "d" } as Chunk],
    ["two outputs of which the first is whole", output(1), output(2)],
    ["an output and an error", output(1, { preliminary: true }), { type: "tool-output-error", toolCallId: "c", errorText: "x" }],
  ])("leaves %s apart", (_, previous, next) => {
    expect(merge(previous, next)).toBeNull();
  });
});
