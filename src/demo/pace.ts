// Gives steps out at a pace. Owns every timer of the demo model: at most one at a time, none after end, abort or cancel.
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import type { Step } from "./steps.ts";

/** Waits shorter than this are saved up, so that a fast pace does not need a timer for every delta. */
const SHORTEST_WAIT_MS = 20;
/** A stalled answer keeps a timer, as a real one keeps a request: a runtime must not take it for dead code. */
const STALL_TICK_MS = 15_000;
/** A timer that is set for longer than this fires at once. */
const LONGEST_WAIT_MS = 2_147_483_647;

/** The error of an aborted call: the signal's own reason where it is one, else an `AbortError` with that reason as cause. */
export function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof Error && (reason.name === "AbortError" || reason.name === "TimeoutError")) return reason;
  const error = new Error("The call to the demo model was aborted.", { cause: reason });
  error.name = "AbortError";
  return error;
}

/** How many words one delta holds at a pace: single words when slow, a few when fast. */
export function wordsPerDelta(wordsPerSecond: number): number {
  return Math.min(Math.max(Math.round(wordsPerSecond * 0.08), 1), 4);
}

/**
 * A stream of the parts, each after the time of its words. Reads ahead by one part at most.
 * An abort errors the stream at once; a cancel ends it. With an infinite pace no timer is ever made, except for a stall.
 */
export function paceSteps(
  steps: Iterator<Step, void>,
  wordsPerSecond: number,
  signal: AbortSignal | undefined,
): ReadableStream<LanguageModelV4StreamPart> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let wake: (() => void) | undefined;
  let isOver = false;
  let owedMs = 0;
  let onAbort: (() => void) | undefined;

  const end = (): void => {
    isOver = true;
    clearTimeout(timer);
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    wake?.();
  };
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      timer = setTimeout(resolve, ms);
    });

  return new ReadableStream<LanguageModelV4StreamPart>({
    start(controller) {
      onAbort = () => {
        end();
        if (signal !== undefined) controller.error(abortError(signal));
      };
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener("abort", onAbort, { once: true });
    },
    async pull(controller) {
      const { value: step, done } = steps.next();
      if (done === true) {
        end();
        controller.close();
        return;
      }
      if (step === "stall") {
        while (!isOver) await sleep(STALL_TICK_MS);
        return;
      }
      owedMs += (step.words / wordsPerSecond) * 1000;
      if (owedMs >= SHORTEST_WAIT_MS) {
        const ms = Math.min(owedMs, LONGEST_WAIT_MS);
        owedMs = 0;
        await sleep(ms);
      }
      if (!isOver) controller.enqueue(step.part);
    },
    cancel() {
      end();
    },
  });
}
