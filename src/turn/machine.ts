// The turn machine: one turn, one state, every event answered. Pure: no clock, no storage, no sockets.
// docs/STATE.md holds the table; test/unit/turn/machine.test.ts holds it as a full Record.
import type { ErrorBody } from "../errors.ts";
import type { Outcome } from "../protocol/messages.ts";

/** States of a turn. The last five are terminal. */
export type TurnState = "queued" | "running" | "completed" | "stopped" | "failed" | "interrupted" | "cancelled";

/** What can happen to a turn. */
export type TurnEvent =
  /** It is first in line and nothing runs. */
  | { type: "start" }
  /** Its run's output came to its end. */
  | { type: "finish"; finishReason?: string }
  /** Its run reported an error or threw. */
  | { type: "fail"; error: ErrorBody }
  /** Someone asked to end it. */
  | { type: "stop" }
  /** Someone asked to take it back. */
  | { type: "cancel" }
  /** It is stored as running, but no run of this incarnation holds it: the process died. */
  | { type: "orphan" };

/** What the caller does, in this order, in one storage transaction where storage is meant. */
export type TurnEffect =
  /** Store the user message, move the head to it, count the attempt, call `onTurn` after the commit. */
  | { type: "begin" }
  /** Fold, store the reply with these facts, drop log and turn. */
  | { type: "settle"; outcome: Outcome; error?: ErrorBody; finishReason?: string }
  /** Append the notice part before the fold. */
  | { type: "notice"; kind: "interrupted" }
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

const NONE: readonly TurnEffect[] = [];

const INTERRUPTED: ErrorBody = {
  code: "interrupted",
  message: "The server was restarted while it was answering. What had arrived is kept.",
  retryable: true,
};

/** The next state and what to do. An event that means nothing in a state changes nothing. */
export function transition(state: TurnState, event: TurnEvent): Transition {
  switch (state) {
    case "queued":
      return fromQueued(event);
    case "running":
      return fromRunning(event);
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
      return {
        state: "completed",
        effects: [{ type: "settle", outcome: "completed", ...(event.finishReason ? { finishReason: event.finishReason } : {}) }],
      };
    case "fail":
      return { state: "failed", effects: [{ type: "settle", outcome: "failed", error: event.error }, { type: "abort" }] };
    case "stop":
      return { state: "stopped", effects: [{ type: "settle", outcome: "stopped" }, { type: "abort" }] };
    case "orphan":
      return {
        state: "interrupted",
        effects: [
          { type: "notice", kind: "interrupted" },
          { type: "settle", outcome: "interrupted", error: INTERRUPTED },
        ],
      };
    case "cancel":
      return { state: "running", effects: [{ type: "refuse", code: "already_started" }] };
    default:
      return { state: "running", effects: NONE };
  }
}
