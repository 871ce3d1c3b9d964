import { describe, expect, it } from "vitest";
import { parseClientFrame } from "../../../src/protocol/client-frames.ts";
import { isDeeperThan, withoutNested } from "../../../src/protocol/json-depth.ts";

/** A JSON value of so many levels. */
const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels)) as unknown;
const sendOf = (fields: object): string =>
  JSON.stringify({
    type: "send",
    messageId: "message-1",
    parts: [{ type: "text", text: 'a "quote", {' }],
    epoch: "epoch",
    ...fields,
    id: "command-1",
  });

describe("a frame of a client", () => {
  it("is taken as it is", () => {
    expect(parseClientFrame(sendOf({}))).toMatchObject({ frame: { type: "send", id: "command-1" } });
  });

  it("that nests too deeply is refused unread, under its id, so that whoever sent it does not wait for ever", () => {
    const refusal = { error: { code: "bad_frame" }, ref: "command-1" };
    expect(parseClientFrame(sendOf({ body: nested(40) }))).toMatchObject(refusal);
    // The id of something inside is not that of the frame.
    expect(parseClientFrame(sendOf({ body: { id: "another-1", deep: nested(40) } }))).toMatchObject(refusal);
    expect(parseClientFrame(sendOf({ body: nested(31) }))).toMatchObject({ frame: { type: "send" } });
    expect(parseClientFrame("[".repeat(500_000))).not.toHaveProperty("ref");
    expect(parseClientFrame(`{"id":7,"a":${JSON.stringify(nested(40))}}`)).not.toHaveProperty("ref");
  });

  it("of a form that is none is refused, with its id where it has one", () => {
    for (const text of ["", "null", "7", "[]", "{", '"send"', "{}"])
      expect(parseClientFrame(text)).toMatchObject({ error: { code: "bad_frame" } });
    expect(parseClientFrame('{"type":"turnip","id":"command-1"}')).toMatchObject({ error: { code: "unknown_frame" }, ref: "command-1" });
    expect(parseClientFrame('{"type":"stop","id":"command-1"}')).toMatchObject({ error: { code: "bad_frame" }, ref: "command-1" });
  });
});

describe("a JSON text", () => {
  it("says how deep it nests", () => {
    expect(isDeeperThan(JSON.stringify(nested(32)), 32)).toBe(false);
    expect(isDeeperThan(JSON.stringify(nested(33)), 32)).toBe(true);
    expect(isDeeperThan(JSON.stringify("[".repeat(99)), 1)).toBe(false);
  });

  it("without what nests in it is JSON with null there", () => {
    const value = { a: [1, { b: [] }], c: ']}"', d: {}, e: 5, f: [[]] };
    expect(JSON.parse(withoutNested(JSON.stringify(value)))).toEqual({ a: null, c: ']}"', d: null, e: 5, f: null });
    expect(withoutNested("7")).toBe("7");
    expect(withoutNested("[]")).toBe("[]");
  });
});
