import { describe, expect, it } from "vitest";
import { MAX_TEXT_BYTES } from "../../../src/storage/overflow.ts";
import { LedgerWorld, row } from "../session/ledger-support.ts";

const { n: _n, outcome: _outcome, ...start } = row({ isDynamic: true, isIdempotent: true, input: { a: ["é", null] } });

/** Rows that `fn` writes. */
function rowsOf({ db }: LedgerWorld, fn: () => void): number {
  const before = db.usage.rowsWritten;
  fn();
  return db.usage.rowsWritten - before;
}

describe("the table of tool calls", () => {
  it("costs three rows a call: its start, its outcome, its end", () => {
    using world = new LedgerWorld();
    const { table } = world;
    expect(rowsOf(world, () => table.insert(start))).toBe(1);
    expect(rowsOf(world, () => table.settle({ n: 1, turnId: "turn-1" }, { type: "output", output: { value: 4 } }))).toBe(1);
    expect(rowsOf(world, () => table.clear())).toBe(1);
    expect(rowsOf(world, () => table.clear())).toBe(0);
  });

  it("gives back what was stored, in the order of the starts", () => {
    using world = new LedgerWorld();
    const { table } = world;
    expect([table.insert(start), table.insert({ ...start, input: undefined, isDynamic: false, isIdempotent: false })]).toEqual([1, 2]);
    table.settle({ n: 2, turnId: "turn-1" }, { type: "error", errorText: "No." });
    expect(table.list()).toEqual([
      { ...start, n: 1, outcome: null },
      { ...start, n: 2, input: undefined, isDynamic: false, isIdempotent: false, outcome: { type: "error", errorText: "No." } },
    ]);
  });

  it("settles a call once, and never one of another turn", () => {
    using world = new LedgerWorld();
    const { table } = world;
    table.insert(start);
    expect(rowsOf(world, () => table.settle({ n: 1, turnId: "turn-0" }, { type: "output", output: 1 }))).toBe(0);
    table.settle({ n: 1, turnId: "turn-1" }, { type: "output", output: 2 });
    expect(rowsOf(world, () => table.settle({ n: 1, turnId: "turn-1" }, { type: "output", output: 3 }))).toBe(0);
    expect(rowsOf(world, () => table.settle({ n: 9, turnId: "turn-1" }, { type: "output", output: "x".repeat(MAX_TEXT_BYTES) }))).toBe(0);
    expect(world.outcomes).toEqual([{ type: "output", output: 2 }]);
  });

  it("keeps an input and an outcome that are longer than a row, and drops all of them at the end", () => {
    using world = new LedgerWorld();
    const { table, db } = world;
    const input = { text: "ä".repeat(MAX_TEXT_BYTES) };
    const output = "b".repeat(3 * MAX_TEXT_BYTES);
    table.insert({ ...start, input });
    table.insert(start);
    table.settle({ n: 1, turnId: "turn-1" }, { type: "output", output });
    table.settle({ n: 2, turnId: "turn-1" }, { type: "error", errorText: output });
    expect(table.list().map(({ input, outcome }) => [input, outcome])).toEqual([
      [input, { type: "output", output }],
      [start.input, { type: "error", errorText: output }],
    ]);
    table.clear();
    expect(db.first("SELECT count(*) AS n FROM cc_overflow")).toEqual({ n: 0 });
  });

  it("refuses an input and an output without a JSON form, and stores nothing of them", () => {
    using world = new LedgerWorld();
    const { table } = world;
    expect(() => table.insert({ ...start, input: 1n })).toThrow(TypeError);
    expect(table.list()).toEqual([]);
    table.insert(start);
    expect(() => table.settle({ n: 1, turnId: "turn-1" }, { type: "output", output: 1n })).toThrow(TypeError);
    expect(world.outcomes).toEqual([null]);
  });

  it.each([
    ["a body that is no JSON", "body = '{\"input'", { input: {}, isDynamic: false }],
    ["a body of null", "body = 'null'", { input: {}, isDynamic: false }],
    ["a body of a later format", "format = 99", { input: {}, isDynamic: false }],
    ["a body whose pieces are lost", "overflow = 3, body = '{'", { input: {}, isDynamic: false }],
    ["an outcome that is no JSON", "outcome = '{'", { outcome: { type: "error", errorText: "The outcome could not be read." } }],
    ["an outcome of another shape", "outcome = '[]'", { outcome: { type: "error", errorText: "The outcome could not be read." } }],
    [
      "an error without a text",
      `outcome = '{"type":"error"}'`,
      { outcome: { type: "error", errorText: "The outcome could not be read." } },
    ],
    ["an outcome of a later format", "outcome_format = 99", { outcome: { type: "error", errorText: "The outcome could not be read." } }],
    ["an outcome without a format", "outcome_format = NULL", { outcome: { type: "error", errorText: "The outcome could not be read." } }],
  ])("reads %s as far as it goes", (_name, damage, expected) => {
    using world = new LedgerWorld();
    const { table, db } = world;
    table.insert(start);
    table.settle({ n: 1, turnId: "turn-1" }, { type: "output", output: 1 });
    db.run(`UPDATE cc_tool_call SET ${damage}`);
    expect(table.list()).toMatchObject([{ n: 1, callId: "call_0", ...expected }]);
  });
});
