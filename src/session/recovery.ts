// What is left of a run that will not come to its end, and what is done about it in the log. Pure.
import { closingChunks } from "../protocol/close-open-parts.ts";
import { foldChunks } from "../protocol/fold.ts";
import { stepStart } from "../protocol/fold-tools.ts";
import type { Chunk, LiveState, Part } from "../protocol/messages.ts";
import { isCall, UNKNOWN_OUTCOME, type ToolPart } from "../protocol/tool-part.ts";
import type { ToolCallRow } from "../storage/tool-call-table.ts";
import type { TurnRow } from "../storage/turn-table.ts";
import type { Interruption, OpenCalls, RecoveryPolicy } from "../turn/machine.ts";
import { isAnswered, lastStepCalls } from "./open-calls.ts";
import { missingChunks, rerunnableCalls, withinRoom } from "./tool-facts.ts";

/** How interrupted turns are recovered, and the caps that end a turn which does not come to an end by itself. */
export interface RecoveryOptions {
  policy: RecoveryPolicy;
  /** Runs of one turn since the last answer of a person, counted before each starts. */
  maxAttempts: number;
  /** Time at work, in ms, without the time that a turn waited for a person. */
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

/** What the machine has to know of an interrupted run. `calls`: see `openCallsOf`; `rows`: the ledger of the turn. */
export function interruptionOf(
  turn: TurnRow,
  { message: { parts }, seq }: LiveState,
  options: RecoveryOptions,
  now: number,
  { calls, rows }: { calls: OpenCalls; rows: readonly ToolCallRow[] },
): Interruption {
  const { fence, run } = turn.progress;
  const own = parts.slice(fence);
  const beforeLastStep = parts.slice(fence, Math.max(fence, stepStart(parts)));
  return {
    policy: options.policy,
    attempt: turn.attempt,
    maxAttempts: options.maxAttempts,
    // Only the last step can be discarded: a run that has shown anything before it is not repeated.
    shown: beforeLastStep.some((part) => shownLength(part) > 0) ? Infinity : own.reduce((sum, part) => sum + shownLength(part), 0),
    // A call of an earlier run can have been started by this one, once it was approved: only the ledger tells.
    hasCalls: own.some(isCall) || rows.some((row) => row.run === run),
    calls,
    // A run that died worked at most to the end of its lease: the time in which nobody looked is no work.
    isOverWork: hasOverworked(turn, seq, options, Math.min(now, turn.dueAt ?? now)),
  };
}

/** True when a turn that has worked until `until` (epoch ms) has worked longer, or produced more, than a turn may. */
export function hasOverworked({ progress }: TurnRow, seq: number, { maxWorkMs, maxChunks }: RecoveryOptions, until: number): boolean {
  return progress.workedMs + until - progress.since > maxWorkMs || seq > maxChunks;
}

/** Data parts are the app's own, which it writes again. Other parts (a file, a source) cannot be weighed: they count as much. */
function shownLength(part: Part): number {
  if (part.type === "text" || part.type === "reasoning") return part.text.length;
  return part.type === "step-start" || part.type.startsWith("data-") || isCall(part) ? 0 : Infinity;
}

/** What the ledger knows and the message lacks, as chunks that fit into its `room`; with the opening of a message or a step that has none. */
export function factChunks(live: LiveState, { base, progress }: TurnRow, rows: readonly ToolCallRow[], room: number): Chunk[] {
  if (rows.length === 0) return [];
  const start = stepStart(live.message.parts);
  // A call that the run has begun stands in a step of this run: one that was open when it began is its own.
  const hasStep = isStepOpen(live) || (start > 0 && start >= progress.fence);
  const opening: Chunk[] = [
    ...(live.seq === 0 ? [{ type: "start" as const, messageId: live.message.id }] : []),
    ...(hasStep ? [] : [{ type: "start-step" as const }]),
  ];
  const missing = missingChunks(live, rows, base);
  const isAnnounced = missing.some(({ type }) => type === "tool-input-available");
  const facts = isAnnounced ? [...opening, ...missingChunks(foldChunks(live, opening), rows, base)] : missing;
  return withinRoom(facts, room);
}

/** The answered calls of the last step that no tool was started for: the next run takes them up. */
export function answeredCalls(live: LiveState, rows: readonly ToolCallRow[]): ToolPart[] {
  const started = new Set(rows.filter(({ outcome }) => outcome === null).map(({ callId }) => callId));
  return lastStepCalls(live).filter((part) => isAnswered(part) && !started.has(part.toolCallId));
}

/** What stays open for the next run, in the last step: answered calls, and those that were under way and may be run again. */
export function callsToRun(live: LiveState, { base }: TurnRow, rows: readonly ToolCallRow[]): { parts: ToolPart[]; rows: ToolCallRow[] } {
  const again = rerunnableCalls(live, rows, base);
  const ids = new Set(again.map(({ callId }) => callId));
  const parts = lastStepCalls(live).filter(({ toolCallId }) => ids.has(toolCallId));
  return { parts: [...answeredCalls(live, rows), ...parts], rows: again };
}

/**
 * The chunks that make a log ready for the next run. A last step of this run without a call is discarded; in one with a call
 * the text stays, and what is open ends. A call that was under way gets the outcome that is true of it: nobody knows.
 * @param keptOf the calls that stay open, of the message as it is when the step is gone: what the next run is shown
 */
export function discardChunks(live: LiveState, fence: number, keptOf: (left: LiveState) => readonly ToolPart[]): Chunk[] {
  const { parts } = live.message;
  const start = stepStart(parts);
  const step = parts.slice(start);
  const isDiscarded = start >= fence && !step.some(isCall);
  // A discard forgets what is open, also in the steps before: these end first.
  const before = { text: openBefore(live.open.text, start), reasoning: openBefore(live.open.reasoning, start), input: {} };
  const left = isDiscarded ? { ...live, open: before, message: { ...live.message, parts: parts.slice(0, start) } } : live;
  const kept = keptOf(left);
  const ends = closingChunks(left, UNKNOWN_OUTCOME, (call) => kept.includes(call));
  return isDiscarded && step.length > 0 ? [...ends, { type: "reset-step" }] : ends;
}

/** `first`, and then what `more` makes of the message with them. */
export function andThen(live: LiveState, first: readonly Chunk[], more: (live: LiveState) => readonly Chunk[]): Chunk[] {
  return [...first, ...more(foldChunks(live, first))];
}

function openBefore(open: Record<string, number>, start: number): Record<string, number> {
  return Object.fromEntries(Object.entries(open).filter(([, at]) => at < start));
}

/** True when the live message ends in an empty step, which the next run can take as its own. */
export function isStepOpen(live: LiveState): boolean {
  return live.message.parts.at(-1)?.type === "step-start";
}
