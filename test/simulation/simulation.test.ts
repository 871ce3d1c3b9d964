// The session and the client in a simulated world. SIMULATION_SCHEDULES and SIMULATION_SEED say how many schedules, and
// from which one on (scripts/simulate.mjs sets them).
import { expect, it } from "vitest";
import { explain } from "./report.ts";
import { runSchedule } from "./run.ts";
import { makeSchedule } from "./schedule.ts";
import seeds from "./seeds.json" with { type: "json" };

const COUNT = Number(process.env.SIMULATION_SCHEDULES ?? 2_000);
const FIRST = Number(process.env.SIMULATION_SEED ?? 1);
/** Failing seeds that are explained; a broken build fails nearly all. */
const MAX_EXPLAINED = 3;

it("gives the same run for the same seed", async () => {
  for (const seed of [3, 14]) {
    const [one, two] = [await runSchedule(makeSchedule(seed), true), await runSchedule(makeSchedule(seed), true)];
    expect(two.trace).toEqual(one.trace);
  }
});

it.runIf(seeds.length > 0)("keeps every invariant in the schedules that once broke one", async () => {
  await requireSound(seeds);
});

it(`keeps every invariant in ${COUNT} random schedules from seed ${FIRST} on`, async () => {
  const started = performance.now();
  await requireSound(Array.from({ length: COUNT }, (_, index) => FIRST + index));
  const seconds = (performance.now() - started) / 1_000;
  console.log(`${COUNT} schedules in ${seconds.toFixed(1)} s, ${(COUNT / seconds).toFixed(1)} a second`);
});

/** Runs the schedules of these seeds. @throws an error that explains the first failures */
async function requireSound(list: readonly number[]): Promise<void> {
  const failed: number[] = [];
  for (const seed of list) {
    const { findings } = await runSchedule(makeSchedule(seed));
    if (findings.length > 0) failed.push(seed);
  }
  if (failed.length === 0) return;
  const explained = [];
  for (const seed of failed.slice(0, MAX_EXPLAINED)) explained.push(await explain(makeSchedule(seed)));
  throw new Error(
    [`${failed.length} of ${list.length} schedules failed; seeds: ${failed.slice(0, 50).join(", ")}`, ...explained].join("\n\n"),
  );
}
