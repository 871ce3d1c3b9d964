// SIGKILL at random moments of a real workerd, against the real client. CHATCELL_CRASHES: how many kills; CHATCELL_SEED: which.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WorkerdProcess } from "../../src/entries/testing.ts";
import { createRandom, SEED } from "./support/random.ts";
import { KILL_POINTS, playRound, type Tally } from "./support/round.ts";
import { startServer } from "./support/server.ts";

const CRASHES = Number(process.env.CHATCELL_CRASHES ?? 36);
const KILLS_PER_POINT = Math.ceil(CRASHES / KILL_POINTS.length);
const TIMEOUT_MS = 60_000 + KILLS_PER_POINT * 15_000;

describe(`a thread whose process is killed (CHATCELL_SEED=${SEED} CHATCELL_CRASHES=${CRASHES})`, () => {
  let server: WorkerdProcess;
  const total: Tally = { kills: 0, completed: 0, interrupted: 0, early: 0, unacked: 0 };

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(async () => {
    await server.stop();
    console.log(`seed ${SEED}: ${JSON.stringify(total)}`);
  });

  it.each(KILL_POINTS.map((point, index) => ({ point, index })))(
    "keeps every promise when it is killed $point",
    { timeout: TIMEOUT_MS },
    async ({ point, index }) => {
      const tally: Tally = { kills: 0, completed: 0, interrupted: 0, early: 0, unacked: 0 };
      for (let round = 0; tally.kills < KILLS_PER_POINT; round++) {
        await playRound(server, point, createRandom(SEED + index * 1_000_003 + round), tally).catch((cause: Error) => {
          throw new Error(`CHATCELL_SEED=${SEED}, round ${round + 1} of "${point}": ${cause.message}`, { cause });
        });
      }
      console.log(`${point}: ${JSON.stringify(tally)}`);
      for (const [key, count] of Object.entries(tally)) total[key as keyof Tally] += count;
      expect(tally.kills).toBeGreaterThanOrEqual(KILLS_PER_POINT);
    },
  );

  it("was met at every stage of a turn", () => {
    expect(total.unacked).toBeGreaterThan(0);
    expect(total.early).toBeGreaterThan(0);
    expect(total.interrupted).toBeGreaterThan(0);
    expect(total.completed).toBeGreaterThan(0);
  });
});
