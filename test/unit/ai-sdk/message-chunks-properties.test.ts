import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTeller } from "../../../src/ai-sdk/message-chunks.ts";
import { emptyLive, fold, foldChunks } from "../../../src/protocol/fold.ts";
import type { Chunk, LiveMessage } from "../../../src/protocol/messages.ts";
import { chunkSoup } from "../protocol/fold-soup.ts";
import { validStreams } from "../protocol/fold-streams.ts";
import { canonical, deepFreeze, json, MESSAGE_ID, sdkFold } from "../protocol/fold-support.ts";

/** The message after each of some prefixes of `chunks`, the last one among them. */
function statesOf(chunks: Chunk[], cuts: number[]): LiveMessage[] {
  const ends = [...new Set(cuts.map((cut) => cut % (chunks.length + 1)))].sort((a, b) => a - b);
  return [...ends, chunks.length].map((end) => deepFreeze(json(foldChunks(emptyLive(MESSAGE_ID), chunks.slice(0, end)).message)));
}

/** Whether metadata only grew: merging, which is all that a chunk can do, takes no key away. */
function canMerge(states: LiveMessage[]): boolean {
  return states.every(({ metadata }, at) => {
    const before = { ...emptyLive(MESSAGE_ID), message: { ...states[Math.max(0, at - 1)]!, parts: [] } };
    const merged = fold(before, { type: "message-metadata", messageMetadata: metadata });
    return canonical(merged.message.metadata) === canonical(metadata);
  });
}

/** Tells the states one after another; null when a reader could not be taken to one of them. */
function tellAll(states: LiveMessage[]): Chunk[] | null {
  const { tell } = createTeller();
  const told = states.map((state) => tell(state));
  return told.includes(null) ? null : told.flatMap((chunks) => chunks!);
}

const cuts = fc.array(fc.nat(), { maxLength: 6 });

describe("a message told in chunks", () => {
  it("is the message to the AI SDK's reader, whichever of its states were told before", async () => {
    await fc.assert(
      fc.asyncProperty(validStreams, cuts, async (chunks, at) => {
        const states = statesOf(chunks, at);
        fc.pre(canMerge(states));
        const { message, error } = await sdkFold(tellAll(states)!);
        expect(error).toBeUndefined();
        expect(canonical(message)).toBe(canonical(states.at(-1)));
      }),
      { numRuns: 800 },
    );
  });

  it("is the message to the fold of a client, which is how a live state becomes chunks again", () => {
    fc.assert(
      fc.property(validStreams, fc.nat(), (chunks, cut) => {
        const [state] = statesOf(chunks, [cut]);
        expect(canonical(foldChunks(emptyLive(MESSAGE_ID), tellAll([state!])!).message)).toBe(canonical(state));
      }),
      { numRuns: 400 },
    );
  });

  it("never makes a reader throw, whatever a broken producer left in the message", async () => {
    await fc.assert(
      fc.asyncProperty(chunkSoup, cuts, async (chunks, at) => {
        const told = tellAll(statesOf(chunks, at));
        if (told) expect((await sdkFold(told)).error).toBeUndefined();
      }),
      { numRuns: 400 },
    );
  });

  it("takes nothing of a message for itself: what was told can be changed by its reader", () => {
    fc.assert(
      fc.property(validStreams, (chunks) => {
        const [state] = statesOf(chunks, []);
        for (const chunk of tellAll([state!])!) expect(state!.parts as unknown[]).not.toContain(chunk);
      }),
      { numRuns: 100 },
    );
  });
});
