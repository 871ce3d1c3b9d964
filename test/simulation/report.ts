// A failed run as text that a person can follow.
import { runSchedule } from "./run.ts";
import type { Schedule } from "./schedule.ts";
import { shrink } from "./shrink.ts";

/** Longest trace that is printed; the rest is in the middle of it and left out. */
const MAX_LINES = 120;
const MAX_COLUMNS = 240;

/** The seed, the shortest schedule that fails in the same way, what happened in it, and what was found. */
export async function explain(schedule: Schedule): Promise<string> {
  const small = await shrink(schedule);
  const { findings, trace } = await runSchedule(small, true);
  const { steps, ...setting } = small;
  const lines = trace.map((line) => (line.length > MAX_COLUMNS ? `${line.slice(0, MAX_COLUMNS)}…` : line));
  const shown =
    lines.length > MAX_LINES
      ? [...lines.slice(0, MAX_LINES / 2), `… ${lines.length - MAX_LINES} lines …`, ...lines.slice(-MAX_LINES / 2)]
      : lines;
  return [
    `seed ${schedule.seed}, ${schedule.steps.length} steps, shrunk to ${steps.length}: ${JSON.stringify(setting)}`,
    ...steps.map((step) => `  ${JSON.stringify(step)}`),
    "what happened (ms since the start; numbers are sockets):",
    ...shown.map((line) => `  ${line}`),
    "what is wrong:",
    ...findings.map(({ at, check, text }) => `  +${at} [${check}] ${text}`),
  ].join("\n");
}
