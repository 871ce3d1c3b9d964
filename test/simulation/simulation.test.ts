// The session and the client in a simulated world.
import { expect, it } from "vitest";
import { runSchedule } from "./run.ts";
import { makeSchedule } from "./schedule.ts";
import seeds from "./seeds.json" with { type: "json" };
import { requireSound, testShare } from "./share.ts";

it("gives the same run for the same seed", async () => {
  for (const seed of [3, 14]) {
    const [one, two] = [await runSchedule(makeSchedule(seed), true), await runSchedule(makeSchedule(seed), true)];
    expect(two.trace).toEqual(one.trace);
  }
});

it.runIf(seeds.length > 0)("keeps every invariant in the schedules that once broke one", async () => {
  await requireSound(seeds);
});

testShare(0);
