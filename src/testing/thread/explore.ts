// `explore`: the same scenario again and again, each time with other things going wrong at other commits, until it fails or
// has held. What it is told of a failure is the smallest set of faults that it could find for it.
import type { ChatTypes } from "../../client/types.ts";
import { ObjectReset } from "../world/object-reset.ts";
import { SeededRandom } from "../world/seeded-random.ts";
import { describeFault, drawFaults, type Fault } from "./faults.ts";
import { findUnsound } from "./rest-checks.ts";
import { makeTestThread, type createTestThread, type TestThreadOptions } from "./test-thread.ts";
import type { Latency, ThreadWorld } from "./thread-world.ts";
import type { ChatClass } from "./user-object.ts";

export interface ExploreOptions {
  /** How many sets of faults are tried, after one run in which nothing goes wrong. @default 200 */
  schedules?: number;
  /** What goes wrong depends on it alone. The error of a failure names the one to give here with `schedules: 1`. @default "1" */
  seed?: string | number;
  /** Exactly these faults, once, instead of drawn ones: what the error of a failure lists. */
  faults?: readonly Fault[];
  /** A run that takes longer hangs, in ms of real time. @default 10_000 */
  timeoutMs?: number;
}

/** What `explore` has done. */
export interface ExploreReport {
  schedules: number;
  /** Faults that struck, or could have: those of a commit that never came did not. */
  faults: number;
  /** Commits of a run in which nothing goes wrong. */
  commits: number;
}

/**
 * One run: makes what it needs, also the mocks of its class, uses its threads and checks what has to hold. It is given the
 * `createTestThread` whose threads the faults are for. Whatever goes wrong, what it awaits of a thread comes true; a turn may
 * have been interrupted.
 */
export type Scenario = (makeThread: typeof createTestThread) => Promise<unknown>;

interface Run {
  faults: readonly Fault[];
  latency: Latency;
  seed: string;
}

/** What a run came to. */
interface Outcome {
  error?: unknown;
  /** Of each thread. */
  commits: number[];
  /** What the objects reported. */
  reported: unknown[];
}

/** Real time between two looks at a run. */
const LOOK_MS = 50;
/** A run in which nothing moves for so long will not go on by itself. */
const STILL_MS = 2_000;
/** More runs are not spent on making a failure smaller. */
const MAX_SHRINK_RUNS = 60;

/**
 * Runs a scenario under random crashes, evictions, lost sockets, late alarms and slow networks. After each run it waits until
 * the thread is at rest and checks what always has to hold: every turn has ended or waits for a person, every client was
 * answered, all show the same as a new one, and nothing is left behind.
 *
 * The same schedules each time: raise `schedules`, or change `seed`, to look further.
 *
 * @throws {Error} the first failure, with its seed and a smallest set of faults; `cause` is what the scenario threw
 */
export async function explore(scenario: Scenario, options: ExploreOptions = {}): Promise<ExploreReport> {
  const { seed = "1", timeoutMs = 10_000, faults: given } = options;
  const schedules = given ? 1 : (options.schedules ?? 200);
  const giveBackConsole = muteResets();
  try {
    const calm = { faults: [], latency: "none", seed: String(seed) } satisfies Run;
    const first = await runOnce(scenario, calm, timeoutMs);
    if (first.error !== undefined) throw failure("The scenario fails when nothing goes wrong.", first, []);
    let count = 0;
    for (let index = 0; index < schedules; index++) {
      const run = given ? { ...calm, faults: given } : drawRun(index === 0 ? String(seed) : `${seed}/${index}`, first.commits);
      count += run.faults.length;
      const outcome = await runOnce(scenario, run, timeoutMs);
      if (outcome.error !== undefined) throw await explain(scenario, run, { index, schedules, timeoutMs });
    }
    return { schedules, faults: count, commits: first.commits.reduce((sum, commits) => sum + commits, 0) };
  } finally {
    giveBackConsole();
  }
}

function drawRun(seed: string, commits: readonly number[]): Run {
  const random = new SeededRandom(`explore/${seed}`);
  return { seed, faults: drawFaults(random, commits), latency: random.weighted({ none: 2, fast: 2, slow: 1 }) };
}

async function runOnce(scenario: Scenario, run: Run, timeoutMs: number): Promise<Outcome> {
  const worlds: ThreadWorld[] = [];
  const reported: unknown[] = [];
  let isOver = false;
  const makeThread = (<Types extends ChatTypes>(Class: ChatClass, options?: TestThreadOptions) => {
    if (isOver) throw new Error("The run is over.");
    const index = worlds.length;
    return makeTestThread<Types>(Class, options, {
      seed: `${run.seed}/${index}`,
      faults: run.faults.filter(({ thread = 0 }) => thread === index),
      latency: run.latency,
      onError: (error) => reported.push(error),
      adopt: (world) => worlds.push(world),
    });
  }) as typeof createTestThread;
  let error: unknown;
  try {
    await within(timeoutMs, worlds, async () => {
      await scenario(makeThread);
      for (const world of worlds) await checkAtRest(world);
    });
  } catch (thrown) {
    error = thrown ?? new Error("The scenario threw nothing.");
  }
  isOver = true;
  const commits = worlds.map(({ faults }) => faults.commits);
  for (const world of worlds) await world.close();
  return { commits, reported, ...(error !== undefined ? { error } : {}) };
}

async function checkAtRest(world: ThreadWorld): Promise<void> {
  // A thread that the scenario has closed is not looked at.
  if (world.isClosed) return;
  world.heal();
  await world.pace.settle();
  const found = await findUnsound(world);
  if (found.length > 0) throw new Error(`The thread is not sound:\n${found.map((what) => `  - ${what}`).join("\n")}`);
}

/** @throws {Error} when `body` takes longer than `timeoutMs`, or waits though no thread moves any more */
async function within(timeoutMs: number, worlds: readonly ThreadWorld[], body: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setInterval> | undefined;
  let stillMs = 0;
  let leftMs = timeoutMs;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setInterval(() => {
      leftMs -= LOOK_MS;
      stillMs = worlds.some(({ pace }) => pace.isMoving) ? 0 : stillMs + LOOK_MS;
      if (leftMs <= 0) reject(new Error(`The run did not end within ${timeoutMs} ms.`));
      if (stillMs >= STILL_MS) reject(new Error(`The scenario waits for what never comes: ${stillness(worlds)}.`));
    }, LOOK_MS);
  });
  try {
    await Promise.race([body(), late]);
  } finally {
    clearInterval(timer);
  }
}

function stillness(worlds: readonly ThreadWorld[]): string {
  const waits = worlds.some(({ object, isClosed }) => !isClosed && object.turns[0]?.state === "waiting");
  return waits ? "a turn waits for a person or a client, and nothing else is under way" : "nothing is under way";
}

/** The error for a run that failed: with as few faults as it takes. */
async function explain(
  scenario: Scenario,
  run: Run,
  { index, schedules, timeoutMs }: { index: number; schedules: number; timeoutMs: number },
) {
  let runs = 0;
  let best = run;
  let outcome: Outcome | undefined;
  const tryOut = async (candidate: Run): Promise<void> => {
    if (runs++ >= MAX_SHRINK_RUNS) return;
    const tried = await runOnce(scenario, candidate, timeoutMs);
    if (tried.error === undefined) return;
    best = candidate;
    outcome = tried;
  };
  if (run.latency !== "none") await tryOut({ ...run, latency: "none" });
  for (const fault of run.faults) await tryOut({ ...best, faults: best.faults.filter((other) => other !== fault) });
  // Two faults may be needed only because of where each of them is.
  for (const crash of best.faults.length > 1 ? crashesOf(best, outcome?.commits ?? []) : []) {
    if (best.faults.length > 1) await tryOut({ ...best, faults: [crash] });
  }
  outcome ??= await runOnce(scenario, run, timeoutMs);
  if (outcome.error === undefined)
    return new Error(
      `explore: schedule ${index + 1} of ${schedules} failed once and not again: the scenario depends on more than its seed ${JSON.stringify(run.seed)}.`,
    );
  const isReplay = best.latency === "none" && best.seed === run.seed;
  const lines = [
    `explore: the scenario failed in schedule ${index + 1} of ${schedules}.`,
    ...(best.faults.length > 0 ? ["What has to go wrong for it:", ...best.faults.map((fault) => `  - ${describeFault(fault)}`)] : []),
    ...(best.latency !== "none" ? [`  - a ${best.latency} network`] : []),
    `Again: explore(scenario, { seed: ${JSON.stringify(run.seed)}, schedules: 1 })`,
    ...(isReplay ? [`or:    explore(scenario, { seed: ${JSON.stringify(run.seed)}, faults: ${JSON.stringify(best.faults)} })`] : []),
  ];
  return failure(lines.join("\n"), outcome, outcome.reported);
}

/** Every single crash that a run may die of. */
function crashesOf({ faults }: Run, commits: readonly number[]): Fault[] {
  const { thread = 0 } = faults[0]!;
  const places = Array.from({ length: commits[thread] ?? 0 }, (_, index) => index + 1);
  const where = thread > 0 ? { thread } : {};
  return places.flatMap((commit) => (["before", "after"] as const).map((when): Fault => ({ kind: "crash", commit, when, ...where })));
}

function failure(text: string, { error }: Outcome, reported: readonly unknown[]): Error {
  const what = error instanceof Error ? error.message : String(error);
  const log =
    reported.length > 0
      ? `\nReported by the object:\n${reported
          .slice(0, 5)
          .map((one) => `  - ${String(one)}`)
          .join("\n")}`
      : "";
  return new Error(`${text}\nIt failed with: ${what}${log}`, { cause: error });
}

/** Requests fail whose object died: the router says so to its log, which here is no news. */
function muteResets(): () => void {
  const { error } = console;
  console.error = (...given: unknown[]) => {
    if (!given.some((one) => one instanceof ObjectReset)) error(...given);
  };
  return () => void (console.error = error);
}
