// The life of a connection as a pure function. It decides when to ask for a ticket, when to retry and when to stop; it
// touches no timer, socket or clock. Every attempt takes a new ticket. At most one timer is set at any time.
// A live line that is silent is asked for a sign of life; one that gives none in time is lost.
import type { ErrorBody } from "../errors.ts";

export type ConnectionState =
  | { kind: "idle" }
  /** `attempt`, here and below: failures in a row before this. */
  | { kind: "ticketing"; attempt: number }
  | { kind: "connecting"; attempt: number }
  /** The server has welcomed us; what we lack is on its way. */
  | { kind: "syncing"; attempt: number }
  /** `since`: epoch ms. */
  | { kind: "live"; attempt: number; since: number }
  /** Between attempts. `retryAt`: epoch ms. */
  | { kind: "waiting"; attempt: number; retryAt: number }
  /** Trying again cannot help. Only `connect`, `reconnect` or a `send` leads out. */
  | { kind: "stopped"; reason: ErrorBody };

/** What is known of the line while live. Nobody is shown it: asking for a sign of life is no change of the connection. */
export interface Line {
  /** Epoch ms of the last frame. Absent before the second. */
  heardAt?: number;
  /** Epoch ms of the last ping. */
  pingedAt?: number;
  /** Pings since the last frame. Absent in every state but a live one that has heard or asked something. */
  pings?: number;
}

export type ConnectionEvent =
  | "connect"
  | "reconnect"
  | "close"
  /** The device is online, or the page visible, again. */
  | "wake"
  /** Any frame came, an answer to a ping among them. */
  | "heard"
  /** A frame is about to be written. */
  | "write"
  /** The timer that was set last is due. */
  | "timer"
  | "ticket"
  | "welcome"
  | "synced"
  /** There is no ticket, or the socket is gone; with a reason, for good. */
  | "lost";

/** `drop`: abort the ticket request, close the socket, and hear nothing of them or of wake events again. */
export type ConnectionEffect = "drop" | "requestTicket" | "openSocket" | "awaitWake" | "ping";

export interface Transition {
  state: ConnectionState & Line;
  /** In order. */
  effects: readonly ConnectionEffect[];
  /** For another state: `timer` is due after this time. It replaces the timer before, also when it is absent. */
  timerMs?: number | undefined;
}

/** Longest time for a ticket, and again for the socket, and for the first view. */
export const STEP_TIMEOUT_MS = 10_000;
export const FIRST_BACKOFF_MS = 1_000;
export const MAX_BACKOFF_MS = 30_000;
/** A connection that lived this long ends a row of failures. */
export const STABLE_MS = 5_000;
/** Nothing is asked for so long after the server had too many requests. It takes some again by then. */
export const SLOW_MS = 1_000;
/** A live line that was silent for so long is asked for a sign of life. */
export const SILENCE_MS = 25_000;
/** A line that gave none for so long is lost. Also: wake events this close to each other are one. */
export const ANSWER_MS = 5_000;
/** A timer that is this late says that the page stood still. */
export const LATE_MS = 100;

/**
 * The next state and what to do for it. `now` is epoch ms; `random`, in [0, 1), spreads the retries, so that a server which
 * comes back is not met by all its clients at once. An event that means nothing in a state gives the same state object.
 */
export function transition(
  state: ConnectionState & Line,
  event: ConnectionEvent,
  now: number,
  random: number,
  reason?: ErrorBody,
): Transition {
  const { kind, attempt = 0, since = now } = state as { kind: ConnectionState["kind"]; attempt?: number; since?: number };
  const isAtRest = kind === "idle" || kind === "stopped";

  if (event === "reconnect" || (event === "connect" && isAtRest)) return begin(0);
  if (event === "close" && kind !== "idle") return to({ kind: "idle" }, undefined, "drop");
  if (kind === "waiting") return event === "wake" || event === "timer" ? begin(attempt) : to(state);
  if (kind === "ticketing" && event === "ticket") return step("connecting", attempt, "openSocket");
  if (kind === "connecting" && event === "welcome") return step("syncing", attempt);
  if (kind === "syncing" && event === "synced") return to({ kind: "live", attempt, since: now }, SILENCE_MS, "awaitWake");
  if (kind === "live") {
    if (event === "heard") return to({ ...state, heardAt: now, pings: 0 }, SILENCE_MS);
    if (mustAsk(state, event, now, since)) return to({ ...state, pings: (state.pings ?? 0) + 1, pingedAt: now }, ANSWER_MS, "ping");
  }
  if (isAtRest || (event !== "lost" && event !== "timer")) return to(state);
  if (reason) return to({ kind: "stopped", reason }, undefined, "drop");
  const failures = now - since < STABLE_MS ? attempt : 0;
  const backoffMs = Math.floor(random * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures));
  return to({ kind: "waiting", attempt: failures + 1, retryAt: now + backoffMs }, backoffMs, "drop", "awaitWake");
}

/** Whether a live line is to be asked for a sign of life. */
function mustAsk({ pings, pingedAt = -Infinity, heardAt }: Line, event: ConnectionEvent, now: number, since: number): boolean {
  // While the page stood still, an answer may have come that nobody could hear yet: the tasks of its frames may stand behind
  // this timer. That is granted once, since in a hidden page every timer may be late.
  if (event === "timer") return !pings || (pings < 2 && now - pingedAt >= ANSWER_MS + LATE_MS);
  // What is written after a silence would be lost on a dead line until the silence is long enough.
  const hasReason = event === "wake" || (event === "write" && now - (heardAt ?? since) >= ANSWER_MS);
  return hasReason && now - pingedAt >= ANSWER_MS;
}

function begin(attempt: number): Transition {
  return step("ticketing", attempt, "drop", "requestTicket");
}

function step(kind: "ticketing" | "connecting" | "syncing", attempt: number, ...effects: ConnectionEffect[]): Transition {
  return to({ kind, attempt }, STEP_TIMEOUT_MS, ...effects);
}

function to(state: ConnectionState & Line, timerMs?: number, ...effects: ConnectionEffect[]): Transition {
  return { state, effects, timerMs };
}
