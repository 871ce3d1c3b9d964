// The turn machine: one turn, one state, every event answered. Pure: no clock, no storage, no sockets.
// docs/STATE.md holds the table; test/unit/turn/machine.test.ts holds it as a full Record.
import type { ErrorBody } from "../errors.ts";
import type { Outcome } from "../protocol/messages.ts";

/** States of a turn. The last five are terminal. */
export type TurnState = "queued" | "running" | "waiting" | "completed" | "stopped" | "failed" | "interrupted" | "cancelled";

/** What to do with a reply that was interrupted after it had shown something: keep what there is, or go on in it. */
export type RecoveryPolicy = "keep" | "continue";

/** What is known of a run that will not come to its end. */
export interface Interruption {
  policy: RecoveryPolicy;
  /** Attempts so far, the interrupted one included. */
  attempt: number;
  maxAttempts: number;
  /** Characters of text and reasoning that the run has shown. */
  shown: number;
  /** The run has started a tool call: whatever it did outside cannot be taken back. */
  hasCalls: boolean;
  /** What its calls still need of people and clients. */
  calls: OpenCalls;
  /** The turn has worked longer, or produced more, than a turn may. */
  isOverWork: boolean;
}

/**
 * What the calls of a message need before its turn can go on: `awaited`, an answer; `answered`, a run that takes up the
 * answers that have come; `none`, nothing.
 */
export type OpenCalls = "awaited" | "answered" | "none";

/** What can happen to a turn. */
export type TurnEvent =
  /** It is first in line and nothing runs. */
  | { type: "start" }
  /** Its run's output came to its end. */
  | { type: "finish"; calls: OpenCalls; finishReason?: string }
  /** Its run reported an error or threw. */
  | { type: "fail"; error: ErrorBody }
  /** A person or a client has answered a call; the answer is in the log. */
  | { type: "answer"; calls: OpenCalls }
  /** A new message came instead of the answer that it waits for. */
  | { type: "supersede" }
  /** Someone asked to end it. */
  | { type: "stop" }
  /** Someone asked to take it back. */
  | { type: "cancel" }
  /** It is stored as running, but no run of this incarnation holds it: the process died. */
  | { type: "orphan"; run: Interruption }
  /** Its run has produced nothing for too long. */
  | { type: "stall"; run: Interruption };

/** What the caller does, in this order, in one storage transaction where storage is meant. */
export type TurnEffect =
  /** Store the user message, move the head to it, count the attempt, call `onTurn` after the commit. */
  | { type: "begin" }
  /** Fold, store the reply with these facts, drop log and turn. A notice becomes the last part of a reply. */
  | { type: "settle"; outcome: Outcome; error?: ErrorBody; finishReason?: string; hasNotice?: boolean; isSuperseded?: boolean }
  /** Store what the run has produced and that the turn waits; it costs nothing until an answer comes. */
  | { type: "wait" }
  /** Discard what the interrupted run left unfinished, count the attempt, call `onTurn` again after the commit. */
  | { type: "rerun" }
  /** The same with the answers of people and clients: attempts are counted from 1 again. */
  | { type: "resume" }
  /** Abort the run's signal after the commit. */
  | { type: "abort" }
  /** Take it out of the queue; its message never enters history. */
  | { type: "drop" }
  /** Refuse the command. */
  | { type: "refuse"; code: "already_started" };

export interface Transition {
  state: TurnState;
  effects: readonly TurnEffect[];
}

/** A run that has shown less than this, and called no tool, is repeated: what a person saw of it is little. */
export const REPEATABLE_LENGTH = 200;

const NONE: readonly TurnEffect[] = [];

/** The next state and what to do. An event that means nothing in a state changes nothing. */
export function transition(state: TurnState, event: TurnEvent): Transition {
  switch (state) {
    case "queued":
      return fromQueued(event);
    case "running":
      return fromRunning(event);
    case "waiting":
      return fromWaiting(event);
    default:
      return { state, effects: NONE };
  }
}

function fromQueued(event: TurnEvent): Transition {
  switch (event.type) {
    case "start":
      return { state: "running", effects: [{ type: "begin" }] };
    case "stop":
    case "cancel":
      return { state: "cancelled", effects: [{ type: "drop" }] };
    default:
      return { state: "queued", effects: NONE };
  }
}

function fromRunning(event: TurnEvent): Transition {
  switch (event.type) {
    case "finish":
      if (event.calls === "awaited") return { state: "waiting", effects: [{ type: "wait" }] };
      if (event.calls === "answered") return { state: "running", effects: [{ type: "resume" }] };
      return {
        state: "completed",
        effects: [{ type: "settle", outcome: "completed", ...(event.finishReason ? { finishReason: event.finishReason } : {}) }],
      };
    case "fail":
      return { state: "failed", effects: [{ type: "settle", outcome: "failed", error: event.error }, { type: "abort" }] };
    case "stop":
      return { state: "stopped", effects: [{ type: "settle", outcome: "stopped" }, { type: "abort" }] };
    case "orphan":
    case "stall":
      return fromInterruption(event.type, event.run);
    case "cancel":
      return { state: "running", effects: [{ type: "refuse", code: "already_started" }] };
    default:
      return { state: "running", effects: NONE };
  }
}

function fromWaiting(event: TurnEvent): Transition {
  switch (event.type) {
    case "answer":
      return event.calls === "awaited" ? { state: "waiting", effects: NONE } : { state: "running", effects: [{ type: "resume" }] };
    case "fail":
      return { state: "failed", effects: [{ type: "settle", outcome: "failed", error: event.error }] };
    case "stop":
      return { state: "stopped", effects: [{ type: "settle", outcome: "stopped" }] };
    case "supersede":
      return { state: "stopped", effects: [{ type: "settle", outcome: "stopped", isSuperseded: true }] };
    case "cancel":
      return { state: "waiting", effects: [{ type: "refuse", code: "already_started" }] };
    default:
      return { state: "waiting", effects: NONE };
  }
}

/** Repeated when next to nothing was shown, else by the policy; never more often or longer than the caps allow. */
function fromInterruption(cause: "orphan" | "stall", run: Interruption): Transition {
  const abort: TurnEffect[] = cause === "stall" ? [{ type: "abort" }] : [];
  // A person was asked: the question outlives the run, whatever the policy, and to wait is no work.
  if (run.calls === "awaited") return { state: "waiting", effects: [{ type: "wait" }, ...abort] };
  // A person has answered: that asks for another run, as it would have when the run had come to its end.
  if (run.calls === "answered" && !run.isOverWork) return { state: "running", effects: [{ type: "resume" }, ...abort] };
  const isRepeatable = !run.hasCalls && run.shown < REPEATABLE_LENGTH;
  if (!isRepeatable && run.policy === "keep") {
    return {
      state: "interrupted",
      effects: [{ type: "settle", outcome: "interrupted", error: INTERRUPTED[cause], hasNotice: true }, ...abort],
    };
  }
  if (run.isOverWork) return { state: "failed", effects: [{ type: "settle", outcome: "failed", error: WORK_EXHAUSTED }, ...abort] };
  if (run.attempt >= run.maxAttempts) {
    return { state: "failed", effects: [{ type: "settle", outcome: "failed", error: ATTEMPTS_EXHAUSTED }, ...abort] };
  }
  // Abort last: its listeners are the app's code, and may write when the old run is still attached.
  return { state: "running", effects: [{ type: "rerun" }, ...abort] };
}

const INTERRUPTED: Record<"orphan" | "stall", ErrorBody> = {
  orphan: {
    code: "interrupted",
    message: "The server was restarted while it was answering. What had arrived is kept.",
    retryable: true,
  },
  stall: { code: "interrupted", message: "The model stopped answering. What had arrived is kept.", retryable: true },
};

const ATTEMPTS_EXHAUSTED: ErrorBody = {
  code: "attempts_exhausted",
  message: "The answer was interrupted again and again, and was given up.",
  retryable: true,
};

/** Ends a turn that works longer, or produces more, than a turn may. */
export const WORK_EXHAUSTED: ErrorBody = { code: "work_exhausted", message: "The answer took too long and was given up.", retryable: true };
