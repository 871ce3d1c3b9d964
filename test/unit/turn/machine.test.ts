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
  waiting: ["waiting"],
  completed: ["completed"],
  stopped: ["stopped"],
  failed: ["failed"],
  interrupted: ["interrupted"],
  cancelled: ["cancelled"],
};

/** An event, in the forms that differ in what they do. */
type EventName =
  | Exclude<TurnEvent["type"], "finish" | "answer" | "orphan" | "stall">
  | `${"finish" | "answer" | "orphan" | "stall"}, ${"awaited" | "answered" | "none"}`;

const terminal = (state: TurnState): Record<EventName, Cell> => ({
  start: STAY[state],
  "finish, none": STAY[state],
  "finish, answered": STAY[state],
  "finish, awaited": STAY[state],
  fail: STAY[state],
  "answer, none": STAY[state],
  "answer, answered": STAY[state],
  "answer, awaited": STAY[state],
  supersede: STAY[state],
  stop: STAY[state],
  cancel: STAY[state],
  "orphan, none": STAY[state],
  "orphan, answered": STAY[state],
  "orphan, awaited": STAY[state],
  "stall, none": STAY[state],
  "stall, answered": STAY[state],
  "stall, awaited": STAY[state],
});

/** The table of docs/STATE.md §1, in full: a new state or event does not compile before it has its cells. */
const TABLE: Record<TurnState, Record<EventName, Cell>> = {
  queued: {
    ...terminal("queued"),
    start: ["running", "begin"],
    stop: ["cancelled", "drop"],
    cancel: ["cancelled", "drop"],
  },
  running: {
    start: STAY.running,
    "finish, none": ["completed", "settle"],
    "finish, answered": ["running", "resume"],
    "finish, awaited": ["waiting", "wait"],
    fail: ["failed", "settle", "abort"],
    // The answer stands in the log: the end of the run takes it up.
    "answer, none": STAY.running,
    "answer, answered": STAY.running,
    "answer, awaited": STAY.running,
    supersede: STAY.running,
    stop: ["stopped", "settle", "abort"],
    cancel: ["running", "refuse"],
    "orphan, none": ["interrupted", "settle"],
    "orphan, answered": ["running", "resume"],
    "orphan, awaited": ["waiting", "wait"],
    "stall, none": ["interrupted", "settle", "abort"],
    "stall, answered": ["running", "resume", "abort"],
    "stall, awaited": ["waiting", "wait", "abort"],
  },
  waiting: {
    start: STAY.waiting,
    // No run holds a waiting turn: none can end, and none can be lost.
    "finish, none": STAY.waiting,
    "finish, answered": STAY.waiting,
    "finish, awaited": STAY.waiting,
    fail: ["failed", "settle"],
    "answer, none": ["running", "resume"],
    "answer, answered": ["running", "resume"],
    "answer, awaited": STAY.waiting,
    supersede: ["stopped", "settle"],
    stop: ["stopped", "settle"],
    cancel: ["waiting", "refuse"],
    "orphan, none": STAY.waiting,
    "orphan, answered": STAY.waiting,
    "orphan, awaited": STAY.waiting,
    "stall, none": STAY.waiting,
    "stall, answered": STAY.waiting,
    "stall, awaited": STAY.waiting,
  },
  completed: terminal("completed"),
  stopped: terminal("stopped"),
  failed: terminal("failed"),
  interrupted: terminal("interrupted"),
  cancelled: terminal("cancelled"),
};

/** A run that has shown much, under the default policy, unless said otherwise. */
function interrupted(change: Partial<Interruption> = {}): Interruption {
  return { policy: "keep", attempt: 1, maxAttempts: 3, shown: 1_000, hasCalls: false, calls: "none", isOverWork: false, ...change };
}

const EVENTS: Record<EventName, TurnEvent> = {
  start: { type: "start" },
  "finish, none": { type: "finish", calls: "none", finishReason: "stop" },
  "finish, answered": { type: "finish", calls: "answered", finishReason: "tool-calls" },
  "finish, awaited": { type: "finish", calls: "awaited", finishReason: "tool-calls" },
  fail: { type: "fail", error: { code: "model_error", message: "no", retryable: true } },
  "answer, none": { type: "answer", calls: "none" },
  "answer, answered": { type: "answer", calls: "answered" },
  "answer, awaited": { type: "answer", calls: "awaited" },
  supersede: { type: "supersede" },
  stop: { type: "stop" },
  cancel: { type: "cancel" },
  "orphan, none": { type: "orphan", run: interrupted() },
  "orphan, answered": { type: "orphan", run: interrupted({ calls: "answered" }) },
  "orphan, awaited": { type: "orphan", run: interrupted({ calls: "awaited" }) },
  "stall, none": { type: "stall", run: interrupted() },
  "stall, answered": { type: "stall", run: interrupted({ calls: "answered" }) },
  "stall, awaited": { type: "stall", run: interrupted({ calls: "awaited" }) },
};

const LIVE: readonly TurnState[] = ["queued", "running", "waiting"];

const typesOf = (effects: readonly TurnEffect[]) => effects.map(({ type }) => type);

describe("the turn machine", () => {
  const cells = Object.entries(TABLE).flatMap(([state, row]) =>
    Object.entries(row).map(([event, cell]) => ({ state: state as TurnState, event: event as EventName, cell })),
  );

  it.each(cells)("takes $state by $event to $cell", ({ state, event, cell }) => {
    const next = transition(state, EVENTS[event]);
    expect([next.state, ...typesOf(next.effects)]).toEqual(cell);
  });

  it.each(LIVE)("settles exactly once on every way from %s to an end, and never on another", (from) => {
    for (const event of Object.values(EVENTS)) {
      const { state, effects } = transition(from, event);
      const isEnd = !LIVE.includes(state) && state !== "cancelled";
      expect(typesOf(effects).filter((type) => type === "settle")).toHaveLength(isEnd ? 1 : 0);
    }
  });

  it("carries the error, the finish reason and why it was stopped into the settlement", () => {
    expect(transition("running", EVENTS.fail).effects[0]).toMatchObject({ outcome: "failed", error: { code: "model_error" } });
    expect(transition("waiting", EVENTS.fail).effects[0]).toMatchObject({ outcome: "failed", error: { code: "model_error" } });
    expect(transition("running", EVENTS["finish, none"]).effects[0]).toMatchObject({ outcome: "completed", finishReason: "stop" });
    expect(transition("waiting", EVENTS.supersede).effects[0]).toMatchObject({ outcome: "stopped", isSuperseded: true });
    expect(transition("waiting", EVENTS.stop).effects[0]).toEqual({ type: "settle", outcome: "stopped" });
    const [settle] = transition("running", EVENTS["orphan, none"]).effects;
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
    ["has worked too much and may go on fails", { policy: "continue", isOverWork: true }, ["failed", "settle"], "work_exhausted"],
    ["a person was asked in waits, whatever it cost", { calls: "awaited", isOverWork: true, attempt: 3, shown: 0 }, ["waiting", "wait"]],
    ["a person has answered in goes on, with all its attempts", { calls: "answered", attempt: 3, hasCalls: true }, ["running", "resume"]],
    [
      "a person has answered in is kept when it has worked too much",
      { calls: "answered", isOverWork: true, hasCalls: true },
      ["interrupted", "settle"],
    ],
    [
      "a person has answered in and that may go on fails when it has worked too much",
      { calls: "answered", isOverWork: true, hasCalls: true, policy: "continue" },
      ["failed", "settle"],
      "work_exhausted",
    ],
  ];
  it.each(cases)("a run that %s", (_name, change, cell, code) => {
    const { state, effects } = transition("running", { type: "orphan", run: interrupted(change) });
    expect([state, ...typesOf(effects)]).toEqual(cell);
    if (code) expect(effects[0]).toMatchObject({ error: { code } });
    const stalled = transition("running", { type: "stall", run: interrupted(change) });
    expect([stalled.state, ...typesOf(stalled.effects).filter((type) => type !== "abort")]).toEqual(cell);
    // Last, since its listeners are the app's code.
    expect(stalled.effects.at(-1)).toEqual({ type: "abort" });
  });

  it("never lets a dead run go on for ever: each repeat has an attempt left", () => {
    for (const policy of ["keep", "continue"] as const) {
      for (const hasCalls of [false, true]) {
        const { effects } = transition("running", { type: "orphan", run: interrupted({ policy, hasCalls, shown: 0, attempt: 3 }) });
        expect(typesOf(effects)).toEqual(["settle"]);
      }
    }
  });
});
