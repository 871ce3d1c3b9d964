import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCall, isShadowed, UNKNOWN_OUTCOME } from "../../../src/protocol/tool-part.ts";
import { missingChunks, rerunnableCalls, unknownOutcomes, withinRoom } from "../../../src/session/tool-facts.ts";
import { closingChunks } from "../../../src/protocol/close-open-parts.ts";
import { emptyLive, foldChunks } from "../../../src/protocol/fold.ts";
import type { Chunk, LiveState, Part } from "../../../src/protocol/messages.ts";
import type { ToolCallRow } from "../../../src/storage/tool-call-table.ts";
import { row } from "./ledger-support.ts";

const liveOf = (...chunks: Chunk[]): LiveState => foldChunks(emptyLive("m"), chunks);
const STEP: Chunk = { type: "start-step" };
const started = (toolCallId = "call_0"): Chunk => ({ type: "tool-input-start", toolCallId, toolName: "roll" });
const called = (toolCallId = "call_0", input: unknown = { sides: 6 }): Chunk => ({
  type: "tool-input-available",
  toolCallId,
  toolName: "roll",
  input,
});
const answered = (output: unknown, toolCallId = "call_0"): Chunk => ({ type: "tool-output-available", toolCallId, output });
const output = (value: unknown): ToolCallRow["outcome"] => ({ type: "output", output: value });
const failed: ToolCallRow["outcome"] = { type: "error", errorText: "It broke." };

const parts = (live: LiveState): Part[] => live.message.parts;
/** The message with what it lacks. */
const completed = (live: LiveState, rows: ToolCallRow[], base?: number): Part[] => parts(foldChunks(live, missingChunks(live, rows, base)));

it("a call whose answer by the app was lost is found again once it has its outcome: it is told once", () => {
  const rows = [row()];
  const asked: Chunk = { type: "tool-approval-request", toolCallId: "call_0", approvalId: "a", isAutomatic: true };
  const live = liveOf(STEP, called(), asked);
  const closed = foldChunks(live, closingChunks(live, UNKNOWN_OUTCOME));
  expect(missingChunks(closed, unknownOutcomes(rows))).toEqual([]);
  // One that a person was asked for has no row of its own before the answer: this row is another call.
  const person = liveOf(STEP, called(), { type: "tool-approval-request", toolCallId: "call_0", approvalId: "a" });
  expect(missingChunks(foldChunks(person, closingChunks(person, UNKNOWN_OUTCOME)), unknownOutcomes(rows))).not.toEqual([]);
});

describe("facts that do not fit into the message", () => {
  const big = "x".repeat(1_000);
  const rows = [row({ callId: "a", input: { big }, outcome: output(big) }), row({ callId: "b", n: 2, outcome: output(big) })];

  it("give their payload up, each by itself, and keep the call and that it has an end", () => {
    const facts = withinRoom(missingChunks(liveOf(STEP), rows), 1_200);
    expect(facts).toEqual([
      { type: "tool-input-available", toolCallId: "a", toolName: "roll", input: { big } },
      { type: "tool-output-error", toolCallId: "a", errorText: "The result did not fit into the reply." },
      { type: "tool-input-available", toolCallId: "b", toolName: "roll", input: { sides: 6 } },
      { type: "tool-output-error", toolCallId: "b", errorText: "The result did not fit into the reply." },
    ]);
    expect(withinRoom(facts, -1)).toMatchObject([{ input: {} }, {}, { input: {} }, {}]);
    expect(withinRoom(missingChunks(liveOf(STEP), rows), 10_000)).toEqual(missingChunks(liveOf(STEP), rows));
  });

  it("are of no call that runs again: it would be another one, with nothing as its input", () => {
    const open = [row({ callId: "a", input: { big }, isIdempotent: true })];
    const live = foldChunks(liveOf(STEP), withinRoom(missingChunks(liveOf(STEP), open), 0));
    expect(rerunnableCalls(live, open)).toEqual([]);
    expect(rerunnableCalls(foldChunks(liveOf(STEP), missingChunks(liveOf(STEP), open)), open)).toEqual(open);
  });

  it("are said once: the message lacks nothing afterwards", () => {
    const live = foldChunks(liveOf(STEP), withinRoom(missingChunks(liveOf(STEP), rows), 0));
    expect(missingChunks(live, rows)).toEqual([]);
  });
});

describe("what the message lacks", () => {
  it("is a whole call that began before its chunk was read", () => {
    expect(missingChunks(emptyLive("m"), [row({ outcome: output(4) })])).toEqual([
      { type: "tool-input-available", toolCallId: "call_0", toolName: "roll", input: { sides: 6 } },
      { type: "tool-output-available", toolCallId: "call_0", output: 4 },
    ]);
  });

  it("is a call without an outcome while there is none, and says of a dynamic tool that it is one", () => {
    expect(missingChunks(liveOf(STEP), [row({ isDynamic: true })])).toEqual([
      { type: "tool-input-available", toolCallId: "call_0", toolName: "roll", input: { sides: 6 }, dynamic: true },
    ]);
  });

  it.each([
    ["whose input streams", [started()], ["tool-input-available", "tool-output-error"]],
    ["whose input is there", [started(), called()], ["tool-output-error"]],
    [
      "with a preliminary output",
      [called(), { type: "tool-output-available", toolCallId: "call_0", output: 1, preliminary: true }],
      ["tool-output-error"],
    ],
    [
      "that was approved",
      [
        called(),
        { type: "tool-approval-request", toolCallId: "call_0", approvalId: "a" },
        { type: "tool-approval-response", approvalId: "a", approved: true },
      ],
      ["tool-output-error"],
    ],
    ["that is settled", [called(), { type: "tool-output-error", toolCallId: "call_0", errorText: "It broke." }], []],
  ] as [string, Chunk[], string[]][])("is what a call %s has not got", (_name, chunks, types) => {
    const live = liveOf(STEP, ...chunks);
    const missing = missingChunks(live, [row({ outcome: failed })]);
    expect(missing.map(({ type }) => type)).toEqual(types);
    expect(parts(foldChunks(live, missing))).toMatchObject([
      { type: "step-start" },
      { state: "output-error", errorText: "It broke.", input: { sides: 6 } },
    ]);
  });

  it("is nothing for a call that still runs, or whose closing was written already", () => {
    const live = liveOf(STEP, called());
    expect(missingChunks(live, [row()])).toEqual([]);
    expect(missingChunks(foldChunks(live, closingChunks(live, UNKNOWN_OUTCOME)), [row()])).toEqual([]);
  });

  it("goes to the calls of one id in their order", () => {
    const live = liveOf(STEP, called(), answered(1), STEP, called());
    const rows = [row({ outcome: output(1) }), row({ n: 2, outcome: output(2) }), row({ n: 3, outcome: output(3) })];
    expect(missingChunks(live, rows)).toEqual([answered(2), STEP, called(), answered(3)]);
    const outputs = completed(live, rows).flatMap((part) => ("output" in part ? [part.output] : []));
    expect(outputs).toEqual([1, 2, 3]);
  });

  it("never takes the place of another call of the same id in its step, which ends as far as is known", () => {
    const live = liveOf(STEP, called());
    const rows = [row(), row({ n: 2, input: { sides: 20 }, outcome: output(17) })];
    expect(completed(live, rows)).toMatchObject([
      {},
      { input: { sides: 6 }, state: "output-error", errorText: UNKNOWN_OUTCOME },
      {},
      { input: { sides: 20 }, output: 17 },
    ]);
  });

  it("comes behind the refusal of an older call of the same id, which could not be told any more", () => {
    const live = liveOf(
      STEP,
      called(),
      { type: "tool-approval-request", toolCallId: "call_0", approvalId: "a" },
      { type: "tool-approval-response", approvalId: "a", approved: false },
      STEP,
    );
    const refused = { input: { sides: 6 }, state: "output-denied" };
    expect(completed(live, [row({ input: { sides: 20 } })])).toMatchObject([{}, refused, {}, { state: "input-available" }]);
  });

  it.each([
    [
      "was refused",
      [
        { type: "tool-approval-response", approvalId: "a", approved: false },
        { type: "tool-output-denied", toolCallId: "call_0" },
      ],
    ],
    ["was never approved", []],
    ["was closed before it was approved", [{ type: "tool-output-error", toolCallId: "call_0", errorText: "superseded" }]],
  ] as [string, Chunk[]][])("is not what a call of the same id has that %s", (_name, chunks) => {
    const live = liveOf(STEP, called(), { type: "tool-approval-request", toolCallId: "call_0", approvalId: "a" }, ...chunks);
    const [before, , ...added] = completed(live, [row({ outcome: output(4) })]);
    expect([before, ...added]).toMatchObject([{}, {}, { state: "output-available", output: 4 }]);
  });

  it("passes over a call whose input was bad, and one that the provider ran", () => {
    const bad: Chunk = { type: "tool-input-error", toolCallId: "call_0", toolName: "roll", input: "{", errorText: "Bad input." };
    const theirs: Chunk[] = [{ ...called(), providerExecuted: true } as Chunk, answered(0)];
    for (const chunks of [[bad], theirs]) {
      expect(completed(liveOf(STEP, ...chunks, STEP), [row({ outcome: output(4) })]).at(-1)).toMatchObject({
        state: "output-available",
        output: 4,
      });
    }
  });

  it("passes over the parts that are not of this turn", () => {
    const live = liveOf(STEP, called(), answered(1), STEP);
    expect(missingChunks(live, [row({ outcome: output(1) })], 2)).toHaveLength(2);
  });

  it("is nothing for a call behind which its id came again: the outcome would go to that one", () => {
    const live = liveOf(STEP, called(), STEP, called("call_0", { sides: 20 }));
    expect(missingChunks(live, [row({ outcome: output(4) })])).toEqual([]);
  });

  it("stays with the call that it was told of, where an id comes again with another input", () => {
    // The app's refusal of the first call, and all that came after it, are lost.
    const live = liveOf(STEP, called("call_0", { sides: 20 }));
    const rows = [row({ outcome: output(1) }), row({ n: 2, outcome: output(2) }), row({ n: 3 })];
    const once = foldChunks(live, missingChunks(live, rows));
    expect(parts(once)).toMatchObject([{}, { output: 1 }, {}, { output: 2 }, {}, { state: "input-available" }]);
    expect(missingChunks(once, rows)).toEqual([]);
  });

  it("leaves a call with a cut input in an earlier step without a second one", () => {
    const live = liveOf(STEP, started(), STEP);
    expect(completed(live, [row({ outcome: output(4) })])).toMatchObject([{}, { state: "output-available", output: 4 }, {}]);
  });

  it("is nothing once it was added, wherever the log was cut off", () => {
    const ids = fc.constantFrom("call_0", "call_1");
    const kinds = fc.constantFrom("output", "error", "none");
    const calls = fc.array(fc.record({ callId: ids, sides: fc.nat(2), kind: kinds, isRejected: fc.boolean() }), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(calls, fc.nat(40), (list, cut) => {
        const rows: ToolCallRow[] = [];
        const log: Chunk[] = [];
        list.forEach(({ callId, sides, kind, isRejected }, index) => {
          const input = { sides };
          log.push(STEP, started(callId), called(callId, input));
          if (isRejected) {
            const approvalId = `a${index}`;
            log.push(
              { type: "tool-approval-request", toolCallId: callId, approvalId },
              { type: "tool-approval-response", approvalId, approved: false },
            );
            return void log.push({ type: "tool-output-denied", toolCallId: callId });
          }
          const isLast = index === list.length - 1;
          const outcome = kind === "output" ? output(index) : kind === "error" || !isLast ? failed : null;
          rows.push(row({ n: rows.length + 1, callId, input, outcome }));
          if (outcome?.type === "output") log.push(answered(index, callId));
          else if (outcome) log.push({ type: "tool-output-error", toolCallId: callId, errorText: "It broke." });
        });
        // A run that asks a person ends, and all of it is stored, and so is the answer.
        const stored = log.findLastIndex(({ type }) => type === "tool-approval-response") + 1;
        const live = liveOf(...log.slice(0, Math.max(cut, stored)));
        const after = foldChunks(live, missingChunks(live, rows));
        expect(missingChunks(after, rows)).toEqual([]);
        const settled = parts(after).filter(
          (part) => "state" in part && (part.state === "output-available" || part.state === "output-error"),
        );
        const refused = parts(after).filter(
          (part, at) => isCall(part) && part.state === "approval-responded" && isShadowed(parts(after), at),
        );
        expect(refused).toEqual([]);
        expect(settled).toHaveLength(rows.filter(({ outcome }) => outcome !== null).length);
        const shown = settled.flatMap((part) => ("output" in part && part.output !== undefined ? [part.output] : []));
        const known = rows.flatMap(({ outcome }) => (outcome?.type === "output" ? [outcome.output] : []));
        expect(new Set(shown)).toEqual(new Set(known));
      }),
    );
  });
});

describe("calls that a crash cut off", () => {
  const idempotent = row({ isIdempotent: true });

  it("can run again when they are idempotent, open and in the last step", () => {
    const rows = [idempotent, row({ n: 2, callId: "call_1" }), row({ n: 3, callId: "call_2", isIdempotent: true, outcome: output(1) })];
    const live = liveOf(STEP, called(), called("call_1"), called("call_2"));
    expect(rerunnableCalls(live, rows)).toEqual([idempotent]);
    expect(rerunnableCalls(foldChunks(live, [STEP, { type: "data-note", data: 1 }]), rows)).toEqual([idempotent]);
    expect(rerunnableCalls(foldChunks(live, [STEP, { type: "text-start", id: "t" }]), rows)).toEqual([]);
    expect(rerunnableCalls(liveOf(STEP), rows)).toEqual([]);
    expect(rerunnableCalls(liveOf(STEP, started()), rows)).toEqual([]);
  });

  it("get the one outcome that is true, unless they are to run again", () => {
    const rows = [idempotent, row({ n: 2 }), row({ n: 3, outcome: output(1) })];
    const unknown = { type: "error", errorText: UNKNOWN_OUTCOME };
    expect(unknownOutcomes(rows)).toEqual([
      { ...idempotent, outcome: unknown },
      { ...rows[1], outcome: unknown },
    ]);
    expect(unknownOutcomes(rows, { keep: [idempotent] })).toEqual([{ ...rows[1], outcome: unknown }]);
  });
});
