// Frames that are spoilt on their way between the real client and the real session. FUZZ_SCHEDULES and FUZZ_SEED say how many
// schedules of each kind, and from which one on; what fails is printed as a schedule that can be run again.
import { describe, expect, it } from "vitest";
import { CURES, DOWN, UP, type Cure, type Fate } from "./frame-fuzz-link.ts";
import { makeFuzz, runFuzz, type FuzzSchedule } from "./frame-fuzz-run.ts";
import { shrinkFuzz } from "./frame-fuzz-shrink.ts";

const COUNT = Number(process.env.FUZZ_SCHEDULES ?? 60);
const FIRST = Number(process.env.FUZZ_SEED ?? 1);
const ENOUGH = 50;

/** So many lines of a trace are printed; with none, a failing schedule is not shrunk. */
const LINES = Number(process.env.FUZZ_LINES ?? 60);

async function explain(schedule: FuzzSchedule): Promise<string> {
  const small = LINES > 0 ? await shrinkFuzz(schedule) : schedule;
  const { findings, trace } = await runFuzz(small, true);
  return [
    `FUZZ_SEED=${schedule.seed} FUZZ_SCHEDULES=1, shrunk to ${JSON.stringify(small)}`,
    ...trace.slice(trace.length - Math.min(LINES, trace.length)).map((line) => `  ${line.slice(0, 260)}`),
    ...findings.map(({ at, check, text }) => `  +${at} [${check}] ${text.slice(0, 900)}`),
  ].join("\n");
}

describe("what heals a view when frames are spoilt", () => {
  it.each(CURES)("is %s, at most", async (cure: Cure) => {
    const did = new Set<Fate>();
    for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
      const schedule = makeFuzz(seed, cure);
      const result = await runFuzz(schedule);
      for (const fate of Object.keys(result.did)) did.add(fate as Fate);
      if (result.findings.length > 0) throw new Error(`${seed - FIRST + 1} of ${COUNT} schedules: ${await explain(schedule)}`);
    }
    const own = Object.entries({ ...DOWN, ...UP }).flatMap(([fate, healedBy]) => (healedBy === cure ? [fate as Fate] : []));
    if (COUNT >= ENOUGH) expect(own.filter((fate) => !did.has(fate))).toEqual([]);
  });
});
