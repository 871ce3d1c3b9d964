import { describe, expect, it } from "vitest";
import {
  type ConnectionEvent,
  type ConnectionState,
  MAX_BACKOFF_MS,
  STABLE_MS,
  STEP_TIMEOUT_MS,
  transition,
} from "../../../src/client/connection-machine.ts";
import type { ErrorBody } from "../../../src/errors.ts";

type Kind = ConnectionState["kind"];

const NOW = 50_000;
const REASON: ErrorBody = { code: "gone", message: "It is gone.", retryable: false };

const STATES: { [K in Kind]: Extract<ConnectionState, { kind: K }> } = {
  idle: { kind: "idle" },
  ticketing: { kind: "ticketing", attempt: 2 },
  connecting: { kind: "connecting", attempt: 2 },
  syncing: { kind: "syncing", attempt: 2 },
  live: { kind: "live", attempt: 2, since: NOW - 10 },
  waiting: { kind: "waiting", attempt: 2, retryAt: NOW + 10 },
  stopped: { kind: "stopped", reason: REASON },
};

/** The next kind, or "-" where nothing happens. `lost` is without a reason; `refused` is `lost` with one. */
const TABLE: Record<Kind, Record<ConnectionEvent | "refused", Kind | "-">> = {
  idle: row("ticketing", "ticketing", "-", "-", "-", "-", "-", "-", "-", "-"),
  ticketing: row("-", "ticketing", "idle", "-", "waiting", "connecting", "-", "-", "waiting", "stopped"),
  connecting: row("-", "ticketing", "idle", "-", "waiting", "-", "syncing", "-", "waiting", "stopped"),
  syncing: row("-", "ticketing", "idle", "-", "waiting", "-", "-", "live", "waiting", "stopped"),
  live: row("-", "ticketing", "idle", "-", "-", "-", "-", "-", "waiting", "stopped"),
  waiting: row("-", "ticketing", "idle", "ticketing", "ticketing", "-", "-", "-", "-", "-"),
  stopped: row("ticketing", "ticketing", "idle", "-", "-", "-", "-", "-", "-", "-"),
};

type Cell = Kind | "-";
function row(
  connect: Cell,
  reconnect: Cell,
  close: Cell,
  wake: Cell,
  timer: Cell,
  ticket: Cell,
  welcome: Cell,
  synced: Cell,
  lost: Cell,
  refused: Cell,
): Record<ConnectionEvent | "refused", Cell> {
  return { connect, reconnect, close, wake, timer, ticket, welcome, synced, lost, refused };
}

const CELLS = Object.entries(TABLE).flatMap(([kind, cells]) =>
  Object.entries(cells).map(([event, expected]) => [kind as Kind, event as ConnectionEvent | "refused", expected] as const),
);

function run(state: ConnectionState, event: ConnectionEvent | "refused", random = 0.5, now = NOW) {
  return event === "refused" ? transition(state, "lost", now, random, REASON) : transition(state, event, now, random);
}

describe("connection machine", () => {
  it.each(CELLS)("from %s on %s goes to %s", (kind, event, expected) => {
    const before = structuredClone(STATES[kind]);
    const { state, effects } = run(STATES[kind], event);
    expect(STATES[kind]).toEqual(before);
    if (expected === "-") {
      expect(state).toBe(STATES[kind]);
      expect(effects).toEqual([]);
    } else expect(state.kind).toBe(expected);
  });

  it.each(CELLS.filter(([, , to]) => to !== "-"))("from %s on %s to %s has the effects of that state", (kind, event, to) => {
    const { effects, timerMs } = run(STATES[kind], event);
    const expected: Record<Kind, [readonly string[], number | undefined]> = {
      idle: [["drop"], undefined],
      ticketing: [["drop", "requestTicket"], STEP_TIMEOUT_MS],
      connecting: [["openSocket"], STEP_TIMEOUT_MS],
      syncing: [[], STEP_TIMEOUT_MS],
      live: [[], undefined],
      waiting: [["drop", "awaitWake"], 2_000],
      stopped: [["drop"], undefined],
    };
    expect([effects, timerMs]).toEqual(expected[to as Kind]);
  });

  it("keeps the reason with the stopped state", () => {
    expect(run(STATES.live, "refused").state).toEqual({ kind: "stopped", reason: REASON });
  });

  it("retries for the first time in less than a second", () => {
    const { state, timerMs } = run({ kind: "ticketing", attempt: 0 }, "lost", 0.999);
    expect(timerMs).toBeLessThan(1_000);
    expect(state).toEqual({ kind: "waiting", attempt: 1, retryAt: NOW + timerMs! });
  });

  it.each([0, 1, 4, 5, 20, 5_000])("waits between nothing and twice as long each time after %i failures, at most the cap", (attempt) => {
    expect(run({ kind: "connecting", attempt }, "lost", 0).timerMs).toBe(0);
    const longest = run({ kind: "connecting", attempt }, "lost", 0.999_999).timerMs!;
    expect(longest).toBeLessThanOrEqual(Math.min(MAX_BACKOFF_MS, 1_000 * 2 ** attempt));
    expect(longest).toBeGreaterThan(Math.min(MAX_BACKOFF_MS, 1_000 * 2 ** attempt) - 100);
  });

  it("counts on when the connection did not last", () => {
    const live: ConnectionState = { kind: "live", attempt: 3, since: NOW };
    expect(run(live, "lost", 0.5, NOW + STABLE_MS - 1).state).toMatchObject({ attempt: 4 });
    expect(run(live, "lost", 0.5, NOW + STABLE_MS).state).toMatchObject({ attempt: 1 });
  });

  it("keeps the count through an attempt and through a wake", () => {
    expect(run(STATES.waiting, "wake").state).toEqual({ kind: "ticketing", attempt: 2 });
    expect(run(STATES.ticketing, "ticket").state).toEqual({ kind: "connecting", attempt: 2 });
    expect(run(STATES.syncing, "synced").state).toEqual({ kind: "live", attempt: 2, since: NOW });
    expect(run(STATES.waiting, "reconnect").state).toEqual({ kind: "ticketing", attempt: 0 });
  });
});
