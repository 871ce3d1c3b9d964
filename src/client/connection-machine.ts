// The life of a connection as a pure function. It decides when to ask for a ticket, when to retry and when to stop; it
// touches no timer, socket or clock. Every attempt takes a new ticket. At most one timer is set at any time.
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

export type ConnectionEvent =
  | "connect"
  | "reconnect"
  | "close"
  /** The device is online, or the page visible, again. */
  | "wake"
  /** The timer that was set last is due. */
  | "timer"
  | "ticket"
  | "welcome"
  | "synced"
  /** There is no ticket, or the socket is gone; with a reason, for good. */
  | "lost";

/** `drop`: abort the ticket request, close the socket, and hear nothing of them or of wake events again. */
export type ConnectionEffect = "drop" | "requestTicket" | "openSocket" | "awaitWake";

export interface Transition {
  state: ConnectionState;
  /** In order. */
  effects: readonly ConnectionEffect[];
  /** For another state: `timer` is due after this time. It replaces the timer before, also when it is absent. */
  timerMs?: number;
}

/** Longest time for a ticket, and again for the socket, and for the first view. */
export const STEP_TIMEOUT_MS = 10_000;
export const FIRST_BACKOFF_MS = 1_000;
export const MAX_BACKOFF_MS = 30_000;
/** A connection that lived this long ends a row of failures. */
export const STABLE_MS = 5_000;

/**
 * The next state and what to do for it. `now` is epoch ms; `random`, in [0, 1), spreads the retries, so that a server which
 * comes back is not met by all its clients at once. An event that means nothing in a state gives the same state object.
 */
export function transition(state: ConnectionState, event: ConnectionEvent, now: number, random: number, reason?: ErrorBody): Transition {
  const { kind, attempt = 0, since = now } = state as { kind: ConnectionState["kind"]; attempt?: number; since?: number };
  const isOpening = kind === "ticketing" || kind === "connecting" || kind === "syncing";

  if (event === "reconnect") return begin(0);
  if (event === "connect" && (kind === "idle" || kind === "stopped")) return begin(0);
  if ((event === "wake" || event === "timer") && kind === "waiting") return begin(attempt);
  if (event === "close" && kind !== "idle") return { state: { kind: "idle" }, effects: ["drop"] };
  if (event === "ticket" && kind === "ticketing") return step("connecting", attempt, "openSocket");
  if (event === "welcome" && kind === "connecting") return step("syncing", attempt);
  if (event === "synced" && kind === "syncing") return { state: { kind: "live", attempt, since: now }, effects: [] };
  if ((event === "lost" && (isOpening || kind === "live")) || (event === "timer" && isOpening)) {
    if (reason) return { state: { kind: "stopped", reason }, effects: ["drop"] };
    const failures = now - since < STABLE_MS ? attempt : 0;
    const timerMs = Math.floor(random * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures));
    return { state: { kind: "waiting", attempt: failures + 1, retryAt: now + timerMs }, effects: ["drop", "awaitWake"], timerMs };
  }
  return { state, effects: [] };
}

function begin(attempt: number): Transition {
  return step("ticketing", attempt, "drop", "requestTicket");
}

function step(kind: "ticketing" | "connecting" | "syncing", attempt: number, ...effects: ConnectionEffect[]): Transition {
  return { state: { kind, attempt }, effects, timerMs: STEP_TIMEOUT_MS };
}
