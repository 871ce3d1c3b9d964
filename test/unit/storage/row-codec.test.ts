import fc from "fast-check";
import { expect, test } from "vitest";
import { BODY_FORMAT, decodeBody, encodeBody } from "../../../src/storage/row-codec.ts";

test("gives back any JSON value, lone surrogates included, from well-formed text", () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary", maxDepth: 2 }), fc.constantFrom("", "\ud83d", "\ude00"), (json, lone) => {
      const value = { json: JSON.parse(JSON.stringify(json)) as unknown, lone };
      const { format, text } = encodeBody(value);
      expect(new TextDecoder("utf-8", { ignoreBOM: true, fatal: false }).decode(new TextEncoder().encode(text))).toBe(text);
      expect(decodeBody(format, text)).toEqual({ ok: true, value });
    }),
  );
});

test.each([undefined, () => 1, Symbol("x"), 1n])("refuses to encode %s, which has no JSON form", (value) => {
  expect(() => encodeBody(value)).toThrow(TypeError);
});

test.each([BODY_FORMAT + 1, 0, -1, 1.5, NaN, null as unknown as number])("reports format %s as unknown instead of reading it", (format) => {
  expect(decodeBody(format, "{}")).toEqual({ ok: false, reason: "unknown_format", format });
});

test("reports every strict beginning of a stored object as damaged", () => {
  const { format, text } = encodeBody({ parts: [{ type: "text", text: 'é "quoted" \\' }], n: 12 });
  for (let length = 0; length < text.length; length++) {
    expect(decodeBody(format, text.slice(0, length))).toEqual({ ok: false, reason: "invalid_json", format });
  }
});

test.each(["", "undefined", "{]", "nul", "{}{}"])("reports %j as damaged without throwing", (text) => {
  expect(decodeBody(BODY_FORMAT, text)).toEqual({ ok: false, reason: "invalid_json", format: BODY_FORMAT });
});

test("survives absurd depth", () => {
  const depth = 200_000;
  const decoded = decodeBody(BODY_FORMAT, "[".repeat(depth) + "]".repeat(depth));
  expect(decoded.ok || decoded.reason === "invalid_json").toBe(true);
});
