import { describe, expect, it } from "vitest";
import { createTeller, type Told } from "../../../src/ai-sdk/message-chunks.ts";
import type { Part } from "../../../src/protocol/messages.ts";

const STEP: Part = { type: "step-start" };
const text = (said: string, state: "streaming" | "done" = "done"): Part => ({ type: "text", text: said, state });
const call = (fields: object): Part => ({ type: "tool-pay", toolCallId: "call-1", input: { euros: 5 }, ...fields }) as unknown as Part;
const message = (...parts: Part[]): Told => ({ id: "reply-1", parts });
const typesOf = (chunks: { type: string }[] | null) => chunks?.map(({ type }) => type) ?? null;

describe("a message told again", () => {
  it("is nothing more when it is the same", () => {
    const { tell } = createTeller();
    tell(message(STEP, text("Hi")));
    expect(tell(message(STEP, text("Hi")))).toEqual([]);
  });

  it("is the rest of a text, in one delta", () => {
    const { tell } = createTeller();
    tell(message(text("O", "streaming")));
    expect(tell(message(text("One two", "streaming")))).toMatchObject([{ type: "text-delta", delta: "ne two" }]);
    expect(tell(message(text("One two")))).toMatchObject([{ type: "text-end" }]);
  });

  it("takes back the last step, and no other, where it is another now", () => {
    const { tell, hasDiscarded } = createTeller();
    tell(message(STEP, text("one"), STEP, text("two", "streaming")));
    expect(hasDiscarded()).toBe(false);
    const again = tell(message(STEP, text("one"), STEP, text("zwei")));
    expect(typesOf(again)).toEqual(["reset-step", "text-start", "text-delta", "text-end"]);
    expect(hasDiscarded()).toBe(true);
    expect(typesOf(tell(message(STEP, text("one"), STEP)))).toEqual(["reset-step"]);
    expect(tell(message(STEP, text("eins"), STEP))).toBeNull();
    expect(tell(message())).toBeNull();
  });

  it("goes on with no text that a discard has closed", () => {
    const { tell } = createTeller();
    tell(message(STEP, text("one", "streaming"), STEP, text("two")));
    tell(message(STEP, text("one", "streaming"), STEP, text("zwei")));
    expect(tell(message(STEP, text("one and", "streaming"), STEP, text("zwei")))).toBeNull();
  });

  it("goes on from what a reader has, whose texts are closed to it", () => {
    const held = message(STEP, text("one"), call({ state: "approval-responded", approval: { id: "a", approved: true } }));
    const { tell } = createTeller(held);
    const now = message(STEP, text("one"), call({ state: "output-available", approval: { id: "a", approved: true }, output: 1 }), STEP);
    expect(typesOf(tell(now))).toEqual(["start", "tool-output-available", "start-step"]);
    expect(typesOf(createTeller(message(text("o", "streaming"))).tell(message(text("one"))))).toEqual([
      "start",
      "reset-step",
      "text-start",
      "text-delta",
      "text-end",
    ]);
  });

  it("says what counts where a reader has answered otherwise", () => {
    const held = message(call({ state: "approval-responded", approval: { id: "a", approved: true } }));
    const denied = message(call({ state: "approval-responded", approval: { id: "a", approved: false } }));
    expect(createTeller(held).tell(denied)).toMatchObject([{ type: "start" }, { type: "tool-approval-response", approved: false }]);
    const asked = message(call({ state: "approval-requested", approval: { id: "a" } }));
    expect(typesOf(createTeller(held).tell(asked))).toEqual(["start", "tool-approval-request"]);
    const open = message(call({ state: "input-available" }));
    const answered = message(call({ state: "output-available", output: 1 }));
    expect(typesOf(createTeller(answered).tell(open))).toEqual(["start", "tool-input-available"]);
  });

  it("announces with complete input only what is still to be run", () => {
    const told = (state: object) => typesOf(createTeller().tell(message(call(state))));
    expect(told({ state: "input-available" })).toContain("tool-input-available");
    for (const state of ["output-available", "output-error", "output-denied"]) {
      expect(told({ state, errorText: "No", approval: { id: "a", approved: false } })).not.toContain("tool-input-available");
    }
  });

  it("has the metadata that changed", () => {
    const { tell } = createTeller();
    expect(tell({ ...message(), metadata: { a: 1 } })).toMatchObject([{ type: "start", messageMetadata: { a: 1 } }]);
    expect(tell({ ...message(), metadata: { a: 1 } })).toEqual([]);
    expect(tell({ ...message(), metadata: { a: 2 } })).toEqual([{ type: "message-metadata", messageMetadata: { a: 2 } }]);
  });
});
