// From a schedule that fails to a short one that fails in the same way: steps are dropped for as long as it still does.
import { runSchedule } from "./run.ts";
import type { Schedule } from "./schedule.ts";

/** More runs are not spent on one failure. */
const MAX_RUNS = 250;

/** The shortest schedule found whose first finding is of the same check. */
export async function shrink(schedule: Schedule): Promise<Schedule> {
  const check = (await runSchedule(schedule)).findings[0]?.check;
  let runs = 0;
  const fails = async (candidate: Schedule): Promise<boolean> => {
    if (runs++ >= MAX_RUNS) return false;
    return (await runSchedule(candidate)).findings[0]?.check === check;
  };
  let best = schedule;
  const simpler: Partial<Schedule>[] = [
    { loss: 0 },
    { busy: "queue" },
    { approvalExpiresMs: null },
    { toolTimeoutMs: 300_000 },
    { hook: null },
    { history: null },
    { people: "one" },
    { latency: "fast" },
    { pages: 1 },
    { pages: 2 },
  ];
  for (const change of simpler) {
    const candidate = { ...best, ...change };
    if (JSON.stringify(candidate) !== JSON.stringify(best) && (change.pages ?? 0) <= best.pages && (await fails(candidate)))
      best = candidate;
  }
  for (let size = Math.ceil(best.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.steps.length;) {
      const steps = [...best.steps.slice(0, from), ...best.steps.slice(from + size)];
      if (await fails({ ...best, steps })) best = { ...best, steps };
      else from += size;
    }
  }
  return best;
}
