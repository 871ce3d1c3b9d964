import { describe, expect, it, vi } from "vitest";
import { emptyLive, fold, foldChunks } from "../../../src/protocol/fold.ts";
import type { Chunk, LiveState } from "../../../src/protocol/messages.ts";
import { canonical, chunkOf, deepFreeze, json, MESSAGE_ID, sdkFold } from "./fold-support.ts";

const live = (...chunks: Chunk[]): LiveState => foldChunks(deepFreeze(emptyLive(MESSAGE_ID)), deepFreeze(chunks));
const parts = (...chunks: Chunk[]): unknown[] => json(live(...chunks).message.parts);

const inputStart = (fields = {}): Chunk => chunkOf({ type: "tool-input-start", toolCallId: "c", toolName: "search", ...fields });
const inputDelta = (inputTextDelta: string, toolCallId = "c"): Chunk => ({ type: "tool-input-delta", toolCallId, inputTextDelta });
const available = (fields = {}): Chunk =>
  chunkOf({ type: "tool-input-available", toolCallId: "c", toolName: "search", input: { q: "x" }, ...fields });
const output = (fields = {}): Chunk => chunkOf({ type: "tool-output-available", toolCallId: "c", output: 1, ...fields });

describe("fold", () => {
  it("gives the same state object for no chunks", () => {
    const state = live({ type: "start-step" });
    expect(foldChunks(state, [])).toBe(state);
  });

  it("counts every chunk in seq, also those that change nothing", () => {
    const chunks: Chunk[] = [{ type: "finish-step" }, { type: "error", errorText: "e" }, { type: "text-delta", id: "nope", delta: "x" }];
    expect(live(...chunks)).toMatchObject({ seq: 3, message: { parts: [] } });
    expect(fold(live(...chunks), { type: "abort" }).seq).toBe(4);
  });

  it("keeps the other parts as the same objects while one grows", () => {
    const before = live({ type: "start-step" }, available(), { type: "text-start", id: "t" });
    const after = foldChunks(before, [
      { type: "text-delta", id: "t", delta: "Hel" },
      { type: "text-delta", id: "t", delta: "lo" },
    ]);
    expect(after.message.parts[0]).toBe(before.message.parts[0]);
    expect(after.message.parts[1]).toBe(before.message.parts[1]);
    expect(after.message.parts[2]).toEqual({ type: "text", text: "Hello", state: "streaming" });
    expect(before.message.parts[2]).toEqual({ type: "text", text: "", state: "streaming" });
  });

  it("holds in open only what the next chunk needs", () => {
    const begun = live({ type: "text-start", id: "t" }, { type: "reasoning-start", id: "r" }, inputStart(), inputDelta('{"q":'));
    expect(json(begun.open)).toEqual({ text: { t: 0 }, reasoning: { r: 1 }, input: { c: '{"q":' } });
    const ended = foldChunks(begun, [{ type: "text-end", id: "t" }, { type: "reasoning-end", id: "r" }, available()]);
    expect(json(ended.open)).toEqual({ text: {}, reasoning: {}, input: {} });
  });

  it("shows the input of a call as far as it can be read", () => {
    const [part] = parts(inputStart(), inputDelta('{"city":"Par'), inputDelta("is"));
    expect(part).toEqual({
      type: "tool-search",
      toolCallId: "c",
      state: "input-streaming",
      rawInput: '{"city":"Paris',
      input: { city: "Paris" },
    });
  });

  it("shows input in text encoding as it is, also after its state was stored", () => {
    const stored = json(live(inputStart({ inputEncoding: "text" }), inputDelta('{"a')));
    expect(fold(stored, inputDelta('":1}')).message.parts[0]).toMatchObject({ input: '{"a":1}', inputEncoding: "text" });
  });

  it("ignores input that comes after its end", () => {
    const state = live(inputStart(), available(), output(), inputDelta("x"));
    expect(state.message.parts).toEqual([
      { type: "tool-search", toolCallId: "c", state: "output-available", input: { q: "x" }, output: 1 },
    ]);
  });

  it("gives input that arrives after the next step began to its call", () => {
    expect(parts(inputStart(), { type: "start-step" }, inputDelta("7"))).toMatchObject([{ input: 7 }, { type: "step-start" }]);
  });

  it("drops the current step alone at reset-step, and forgets what was open", () => {
    const state = live({ type: "start-step" }, available(), { type: "start-step" }, { type: "text-start", id: "t" }, inputStart(), {
      type: "reset-step",
    });
    expect(state.message.parts.map(({ type }) => type)).toEqual(["step-start", "tool-search", "step-start"]);
    expect(json(state.open)).toEqual({ text: {}, reasoning: {}, input: {} });
  });

  it("keeps its own message id whatever a start says", () => {
    const state = live({ type: "text-start", id: "t" }, { type: "start", messageId: "other", messageMetadata: { run: 2 } });
    expect(state.message).toMatchObject({ id: MESSAGE_ID, parts: [{ type: "text" }], metadata: { run: 2 } });
  });

  it("merges metadata at every depth and skips the keys of a prototype", () => {
    const metadata = (text: string): Chunk => ({ type: "message-metadata", messageMetadata: JSON.parse(text) as unknown });
    const state = live(
      metadata('{"a":{"b":[1]}}'),
      metadata('{"a":{"c":null},"__proto__":{"polluted":1}}'),
      metadata('{"constructor":{"prototype":{"polluted":1}}}'),
    );
    expect(canonical(state.message.metadata)).toBe(canonical({ a: { b: [1], c: null } }));
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it("replaces metadata that cannot be merged", () => {
    const metadata = (messageMetadata: unknown): Chunk => ({ type: "message-metadata", messageMetadata });
    expect(live(metadata("text"), metadata({ a: 1 })).message.metadata).toEqual({ a: 1 });
  });

  it.each(["__proto__", "constructor", "toString"])("takes %s as the id of a part and of a call, also after a round trip", (id) => {
    const chunks: Chunk[] = [
      { type: "text-start", id },
      { type: "text-delta", id, delta: "Hi" },
      { type: "tool-input-start", toolCallId: id, toolName: id },
      inputDelta("[1", id),
      inputDelta(",2]", id),
      { type: "text-end", id },
    ];
    let state: LiveState = emptyLive(MESSAGE_ID);
    for (const chunk of chunks) state = json(fold(state, chunk));
    expect(state.message.parts).toEqual([
      { type: "text", text: "Hi", state: "done" },
      { type: `tool-${id}`, toolCallId: id, state: "input-streaming", input: [1, 2], rawInput: "[1,2]" },
    ]);
    expect(state.open.text).toEqual({});
  });

  it.each<[string, unknown[]]>([
    ["a delta of an unknown part", [{ type: "reasoning-delta", id: "x", delta: "x" }]],
    ["the end of an unknown part", [{ type: "text-end", id: "toString" }]],
    ["input of an unknown call", [inputDelta("1", "constructor")]],
    ["an outcome of an unknown call", [output({ toolCallId: "__proto__" })]],
    ["an answer to an unknown approval", [{ type: "tool-approval-response", approvalId: "a", approved: true }]],
    [
      "a type of a later version",
      [{ type: "hologram", id: "x" }, { type: "tool-hologram", toolCallId: "other", toolName: "search" }, { type: "__proto__" }],
    ],
    ["what is no chunk", [null, 7, "text-start", [], {}, { type: 5 }, { type: "text-start", id: { toString: null } }]],
  ])("ignores %s", (_, chunks) => {
    const state = live(available({ toolCallId: "other" }), ...(chunks as Chunk[]));
    expect(state.message).toEqual(live(available({ toolCallId: "other" })).message);
    expect(state.seq).toBe(1 + chunks.length);
  });

  it.each<[string, Chunk[]]>([
    [
      "citations at the end of a text",
      [{ type: "text-start", id: "t" }, chunkOf({ type: "text-end", id: "t", citations: [{ type: "url", url: "u" }] })],
    ],
    [
      "a data part updated in place",
      [chunkOf({ type: "data-a", id: "1", data: 1 }), { type: "start-step" }, chunkOf({ type: "data-a", id: "1", data: { b: 2 } })],
    ],
    ["data without id twice", [chunkOf({ type: "data-a", data: 1 }), chunkOf({ type: "data-a", data: 1 })]],
    ["transient data", [chunkOf({ type: "data-a", id: "1", data: 1, transient: true })]],
    [
      "a dynamic call",
      [inputStart({ dynamic: true, title: "T" }), inputDelta('{"q'), available({ dynamic: true }), output({ dynamic: true })],
    ],
    [
      "a static call whose bad input makes it dynamic",
      [inputStart(), chunkOf({ ...available({ dynamic: true }), type: "tool-input-error", errorText: "bad" })],
    ],
    ["bad input with a title", [chunkOf({ ...available({ title: "T" }), type: "tool-input-error", errorText: "bad" })]],
    [
      "an error while the input streams",
      [inputStart(), inputDelta('{"q'), chunkOf({ type: "tool-output-error", toolCallId: "c", errorText: "x" })],
    ],
    ["preliminary output, then the last", [available(), output({ preliminary: true }), output({ output: 2 })]],
    [
      "provider metadata of call and result",
      [available({ providerMetadata: { p: { a: 1 } } }), output({ providerMetadata: { p: { b: 2 } }, providerExecuted: true })],
    ],
    ["tool metadata that an output replaces", [available({ toolMetadata: { a: 1 } }), output({ toolMetadata: { b: 2 } })]],
    ["one call id in two steps", [available(), output(), { type: "start-step" }, available({ input: 2 }), output({ output: 2 })]],
    [
      "a second answer without a reason",
      [
        available(),
        { type: "tool-approval-request", toolCallId: "c", approvalId: "a" },
        { type: "tool-approval-response", approvalId: "a", approved: true, reason: "first" },
        { type: "tool-approval-response", approvalId: "a", approved: false },
      ],
    ],
    ["an outcome in a later step", [available(), { type: "start-step" }, output()]],
    [
      "an approval with all that it can hold",
      [
        available(),
        chunkOf({
          type: "tool-approval-request",
          toolCallId: "c",
          approvalId: "a",
          approvalDescriptor: { d: 1 },
          inputSchemaInput: null,
          reason: "r",
          isAutomatic: true,
          signature: "s",
        }),
        {
          type: "tool-approval-response",
          approvalId: "a",
          approved: false,
          reason: "",
          providerExecuted: true,
          providerMetadata: { p: {} },
        },
        { type: "tool-output-denied", toolCallId: "c" },
      ],
    ],
    [
      "metadata of start, message and finish",
      [
        chunkOf({ type: "start", messageMetadata: { a: { b: 1 } } }),
        chunkOf({ type: "message-metadata", messageMetadata: { a: { c: 1 } } }),
        chunkOf({ type: "finish", messageMetadata: { a: [1] } }),
      ],
    ],
  ])("folds %s as the AI SDK does", async (_, chunks) => {
    const { message, error } = await sdkFold(chunks);
    expect(error).toBeUndefined();
    expect(canonical(live(...chunks).message)).toBe(canonical(message));
  });

  it("parses long input once for a batch, not once for each delta", () => {
    const parse = vi.spyOn(JSON, "parse");
    const state = foldChunks(emptyLive(MESSAGE_ID), [inputStart(), ...Array.from('{"a":"0123456789', (char) => inputDelta(char))]);
    const calls = parse.mock.calls.length;
    parse.mockRestore();
    expect(state.message.parts[0]).toMatchObject({ input: { a: "0123456789" } });
    // The text as it is, then completed.
    expect(calls).toBe(2);
  });
});
