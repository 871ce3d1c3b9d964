import { describe, expect, it } from "vitest";
import { transition, type TurnEffect, type TurnEvent, type TurnState } from "../../../src/turn/machine.ts";

/** One cell: the next state and the types of its effects. */
type Cell = [TurnState, ...TurnEffect["type"][]];

const STAY: { [State in TurnState]: [State] } = {
  queued: ["queued"],
  running: ["running"],
  completed: ["completed"],
  stopped: ["stopped"],
  failed: ["failed"],
  interrupted: ["interrupted"],
  cancelled: ["cancelled"],
};

const terminal = (state: TurnState): Record<TurnEvent["type"], Cell> => ({
  start: STAY[state],
  finish: STAY[state],
  fail: STAY[state],
  stop: STAY[state],
  cancel: STAY[state],
  orphan: STAY[state],
});

/** The table of docs/STATE.md §1, in full: a new state or event does not compile before it has its cells. */
const TABLE: Record<TurnState, Record<TurnEvent["type"], Cell>> = {
  queued: {
    start: ["running", "begin"],
    finish: STAY.queued,
    fail: STAY.queued,
    stop: ["cancelled", "drop"],
    cancel: ["cancelled", "drop"],
    orphan: STAY.queued,
  },
  running: {
    start: STAY.running,
    finish: ["completed", "settle"],
    fail: ["failed", "settle", "abort"],
    stop: ["stopped", "settle", "abort"],
    cancel: ["running", "refuse"],
    orphan: ["interrupted", "notice", "settle"],
  },
  completed: terminal("completed"),
  stopped: terminal("stopped"),
  failed: terminal("failed"),
  interrupted: terminal("interrupted"),
  cancelled: terminal("cancelled"),
};

const EVENTS: Record<TurnEvent["type"], TurnEvent> = {
  start: { type: "start" },
  finish: { type: "finish", finishReason: "stop" },
  fail: { type: "fail", error: { code: "model_error", message: "no", retryable: true } },
  stop: { type: "stop" },
  cancel: { type: "cancel" },
  orphan: { type: "orphan" },
};

describe("the turn machine", () => {
  const cells = Object.entries(TABLE).flatMap(([state, row]) =>
    Object.entries(row).map(([event, cell]) => ({ state: state as TurnState, event: event as TurnEvent["type"], cell })),
  );

  it.each(cells)("takes $state by $event to $cell", ({ state, event, cell }) => {
    const next = transition(state, EVENTS[event]);
    expect([next.state, ...next.effects.map(({ type }) => type)]).toEqual(cell);
  });

  it("settles exactly once on every way out of running", () => {
    for (const event of Object.values(EVENTS)) {
      const { state, effects } = transition("running", event);
      expect(effects.filter(({ type }) => type === "settle")).toHaveLength(state === "running" ? 0 : 1);
    }
  });

  it("carries the error and the finish reason into the settlement", () => {
    expect(transition("running", EVENTS.fail).effects[0]).toMatchObject({ outcome: "failed", error: { code: "model_error" } });
    expect(transition("running", EVENTS.finish).effects[0]).toMatchObject({ outcome: "completed", finishReason: "stop" });
    expect(transition("running", EVENTS.orphan).effects[1]).toMatchObject({
      outcome: "interrupted",
      error: { code: "interrupted", retryable: true },
    });
  });
});
