import fc from "fast-check";
import { expect, it } from "vitest";
import { reveal, revealed } from "../../../src/client/pacing.ts";
import type { Part } from "../../../src/protocol/messages.ts";
import { END_SPREAD_MS, SPREAD_MS } from "../../../src/protocol/pacing.ts";

/** What may happen to a message from one look at it to the next. */
type Change =
  | { do: "grow" | "growFirst"; text: string }
  | { do: "text" | "reasoning" | "tool" | "data" | "touch" | "discard" | "end" | "nothing"; text?: string };

const text = fc.string({ unit: fc.constantFrom("a", "é", "한", "😀", "👩‍🚀", " "), maxLength: 60, size: "max" });
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("grow"), text }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("nothing") }) },
  fc.record({ do: fc.constantFrom("growFirst", "text", "reasoning"), text }),
  fc.record({ do: fc.constantFrom("tool", "data", "touch", "discard", "end") }),
) as fc.Arbitrary<Change>;
const look = fc.record({ change, afterMs: fc.oneof(fc.constant(17), fc.nat(700)) });

function textOf(part: Part | undefined): string {
  return part && "text" in part ? part.text : "";
}

function apply(parts: readonly Part[], change: Change): Part[] {
  const texts = parts.flatMap((part, index) => ("text" in part ? [index] : []));
  const grow = (at: number | undefined) =>
    parts.map((part, index) => (index === at && "text" in part ? { ...part, text: part.text + change.text } : part));
  switch (change.do) {
    case "grow":
      return grow(texts.at(-1));
    case "growFirst":
      return grow(texts[0]);
    case "text":
    case "reasoning":
      return [...parts, { type: change.do, text: change.text ?? "", state: "streaming" }];
    case "tool":
      return [...parts, { type: "tool-look", toolCallId: `${parts.length}`, state: "input-available", input: {} }];
    case "data":
      return [...parts, { type: "data-mark", data: parts.length }];
    case "touch":
      return parts.map((part) => (part.type === "data-mark" ? { ...part, data: -1 } : part));
    case "discard":
      return parts.slice(0, Math.floor(parts.length / 2));
    default:
      return [...parts];
  }
}

/** Fails unless `shown` is the beginning of `parts`, cut in texts alone. */
function expectBeginning(shown: readonly Part[], parts: readonly Part[]): void {
  expect(shown.length).toBeLessThanOrEqual(parts.length);
  for (const [index, part] of shown.entries()) {
    const whole = parts[index]!;
    if (part === whole) continue;
    const { text, ...rest } = part as { text: string };
    const { text: full, ...others } = whole as { text: string };
    expect({ ...others, state: "streaming" }).toEqual(rest);
    expect(full.startsWith(text) && text.length < full.length).toBe(true);
    expect(text.isWellFormed()).toBe(true);
  }
}

it("shows a beginning that never shrinks, hides what stands behind it, and is whole in time", () => {
  fc.assert(
    fc.property(fc.array(look, { maxLength: 60, size: "max" }), (looks) => {
      let now = 1_000_000;
      let parts: Part[] = [];
      let former = revealed("message", parts);
      let limitMs = SPREAD_MS;
      let wholeBy = now;
      for (const { change, afterMs } of looks) {
        now += afterMs;
        const total = former.total;
        if (change.do !== "nothing") parts = apply(parts, change);
        if (change.do === "end") limitMs = END_SPREAD_MS;
        const next = reveal(former, parts, limitMs, now);
        expectBeginning(next.parts, parts);
        wholeBy = Math.min(next.total > total ? Infinity : wholeBy, now + limitMs);
        if (now >= wholeBy) expect(next.parts).toEqual(parts);
        expect(next.isCut).toBe(next.parts.some((part, index) => part !== parts[index]) || next.parts.length < parts.length);
        if (change.do !== "discard") {
          expect(next.parts.length).toBeGreaterThanOrEqual(former.parts.length);
          for (const [index, part] of former.parts.entries()) expect(textOf(next.parts[index]).startsWith(textOf(part))).toBe(true);
        }
        // What was not there before comes only when all before it is whole.
        const cut = next.parts.findIndex((part, index) => part !== parts[index]);
        if (cut >= 0) expect(next.parts.length).toBeLessThanOrEqual(Math.max(cut + 1, former.parts.length));
        // The first of what is new is there at once; at the same time, nothing else is new.
        if (next.total > 0) expect(next.parts.some((part) => textOf(part) !== "")).toBe(true);
        const again = reveal(next, parts, limitMs, now);
        expect(again.parts).toBe(next.parts);
        former = next;
      }
      const end = reveal(former, parts, limitMs, now + limitMs);
      expect(end.parts.length).toBe(parts.length);
      for (const [index, part] of end.parts.entries()) expect(part).toBe(parts[index]);
    }),
    { numRuns: 500 },
  );
});

it("shows at once what a message was continued from", () => {
  const base: Part[] = [{ type: "text", text: "All of this stood there before." }];
  const parts: Part[] = [...base, { type: "text", text: "And this goes on.", state: "streaming" }];
  const { parts: shown } = reveal(revealed("message", base), parts, SPREAD_MS, 1_000);
  expect(shown[0]).toBe(base[0]);
  expect(textOf(shown[1])).toBe("A");
});
