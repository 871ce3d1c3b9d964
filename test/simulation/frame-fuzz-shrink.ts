// From a schedule that fails to a short one that fails by the same check.
import { runFuzz, type FuzzSchedule } from "./frame-fuzz-run.ts";

/** The shortest schedule found that fails by the same check. */
export async function shrinkFuzz(schedule: FuzzSchedule): Promise<FuzzSchedule> {
  const checkOf = async (one: FuzzSchedule): Promise<string | undefined> => (await runFuzz(one)).findings[0]?.check;
  const check = await checkOf(schedule);
  let best = schedule;
  let runs = 0;
  const attempt = async (candidate: FuzzSchedule): Promise<void> => {
    if (runs++ < 150 && (await checkOf(candidate)) === check) best = candidate;
  };
  for (const change of [{ loss: 0 }, { tools: 0 }, { latency: "fast" }, { pages: 1 }] as const) {
    if (!("pages" in change) || best.pages > 1)
      await attempt({ ...best, ...change, steps: best.steps.filter(({ page }) => !("pages" in change) || page === 0) });
  }
  for (const fate of best.fates) await attempt({ ...best, fates: best.fates.filter((other) => other !== fate) });
  for (const step of best.steps.toReversed().slice(0, -1)) await attempt({ ...best, steps: best.steps.filter((other) => other !== step) });
  for (const rate of [0.2, 0.05]) if (rate < best.rate) await attempt({ ...best, rate });
  return best;
}
