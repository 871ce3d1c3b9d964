import { convertToModelMessages } from "ai";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toModelMessages } from "../../../src/history/model-view.ts";
import { repairTranscript } from "../../../src/history/repair.ts";
import type { Message } from "../../../src/protocol/messages.ts";
import { checkProviderRules, type PromptMessage } from "../../../src/testing/provider-rules.ts";
import { canonical, deepFreeze } from "../protocol/fold-support.ts";
import { brokenHistories, validHistories, type Fields } from "./histories.ts";

/** What users wrote, as the repaired transcript must still say it. */
const textsOf = (messages: readonly Message[]): string[] =>
  messages
    .filter((message) => message?.role === "user" && Array.isArray(message.parts))
    .flatMap(({ parts }) => parts as (Fields | null)[])
    .flatMap((part) => (part?.type === "text" && typeof part.text === "string" && part.text.trim() ? [part.text.toWellFormed()] : []));

const textsToUser = (prompt: readonly PromptMessage[]): unknown[] =>
  prompt.filter(({ role }) => role === "user").flatMap(({ content }) => (content as Fields[]).map((part) => part.text));

describe("the repair of any history", () => {
  it("leaves nothing that a provider refuses, and never throws", async () => {
    await fc.assert(
      fc.asyncProperty(
        brokenHistories,
        fc.option(fc.constantFrom("Go on.", " ", "\ud83d"), { nil: undefined }),
        async (broken, continueNote) => {
          const prompt = await toModelMessages(deepFreeze(broken), continueNote === undefined ? {} : { continueNote });
          if (prompt.length > 0) expect(checkProviderRules(prompt)).toEqual([]);
          else expect(textsOf(broken)).toEqual([]);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("keeps all texts of users, in order", async () => {
    await fc.assert(
      fc.asyncProperty(brokenHistories, async (broken) => {
        const said = textsToUser(await toModelMessages(broken));
        let from = 0;
        for (const text of textsOf(broken)) {
          const at = said.indexOf(text, from);
          expect(at, `"${text}" is in the prompt`).toBeGreaterThanOrEqual(from);
          from = at + 1;
        }
      }),
      { numRuns: 500 },
    );
  });

  it("repairs what is repaired already into itself", () => {
    fc.assert(
      fc.property(brokenHistories, (broken) => {
        const once = deepFreeze(repairTranscript(broken));
        expect(repairTranscript(once)).toBe(once);
      }),
      { numRuns: 500 },
    );
  });

  it("shows the beginning of a thread alike, whatever comes after it", () => {
    fc.assert(
      fc.property(brokenHistories, brokenHistories, (before, after) => {
        const options = { runsAnswered: false };
        const alone = repairTranscript(before, options);
        expect(canonical(repairTranscript([...before, ...after], options).slice(0, alone.length))).toBe(canonical(alone));
      }),
      { numRuns: 300 },
    );
  });
});

describe("the repair of a valid history", () => {
  it("gives the very same messages, and the prompt that they convert to without it", async () => {
    await fc.assert(
      fc.asyncProperty(validHistories, async (messages) => {
        deepFreeze(messages);
        const plain = await convertToModelMessages(messages);
        expect(checkProviderRules(plain)).toEqual([]);
        expect(repairTranscript(messages)).toBe(messages);
        expect(canonical(await toModelMessages(messages))).toBe(canonical(plain));
      }),
      { numRuns: 500 },
    );
  });
});
