// The random schedules, in two shares that run beside each other. SIMULATION_SCHEDULES and SIMULATION_SEED say how many
// schedules, and from which one on (scripts/simulate.mjs sets them).
import { expect, it } from "vitest";
import type { Reached } from "./reached.ts";
import { explain } from "./report.ts";
import { runSchedule } from "./run.ts";
import { makeSchedule } from "./schedule.ts";

const COUNT = Number(process.env.SIMULATION_SCHEDULES ?? 2_000);
const FIRST = Number(process.env.SIMULATION_SEED ?? 1);
/** Failing seeds that are explained; a broken build fails nearly all. */
const MAX_EXPLAINED = 3;
/** So many schedules come by everything that can happen. */
const ENOUGH = 1_000;
const SHARES = 2;
/** What the default run must come by, lest it finds no faults because it gets nowhere. */
const MUST_REACH = Object.entries({
  turn: ["send", "edit", "regenerate", "continue"],
  ended: ["completed", "stopped", "failed", "interrupted"],
  failed: ["model_error", "interrupted", "attempts_exhausted", "head_moved"],
  "run again": ["approval", "client-tool", "recovery", "continue"],
  approval: ["true", "false", "expired"],
  output: ["true", "false"],
  continue: ["with output", "without output"],
  regenerate: ["with output", "without output"],
  tool: ["started", "run again", "without outcome", "preliminary output"],
  command: ["append", "claim", "set", "stop", "cancel", "edit of a queued turn"],
  refused: ["already_resolved", "already_claimed", "already_started", "head_moved", "state_conflict", "turn_active", "queue_full"],
  other: ["waits", "superseded", "discard", "state set"],
}).flatMap(([kind, things]) => things.map((what) => `${kind}: ${what}`));

/** Declares the test of one share of the schedules. @param share from 0 */
export function testShare(share: number): void {
  const all = Array.from({ length: COUNT }, (_, index) => FIRST + index);
  const mine = all.filter((_, index) => index % SHARES === share);
  it(`keeps every invariant in ${mine.length} of ${COUNT} random schedules from seed ${FIRST} on`, async () => {
    const started = performance.now();
    const reached = await requireSound(mine);
    const seconds = (performance.now() - started) / 1_000;
    if (mine.length >= ENOUGH) expect(MUST_REACH.filter((what) => !reached[what])).toEqual([]);
    console.log(`${mine.length} schedules in ${seconds.toFixed(1)} s, ${(mine.length / seconds).toFixed(1)} a second`);
  });
}

/** Runs the schedules of these seeds, and says what they came by. @throws an error that explains the first failures */
export async function requireSound(list: readonly number[]): Promise<Reached> {
  const failed: number[] = [];
  const all: Reached = {};
  for (const seed of list) {
    const { findings, reached } = await runSchedule(makeSchedule(seed));
    if (findings.length > 0) failed.push(seed);
    for (const [what, times] of Object.entries(reached)) all[what] = (all[what] ?? 0) + times;
  }
  if (failed.length === 0) return all;
  const explained = [];
  for (const seed of failed.slice(0, MAX_EXPLAINED)) explained.push(await explain(makeSchedule(seed)));
  throw new Error(
    [`${failed.length} of ${list.length} schedules failed; seeds: ${failed.slice(0, 50).join(", ")}`, ...explained].join("\n\n"),
  );
}
