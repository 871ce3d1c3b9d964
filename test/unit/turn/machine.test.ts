import { describe, expect, it } from "vitest";
import {
  REPEATABLE_LENGTH,
  transition,
  type Interruption,
  type TurnEffect,
  type TurnEvent,
  type TurnState,
} from "../../../src/turn/machine.ts";

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
  stall: STAY[state],
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
    stall: STAY.queued,
  },
  running: {
    start: STAY.running,
    finish: ["completed", "settle"],
    fail: ["failed", "settle", "abort"],
    stop: ["stopped", "settle", "abort"],
    cancel: ["running", "refuse"],
    orphan: ["interrupted", "settle"],
    stall: ["interrupted", "settle", "abort"],
  },
  completed: terminal("completed"),
  stopped: terminal("stopped"),
  failed: terminal("failed"),
  interrupted: terminal("interrupted"),
  cancelled: terminal("cancelled"),
};

/** A run that has shown much, under the default policy, unless said otherwise. */
function interrupted(change: Partial<Interruption> = {}): Interruption {
  return { policy: "keep", attempt: 1, maxAttempts: 3, shown: 1_000, hasCalls: false, isOverWork: false, ...change };
}

const EVENTS: Record<TurnEvent["type"], TurnEvent> = {
  start: { type: "start" },
  finish: { type: "finish", finishReason: "stop" },
  fail: { type: "fail", error: { code: "model_error", message: "no", retryable: true } },
  stop: { type: "stop" },
  cancel: { type: "cancel" },
  orphan: { type: "orphan", run: interrupted() },
  stall: { type: "stall", run: interrupted() },
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
    const [settle] = transition("running", EVENTS.orphan).effects;
    expect(settle).toMatchObject({ outcome: "interrupted", hasNotice: true, error: { code: "interrupted", retryable: true } });
  });

  const cases: [string, Partial<Interruption>, Cell, string?][] = [
    ["has shown next to nothing is repeated", { shown: REPEATABLE_LENGTH - 1 }, ["running", "rerun"]],
    ["has shown just enough is kept", { shown: REPEATABLE_LENGTH }, ["interrupted", "settle"]],
    ["has called a tool is kept, however little it has shown", { shown: 0, hasCalls: true }, ["interrupted", "settle"]],
    ["may go on goes on", { policy: "continue" }, ["running", "rerun"]],
    ["may go on goes on after a tool call", { policy: "continue", hasCalls: true }, ["running", "rerun"]],
    ["showed nothing for the last time fails", { shown: 0, attempt: 3 }, ["failed", "settle"], "attempts_exhausted"],
    ["may go on but has no attempt left fails", { policy: "continue", attempt: 3 }, ["failed", "settle"], "attempts_exhausted"],
    ["has worked too much fails in place of a repeat", { shown: 0, isOverWork: true }, ["failed", "settle"], "work_exhausted"],
    ["has worked too much is still kept", { isOverWork: true, attempt: 3 }, ["interrupted", "settle"]],
  ];
  it.each(cases)("a run that %s", (_name, change, cell, code) => {
    const { state, effects } = transition("running", { type: "orphan", run: interrupted(change) });
    expect([state, ...effects.map(({ type }) => type)]).toEqual(cell);
    if (code) expect(effects[0]).toMatchObject({ error: { code } });
    const stalled = transition("running", { type: "stall", run: interrupted(change) });
    expect([stalled.state, ...stalled.effects.map(({ type }) => type).filter((type) => type !== "abort")]).toEqual(cell);
    // Last, since its listeners are the app's code.
    expect(stalled.effects.at(-1)).toEqual({ type: "abort" });
  });
});
