// SIGKILL at random moments of turns that call tools and ask a person. CHATCELL_CRASHES: how many kills; CHATCELL_SEED: which.
import { describe, expect, it } from "vitest";
import type { WorkerdProcess } from "../../src/entries/testing.ts";
import { chooseErrand, ErrandRun, SIGNS, type Sign } from "./support/errand.ts";
import { createRandom, SEED, type Random } from "./support/random.ts";
import { readMessages } from "./support/raw.ts";
import { RECOVERIES, useServer, type Recovery, type Setting } from "./support/server.ts";
import { elapse, leftOf, NOTHING_LEFT, readStoredThreads } from "./support/stored.ts";
import { pause, poll } from "./support/until.ts";

const CRASHES = Number(process.env.CHATCELL_CRASHES ?? 30);
const ROUNDS = Math.ceil(CRASHES / RECOVERIES.length);
const THREADS = 3;
const USER = "user-1";
const ALL_SIGNS = Object.keys(SIGNS) as Sign[];

interface Tally {
  kills: number;
  ended: number;
  waited: number;
}

/** Some threads at work; the process is killed at a sign of the first of them, and started again. @throws what was broken */
async function playRound(
  { server, outside, recovery }: Setting & { recovery: Recovery },
  sign: Sign,
  random: Random,
  tally: Tally,
): Promise<void> {
  const runs = await Promise.all(
    Array.from({ length: THREADS }, (_, index) => {
      const errand = chooseErrand(`${recovery}-${tally.kills}-${index}`, random);
      const aim = index === 0 ? sign : random.pick(ALL_SIGNS);
      // Each its own chance: what one does is not to depend on when the others do it.
      return ErrandRun.start({ server, outside, random: createRandom(random.between(0, 2 ** 31)), user: USER, errand, sign: aim });
    }),
  );
  try {
    await runs[0]!.reach();
    let kills = 0;
    const crash = async (): Promise<void> => {
      await server.kill();
      kills++;
      await server.restart();
    };
    await crash();
    if (random.next() < 0.2) {
      await pause(random.between(0, 80));
      await crash();
    }
    tally.kills += kills;
    for (const end of await Promise.all(runs.map((run) => run.check(recovery, kills)))) tally[end]++;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new Error(`${detail}\n\nlast lines of workerd:\n${server.logs.slice(-20).join("\n")}`, { cause: error });
  } finally {
    for (const run of runs) run.close();
  }
}

/** Lets the leases of hooks that a crash has cut off run out: each is called again, and then nothing of any turn is left. */
async function expectNothingLeft(server: WorkerdProcess): Promise<void> {
  await server.kill();
  const marked = [...readStoredThreads(server.storage)].filter(([, { endMarks }]) => endMarks.length > 0);
  elapse(server.storage);
  const before = server.logs.length;
  await server.restart();
  for (const [threadId, { endMarks }] of marked) {
    const isCalled = (): boolean =>
      endMarks.every((id) => server.logs.slice(before).some((line) => line.startsWith(`end ${id} `) && line.endsWith(" again")));
    await poll(isCalled, `onTurnEnd of ${endMarks.join()}`, 10_000);
    // Comes after all that the object has written.
    await readMessages({ url: server.url, threadId, user: USER });
  }
  await server.kill();
  for (const [threadId, thread] of readStoredThreads(server.storage)) {
    expect({ threadId, ...leftOf(thread), messages: thread.messages.length }).toEqual({ threadId, ...NOTHING_LEFT, messages: 4 });
    const ends = thread.messages
      .filter(({ role }) => role === "assistant")
      .map(({ id }) => server.logs.filter((line) => line.startsWith(`end ${id} `)));
    expect(ends.every((lines) => lines.length > 0)).toBe(true);
    // More than one call only for a hook that a crash may have cut off.
    for (const lines of ends) expect(lines.filter((line) => !line.endsWith(" again")).length).toBeLessThanOrEqual(1);
  }
}

describe.each(RECOVERIES)(`tools and approvals (CHATCELL_SEED=${SEED} CHATCELL_CRASHES=${CRASHES}), recovery "%s"`, (recovery) => {
  const setting = useServer(recovery);

  it("keep every promise through crashes", { timeout: 60_000 + ROUNDS * 20_000 }, async () => {
    const tally: Tally = { kills: 0, ended: 0, waited: 0 };
    for (let round = 0; tally.kills < ROUNDS; round++) {
      const sign = ALL_SIGNS[round % ALL_SIGNS.length]!;
      const random = createRandom(SEED + RECOVERIES.indexOf(recovery) * 1_000_003 + round);
      await playRound({ ...setting, recovery }, sign, random, tally).catch((cause: Error) => {
        throw new Error(`CHATCELL_SEED=${SEED}, "${recovery}", round ${round + 1}, killed ${sign}: ${cause.message}`, { cause });
      });
    }
    console.log(`seed ${SEED}, ${recovery}: ${JSON.stringify(tally)}`);
    expect(tally.ended).toBeGreaterThan(0);
    expect(tally.waited).toBeGreaterThan(0);
    await expectNothingLeft(setting.server);
  });
});
