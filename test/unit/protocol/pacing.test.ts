import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutText, letOut, SPREAD_MS, type Pace } from "../../../src/protocol/pacing.ts";

const START: Pace = { total: 0, out: 0, at: 0, due: 0 };

describe("letOut", () => {
  it("lets a flush out evenly until the next one is due", () => {
    let pace = letOut(START, 300, SPREAD_MS, 1_000);
    expect(pace.out).toBe(0);
    for (let now = 1_100; now <= 1_500; now += 100) {
      pace = letOut(pace, 300, SPREAD_MS, now);
      expect(pace.out).toBeCloseTo((300 * (now - 1_000)) / SPREAD_MS);
    }
  });

  it("loses no time to frames that are too short for a character", () => {
    let pace = letOut(START, 5, SPREAD_MS, 0);
    for (let now = 0; now <= 250; now += 4) pace = letOut(pace, 5, SPREAD_MS, now);
    expect(pace.out).toBeCloseTo(2.48);
  });

  it("spreads what is left together with what comes", () => {
    const half = letOut(letOut(START, 100, SPREAD_MS, 0), 100, SPREAD_MS, 250);
    const more = letOut(half, 150, SPREAD_MS, 250);
    expect(more).toEqual({ total: 150, out: 50, at: 250, due: 750 });
    expect(letOut(more, 150, SPREAD_MS, 500).out).toBe(100);
  });

  it("hurries when the limit is lowered, and lets all out without one", () => {
    const pace = letOut(START, 100, SPREAD_MS, 0);
    expect(letOut(letOut(pace, 100, 250, 0), 100, 250, 249).out).toBeGreaterThan(99);
    expect(letOut(letOut(pace, 100, 250, 0), 100, 250, 250).out).toBe(100);
    // The limit counts from when it was lowered.
    expect(letOut(letOut(pace, 100, 250, 100), 100, 250, 340).due).toBe(350);
    expect(letOut(pace, 100, 0, 0).out).toBe(100);
  });

  it.each([-1, -400, -3_600_000, 3_600_000])("has all out in time when the clock is set by %i ms", (jump) => {
    const half = letOut(letOut(START, 100, SPREAD_MS, 5e12), 100, SPREAD_MS, 5e12 + 250);
    const now = 5e12 + 250 + jump;
    expect(letOut(letOut(half, 100, SPREAD_MS, now), 100, SPREAD_MS, now + SPREAD_MS).out).toBe(100);
  });
});

describe("cutText", () => {
  const text = fc.string({ unit: "binary" });

  it("is a prefix without half of a pair, at most one unit longer than asked for", () => {
    fc.assert(
      fc.property(text, fc.nat(40), (text, length) => {
        const cut = cutText(text, length);
        expect(text.startsWith(cut)).toBe(true);
        expect(cut.isWellFormed()).toBe(text.isWellFormed());
        expect(cut.length - Math.min(length, text.length)).toBeOneOf([0, 1]);
      }),
    );
  });

  it("takes a fraction as the unit that it falls in", () => {
    expect(cutText("abc", 1.9)).toBe("a");
    expect(cutText("a😀c", 2.5)).toBe("a😀");
  });
});
