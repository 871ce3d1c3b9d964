import { describe, expect, it } from "vitest";
import { DEFAULT_FLUSH, flushDelayMs } from "../../../src/stream/flush-policy.ts";

const delays = (flushEveryMs: number, watched: boolean): number[] =>
  [1, 2, 3, 4, 5, 6].map((flushes) => flushDelayMs(flushes, watched, { ...DEFAULT_FLUSH, flushEveryMs }));

describe("the next flush", () => {
  it("comes early at the start of a reply that somebody watches, and then as often as is set", () => {
    expect(delays(500, true)).toEqual([50, 100, 200, 400, 500, 500]);
    expect(delays(150, true)).toEqual([50, 100, 150, 150, 150, 150]);
    expect(delays(5_000, true)).toEqual([50, 100, 200, 400, 5_000, 5_000]);
  });

  it("never comes sooner where nobody watches", () => {
    expect(delays(500, false)).toEqual([2_000, 2_000, 2_000, 2_000, 2_000, 2_000]);
    expect(delays(5_000, false)).toEqual([5_000, 5_000, 5_000, 5_000, 5_000, 5_000]);
  });
});
