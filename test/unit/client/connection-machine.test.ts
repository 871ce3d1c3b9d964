import { describe, expect, it } from "vitest";
import {
  ANSWER_MS,
  type ConnectionEvent,
  type ConnectionState,
  LATE_MS,
  type Line,
  MAX_BACKOFF_MS,
  SILENCE_MS,
  STABLE_MS,
  STEP_TIMEOUT_MS,
  transition,
} from "../../../src/client/connection-machine.ts";
import type { ErrorBody } from "../../../src/errors.ts";

type Kind = ConnectionState["kind"];
/** A kind, or `asked`: live, with a ping out. */
type Row = Kind | "asked";

const NOW = 50_000;
const REASON: ErrorBody = { code: "gone", message: "It is gone.", retryable: false };

const STATES: { [K in Kind]: Extract<ConnectionState, { kind: K }> } & { asked: ConnectionState & Line } = {
  idle: { kind: "idle" },
  ticketing: { kind: "ticketing", attempt: 2 },
  connecting: { kind: "connecting", attempt: 2 },
  syncing: { kind: "syncing", attempt: 2 },
  live: { kind: "live", attempt: 2, since: NOW - 10 },
  asked: { kind: "live", attempt: 2, since: NOW - 10, pings: 1, pingedAt: NOW - 5 },
  waiting: { kind: "waiting", attempt: 2, retryAt: NOW + 10 },
  stopped: { kind: "stopped", reason: REASON },
};

/** The next row, or "-" where nothing happens. `lost` is without a reason; `refused` is `lost` with one. */
const TABLE: Record<Row, Record<ConnectionEvent | "refused", Cell>> = {
  idle: row("ticketing", "ticketing", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"),
  ticketing: row("-", "ticketing", "idle", "-", "waiting", "connecting", "-", "-", "-", "-", "waiting", "stopped"),
  connecting: row("-", "ticketing", "idle", "-", "waiting", "-", "syncing", "-", "-", "-", "waiting", "stopped"),
  syncing: row("-", "ticketing", "idle", "-", "waiting", "-", "-", "live", "-", "-", "waiting", "stopped"),
  live: row("-", "ticketing", "idle", "asked", "asked", "-", "-", "-", "live", "-", "waiting", "stopped"),
  asked: row("-", "ticketing", "idle", "-", "waiting", "-", "-", "-", "live", "-", "waiting", "stopped"),
  waiting: row("-", "ticketing", "idle", "ticketing", "ticketing", "-", "-", "-", "-", "-", "-", "-"),
  stopped: row("ticketing", "ticketing", "idle", "-", "-", "-", "-", "-", "-", "-", "-", "-"),
};

type Cell = Row | "-";
function row(
  connect: Cell,
  reconnect: Cell,
  close: Cell,
  wake: Cell,
  timer: Cell,
  ticket: Cell,
  welcome: Cell,
  synced: Cell,
  heard: Cell,
  write: Cell,
  lost: Cell,
  refused: Cell,
): Record<ConnectionEvent | "refused", Cell> {
  return { connect, reconnect, close, wake, timer, ticket, welcome, synced, heard, write, lost, refused };
}

const CELLS = Object.entries(TABLE).flatMap(([from, cells]) =>
  Object.entries(cells).map(([event, expected]) => [from as Row, event as ConnectionEvent | "refused", expected] as const),
);

function rowOf({ kind, pings }: ConnectionState & Line): Row {
  return kind === "live" && pings ? "asked" : kind;
}

function run(state: ConnectionState & Line, event: ConnectionEvent | "refused", random = 0.5, now = NOW) {
  return event === "refused" ? transition(state, "lost", now, random, REASON) : transition(state, event, now, random);
}

describe("connection machine", () => {
  it.each(CELLS)("from %s on %s goes to %s", (from, event, expected) => {
    const before = structuredClone(STATES[from]);
    const { state, effects } = run(STATES[from], event);
    expect(STATES[from]).toEqual(before);
    if (expected === "-") {
      expect(state).toBe(STATES[from]);
      expect(effects).toEqual([]);
    } else expect(rowOf(state)).toBe(expected);
  });

  it.each(CELLS.filter(([, , to]) => to !== "-"))("from %s on %s to %s has the effects of that state", (from, event, to) => {
    const { effects, timerMs } = run(STATES[from], event);
    const expected: Record<Row, [readonly string[], number | undefined]> = {
      idle: [["drop"], undefined],
      ticketing: [["drop", "requestTicket"], STEP_TIMEOUT_MS],
      connecting: [["openSocket"], STEP_TIMEOUT_MS],
      syncing: [[], STEP_TIMEOUT_MS],
      live: [event === "synced" ? ["awaitWake"] : [], SILENCE_MS],
      asked: [["ping"], ANSWER_MS],
      waiting: [["drop", "awaitWake"], 2_000],
      stopped: [["drop"], undefined],
    };
    expect([effects, timerMs]).toEqual(expected[to as Row]);
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

  it("shows nothing of the line in the state that it goes live with", () => {
    expect(run(STATES.syncing, "synced").state).toEqual({ kind: "live", attempt: 2, since: NOW });
  });
});

describe("a live line", () => {
  const live = STATES.live;
  const after = (event: ConnectionEvent, afterMs: number, from: ConnectionState & Line = live) =>
    transition(from, event, NOW + afterMs, 0.5);

  it("is waited for anew after each frame", () => {
    const { state, timerMs } = after("heard", 7, STATES.asked);
    expect([state, timerMs]).toEqual([{ ...STATES.asked, pings: 0, heardAt: NOW + 7 }, SILENCE_MS]);
  });

  it("is asked once by wake events that come together, whether the answer is there or not", () => {
    const asked = after("wake", 0).state;
    expect(asked).toEqual({ ...live, pings: 1, pingedAt: NOW });
    expect(after("wake", ANSWER_MS - 1, asked).state).toBe(asked);
    const answered = after("heard", 20, asked).state;
    expect(after("wake", ANSWER_MS - 1, answered).state).toBe(answered);
    expect(after("wake", ANSWER_MS, answered).state).toMatchObject({ pings: 1, pingedAt: NOW + ANSWER_MS });
  });

  it("is asked before a write only when it was silent for a while and is not asked already", () => {
    const heard = after("heard", 0).state;
    expect(after("write", ANSWER_MS - 1, heard).state).toBe(heard);
    const { state, effects } = after("write", ANSWER_MS, heard);
    expect([rowOf(state), effects]).toEqual(["asked", ["ping"]]);
    expect(after("write", ANSWER_MS + 1, state).state).toBe(state);
  });

  it("is lost when the timer of the question is due", () => {
    const asked = after("timer", 0).state;
    expect(after("timer", ANSWER_MS, asked).state.kind).toBe("waiting");
    expect(after("timer", ANSWER_MS + LATE_MS - 1, asked).state.kind).toBe("waiting");
  });

  it("is asked once more, and not twice, when that timer is late, as after a sleep", () => {
    const asked = after("timer", 0).state;
    const again = after("timer", ANSWER_MS + LATE_MS, asked);
    expect([again.state, again.effects, again.timerMs]).toEqual([
      { ...live, pings: 2, pingedAt: NOW + ANSWER_MS + LATE_MS },
      ["ping"],
      ANSWER_MS,
    ]);
    expect(after("timer", 3_600_000, again.state).state.kind).toBe("waiting");
    expect(after("heard", 3_600_000, again.state).state).toMatchObject({ kind: "live", pings: 0 });
  });

  it("is asked by a wake event that comes before that late timer", () => {
    const asked = after("timer", 0).state;
    expect(after("wake", 3_600_000, asked)).toMatchObject({ state: { pings: 2 }, effects: ["ping"], timerMs: ANSWER_MS });
  });
});
