import { convertToModelMessages, type UIMessage } from "ai";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closingChunks } from "../../../src/protocol/close-open-parts.ts";
import { mergeChunks } from "../../../src/protocol/coalesce.ts";
import { emptyLive, fold, foldChunks } from "../../../src/protocol/fold.ts";
import type { Chunk, LiveState } from "../../../src/protocol/messages.ts";
import { chunkSoup } from "./fold-soup.ts";
import { validStreams } from "./fold-streams.ts";
import { canonical, deepFreeze, isSettled, json, MESSAGE_ID, sdkFold } from "./fold-support.ts";

const empty = (): LiveState => deepFreeze(emptyLive(MESSAGE_ID));
const oneByOne = (chunks: Chunk[], from = empty()): LiveState => chunks.reduce((state, chunk) => deepFreeze(fold(state, chunk)), from);

function coalesce(chunks: Chunk[]): Chunk[] {
  return chunks.reduce<Chunk[]>((merged, chunk) => {
    const last = merged.at(-1);
    const both = last && mergeChunks(deepFreeze(last), deepFreeze(chunk));
    return both ? [...merged.slice(0, -1), both] : [...merged, chunk];
  }, []);
}

describe("fold of a valid stream", () => {
  it("makes the message that the AI SDK's reader makes", async () => {
    await fc.assert(
      fc.asyncProperty(validStreams, async (chunks) => {
        const { message, error } = await sdkFold(chunks);
        expect(error === undefined || chunks.some((chunk) => chunk.type === "error")).toBe(true);
        const state = foldChunks(empty(), deepFreeze(chunks));
        expect(canonical(state.message)).toBe(canonical(message));
        expect(state.seq).toBe(chunks.length);
        expect(canonical(oneByOne(chunks))).toBe(canonical(state));
      }),
      { numRuns: 600 },
    );
  });

  it("goes on from the stored JSON of its state at every chunk", () => {
    fc.assert(
      fc.property(validStreams, (chunks) => {
        const whole = canonical(foldChunks(empty(), chunks));
        let state = empty();
        chunks.forEach((chunk, index) => {
          expect(canonical(foldChunks(json(state), chunks.slice(index)))).toBe(whole);
          state = fold(state, chunk);
        });
        expect(canonical(state)).toBe(whole);
      }),
      { numRuns: 150 },
    );
  });

  it("holds no key that JSON would lose", () => {
    fc.assert(
      fc.property(validStreams, (chunks) => {
        const { parts } = foldChunks(empty(), chunks).message;
        for (const part of parts) expect(Object.values(part)).not.toContain(undefined);
      }),
      { numRuns: 100 },
    );
  });

  it("replaces at most one part for each chunk and keeps the others as the same objects", () => {
    fc.assert(
      fc.property(validStreams, (chunks) => {
        let state = empty();
        for (const chunk of chunks) {
          const next = deepFreeze(fold(state, chunk));
          const kept = next.message.parts.filter((part, at) => part === state.message.parts[at]).length;
          if (chunk.type === "reset-step") expect(kept).toBe(next.message.parts.length);
          else expect(kept).toBeGreaterThanOrEqual(next.message.parts.length - 1);
          state = next;
        }
      }),
      { numRuns: 100 },
    );
  });

  it("is the same when adjacent deltas are merged", () => {
    fc.assert(
      fc.property(validStreams, (chunks) => {
        const merged = coalesce(chunks);
        expect(canonical({ ...oneByOne(merged), seq: 0 })).toBe(canonical({ ...oneByOne(chunks), seq: 0 }));
        expect(merged.length).toBeLessThanOrEqual(chunks.length);
      }),
      { numRuns: 300 },
    );
  });

  it("is settled after the closing chunks, in the AI SDK's reader as in ours, and the model takes it", async () => {
    await fc.assert(
      fc.asyncProperty(validStreams, fc.nat(40), async (all, length) => {
        const chunks = all.slice(0, length);
        const live = foldChunks(empty(), chunks);
        const closing = closingChunks(json(live), "Interrupted");
        expect(canonical(closingChunks(live, "Interrupted"))).toBe(canonical(closing));
        const settled = foldChunks(live, closing);
        expect(isSettled(settled)).toBe(true);
        expect(closingChunks(settled, "Interrupted")).toStrictEqual([]);
        expect(canonical(settled.message)).toBe(canonical((await sdkFold([...chunks, ...closing])).message));
        await expect(convertToModelMessages([json(settled.message) as UIMessage])).resolves.toBeDefined();
      }),
      { numRuns: 400 },
    );
  });

  it("has every chunk type in what these tests generate", () => {
    const seen = new Set(fc.sample(validStreams, { numRuns: 500, seed: 1 }).flatMap((chunks) => chunks.map(({ type }) => type)));
    const all =
      "abort custom data-__proto__ data-weather error file finish finish-step message-metadata reasoning-delta " +
      "reasoning-end reasoning-file reasoning-start reset-step source-document source-url start start-step " +
      "steering-message text-delta text-end text-start tool-approval-request tool-approval-response " +
      "tool-input-available tool-input-delta tool-input-error tool-input-start tool-output-available " +
      "tool-output-denied tool-output-error";
    expect([...seen].toSorted()).toStrictEqual(all.split(" "));
  });
});

describe("fold of chunks in any order", () => {
  /** Without input that goes on after its end or into another step: there we differ, as `fold.test.ts` shows. */
  function withoutStrayInput(chunks: Chunk[]): Chunk[] {
    let state = empty();
    return chunks.filter((chunk) => {
      const { parts } = state.message;
      const step = parts.slice(parts.findLastIndex((part) => part.type === "step-start") + 1);
      const isHere = (toolCallId: string) => step.some((part) => "toolCallId" in part && part.toolCallId === toolCallId);
      if (chunk.type === "tool-input-delta" && !(Object.hasOwn(state.open.input, chunk.toolCallId) && isHere(chunk.toolCallId)))
        return false;
      state = fold(state, chunk);
      return true;
    });
  }

  /** The chunks that the AI SDK's reader takes, one after another; those for which it throws are left out. */
  async function acceptedBySdk(chunks: Chunk[]): Promise<Chunk[]> {
    const taken: Chunk[] = [];
    for (const chunk of chunks.filter(({ type }) => type !== "error")) {
      if ((await sdkFold([...taken, chunk])).error === undefined) taken.push(chunk);
    }
    return taken;
  }

  it("ignores what the AI SDK's reader throws for, and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(chunkSoup.map(withoutStrayInput), async (chunks) => {
        const state = foldChunks(empty(), deepFreeze(chunks));
        expect(state.seq).toBe(chunks.length);
        expect(canonical(state.message)).toBe(canonical((await sdkFold(await acceptedBySdk(chunks))).message));
      }),
      { numRuns: 300 },
    );
  });

  it("never throws, whatever the chunks hold, and leaves the prototypes alone", () => {
    const types = [
      "text-start",
      "text-delta",
      "text-end",
      "tool-input-start",
      "tool-input-delta",
      "tool-output-available",
      "tool-approval-request",
    ];
    const type = fc.constantFrom(
      ...types,
      "tool-approval-response",
      "tool-input-error",
      "data-x",
      "start",
      "reset-step",
      "toString",
      "__proto__",
      "",
    );
    const key = fc.constantFrom(
      "id",
      "delta",
      "toolCallId",
      "toolName",
      "inputTextDelta",
      "messageMetadata",
      "providerMetadata",
      "approvalId",
      "parts",
    );
    const chunk = fc.tuple(type, fc.dictionary(key, fc.jsonValue())).map(([name, fields]) => ({ ...fields, type: name }));
    fc.assert(
      fc.property(fc.array(fc.oneof(chunk, fc.jsonValue()), { maxLength: 20 }), (chunks) => {
        const before = Object.getOwnPropertyNames(Object.prototype).length;
        const state = foldChunks(empty(), deepFreeze(chunks) as unknown as Chunk[]);
        expect(state.seq).toBe(chunks.length);
        expect(() => foldChunks(json(state), closingChunks(state, "x"))).not.toThrow();
        expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(before);
      }),
      { numRuns: 1000 },
    );
  });
});
