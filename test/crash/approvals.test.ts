// SIGKILL around the answer to a question: right after it was acked, while the approved tool is at work, and during a long wait.
import { describe, expect, it } from "vitest";
import { errandOf, type ScoreCall } from "./score.ts";
import { callsIn, ErrandRun, type CallPart, type Sign } from "./support/errand.ts";
import { createRandom, SEED } from "./support/random.ts";
import { RECOVERIES, useServer } from "./support/server.ts";
import { elapse, readStoredThreads } from "./support/stored.ts";
import { poll } from "./support/until.ts";

const UNKNOWN = "Interrupted, outcome unknown.";
const QUICK = { words: 3, everyMs: 0, afterMs: 0 };

describe.each(RECOVERIES)(`an approval (CHATCELL_SEED=${SEED}), with recovery "%s"`, (recovery) => {
  const setting = useServer(recovery);
  let tags = 0;

  /** A turn that asks whether to pay, driven to a sign. Paying takes `payMs`; `others` are called beside it. */
  async function ask(sign: Sign, payMs: number, ...others: ScoreCall[]): Promise<ErrandRun> {
    const errand = errandOf(`${recovery}-${tags++}`, [
      { ...QUICK, calls: [...others, { tool: "pay", ms: payMs }] },
      { ...QUICK, calls: [] },
    ]);
    return ErrandRun.start({ ...setting, random: createRandom(SEED + tags), user: "user-1", errand, sign, isApproved: true });
  }

  /** Kills it exactly at the sign, and checks it after a restart. */
  async function crashAt(run: ErrandRun, whileDown = (): void => {}): Promise<"ended" | "waited"> {
    await run.reach(0);
    await setting.server.kill();
    whileDown();
    await setting.server.restart();
    return run.check(recovery, 1);
  }

  const payOf = (run: ErrandRun): CallPart => callsIn(run.reply.parts).find(({ type }) => type === "tool-pay")!;

  it("that was acked is never asked for again, and its tool runs at most once, when the process is killed at the ack", async () => {
    const runs: string[] = [];
    for (let round = 0; round < 3; round++) {
      const run = await ask("at the ack of the answer", 20);
      expect(await crashAt(run)).toBe("ended");
      const { state, errorText } = payOf(run);
      expect([state, errorText]).toEqual(
        run.effects === 1 && state === "output-available" ? [state, undefined] : ["output-error", UNKNOWN],
      );
      runs.push(state);
      run.close();
    }
    console.log(`seed ${SEED}, killed at the ack of an approval, ${recovery}: ${runs.join(", ")}`);
  });

  it("is not carried out twice when the process is killed while the approved tool is at work", async () => {
    const run = await ask("while the approved tool is at work", 60_000);
    expect(await crashAt(run)).toBe("ended");
    expect(payOf(run)).toMatchObject({ state: "output-error", errorText: UNKNOWN, approval: { approved: true, by: "user-1" } });
    expect(run.effects).toBe(1);
    expect(run.reply.facts?.outcome).toBe(recovery === "keep" ? "interrupted" : "completed");
    run.close();
  });

  it("that came while another tool was still at work is carried out once, when the process is killed at its ack", async () => {
    const run = await ask("at the ack of the answer", 0, { tool: "book", ms: 60_000 });
    expect(await crashAt(run)).toBe("ended");
    expect(callsIn(run.reply.parts)).toMatchObject([
      { type: "tool-book", state: "output-error", errorText: UNKNOWN },
      { type: "tool-pay", state: "output-available", approval: { approved: true, by: "user-1" } },
    ]);
    expect(setting.outside.effectsOf(run.turnId).map(({ tool }) => tool)).toEqual(["book", "pay"]);
    expect(run.reply.facts?.outcome).toBe("completed");
    run.close();
  });

  it("can be given days after the process was killed: until then nothing is due and nothing runs", async () => {
    const run = await ask("in the wait", 0);
    const fires = (): number => setting.server.logs.filter((line) => line.startsWith("alarm ")).length;
    const firesBefore = fires();
    await run.reach(0);
    const modelsBefore = run.models;
    for (let day = 0; day < 3; day++) {
      await setting.server.kill();
      expect(readStoredThreads(setting.server.storage).get(run.tabs[0].threadId)).toMatchObject({
        turns: [{ id: run.turnId, state: "waiting", dueAt: null }],
        alarmAt: null,
      });
      elapse(setting.server.storage);
      await setting.server.restart();
    }
    expect([run.models, run.effects, fires()]).toEqual([modelsBefore, 0, firesBefore]);
    expect(await run.check(recovery, 0)).toBe("waited");
    expect(payOf(run)).toMatchObject({ state: "output-available", approval: { approved: true, by: "user-1" } });
    expect([run.effects, run.reply.facts]).toEqual([1, expect.objectContaining({ outcome: "completed", attempts: 1 })]);
    await poll(() => setting.server.logs.includes(`end ${run.turnId} completed`), "onTurnEnd", 5_000);
    run.close();
  });
});
