// What the model does, step by step: a run that the test holds over several visits to the object. No assertions.
import { runInDurableObject } from "cloudflare:test";
import type { Turn, TurnResult } from "../../../src/entries/index.ts";
import type { Play } from "../worker.ts";
import { stubOf } from "./objects.ts";

export interface Stage {
  readonly turnId: string;
  /** Plays inside the object, and returns when the object has read what was written. */
  perform(act: (run: Play) => void | Promise<void>): Promise<void>;
}

/** Takes the next run of the thread. */
export async function takeRun(threadId: string): Promise<Stage> {
  const run = await runInDurableObject(stubOf(threadId), (puppet) => puppet.nextPlay());
  return {
    turnId: run.turn.id,
    perform: (act) =>
      runInDurableObject(stubOf(threadId), async () => {
        await act(run);
        await settle();
      }),
  };
}

/** Lets the object read what was written. */
export async function settle(): Promise<void> {
  for (let tick = 0; tick < 3; tick++) await scheduler.wait(0);
}

/** The next runs are these, one each, in place of plays. */
export function answerNext(threadId: string, ...answers: ((turn: Turn) => TurnResult | Promise<TurnResult>)[]): Promise<void> {
  return runInDurableObject(stubOf(threadId), (puppet) => void puppet.answers.push(...answers));
}

const CALL = "ticks";

/** Opens a text and a call whose outcomes come one by one: each of them is stored and sent at once, whatever the clock says. */
export function openText(run: Play): void {
  run.write({ type: "text-start", id: "t" });
  run.write({ type: "tool-input-available", toolCallId: CALL, toolName: CALL, input: {} });
}

/** One delta as a frame of its own, between {@link openText} and {@link closeText}. */
export function say(run: Play, delta: string): void {
  run.write({ type: "text-delta", id: "t", delta });
  run.write({ type: "tool-output-available", toolCallId: CALL, output: delta.length });
}

export function closeText(run: Play): void {
  run.write({ type: "text-end", id: "t" });
  run.write({ type: "tool-output-available", toolCallId: CALL, output: "done" });
}
