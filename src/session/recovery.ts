// What is left of a run that will not come to its end, and what is done about it in the log. Pure.
import { closingChunks } from "../protocol/close-open-parts.ts";
import { isCall, stepStart } from "../protocol/fold-tools.ts";
import type { Chunk, LiveState, Part } from "../protocol/messages.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import type { Interruption, RecoveryPolicy } from "../turn/machine.ts";

/** How interrupted turns are recovered, and the caps that end a turn which does not come to an end by itself. */
export interface RecoveryOptions {
  policy: RecoveryPolicy;
  /** Runs of one turn, counted before each starts. */
  maxAttempts: number;
  /** From the start of the turn to now, in ms. */
  maxWorkMs: number;
  /** Chunks in the turn's log. */
  maxChunks: number;
  /** A run that is silent for so long is interrupted, unless a tool call is under way. Looked at every 30 s, by the lease alarm. */
  stallAfterMs: number;
}

export const DEFAULT_RECOVERY: RecoveryOptions = {
  policy: "keep",
  maxAttempts: 3,
  maxWorkMs: 60 * 60_000,
  maxChunks: 100_000,
  stallAfterMs: 60_000,
};

/** What the machine has to know of an interrupted run. */
export function interruptionOf(turn: TurnRow, live: LiveState, options: RecoveryOptions, now: number): Interruption {
  const { parts } = live.message;
  return {
    policy: options.policy,
    attempt: turn.attempt,
    maxAttempts: options.maxAttempts,
    // Only the last step can be discarded: a run that has shown anything before it is not repeated.
    shown: parts.slice(0, stepStart(parts)).some((part) => shownLength(part) > 0)
      ? Infinity
      : parts.reduce((sum, part) => sum + shownLength(part), 0),
    hasCalls: parts.some(isCall),
    // A run that died worked at most to the end of its lease: the time in which nobody looked is no work.
    isOverWork: hasOverworked(turn, live.seq, options, Math.min(now, turn.dueAt ?? now)),
  };
}

/** True when a turn that has worked until `until` (epoch ms) has worked longer, or produced more, than a turn may. */
export function hasOverworked(turn: TurnRow, seq: number, { maxWorkMs, maxChunks }: RecoveryOptions, until: number): boolean {
  return until - (turn.startedAt ?? until) > maxWorkMs || seq > maxChunks;
}

/** Data parts are the app's own, which it writes again. Other parts (a file, a source) cannot be weighed: they count as much. */
function shownLength(part: Part): number {
  if (part.type === "text" || part.type === "reasoning") return part.text.length;
  return part.type === "step-start" || part.type.startsWith("data-") || isCall(part) ? 0 : Infinity;
}

/**
 * The chunks that make a log ready for the next run. A last step without a call is discarded; in one with a call the text
 * stays, and what is open ends. A call that was under way gets the outcome that is true of it: nobody knows.
 */
export function discardChunks(live: LiveState): Chunk[] {
  const { parts } = live.message;
  const start = stepStart(parts);
  const step = parts.slice(start);
  if (step.some(isCall)) return closingChunks(live, UNKNOWN_OUTCOME);
  // A discard forgets what is open, also in the steps before: these end first.
  const before = { text: openBefore(live.open.text, start), reasoning: openBefore(live.open.reasoning, start), input: {} };
  const ends = closingChunks({ ...live, open: before, message: { ...live.message, parts: parts.slice(0, start) } }, UNKNOWN_OUTCOME);
  return step.length > 0 ? [...ends, { type: "reset-step" }] : ends;
}

const UNKNOWN_OUTCOME = "Interrupted, outcome unknown.";

function openBefore(open: Record<string, number>, start: number): Record<string, number> {
  return Object.fromEntries(Object.entries(open).filter(([, at]) => at < start));
}

/** True when the live message ends in an empty step, which the next run can take as its own. */
export function isStepOpen(live: LiveState): boolean {
  return live.message.parts.at(-1)?.type === "step-start";
}
