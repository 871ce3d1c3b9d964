import { parsePartialJson as sdkParse } from "ai";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePartialJson } from "../../../src/protocol/partial-json.ts";
import { canonical, streamableJson } from "./fold-support.ts";

const sdk = async (text: string): Promise<unknown> => (await sdkParse(text)).value;

/** Whether a key of `value`, at any depth, is one that is refused. */
const hasUnsafeKey = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  Object.entries(value).some(([key, inner]) => /^__proto__$|^constructor$/.test(key) || hasUnsafeKey(inner));

/** JSON in four layouts: the cut may fall into white space and escapes too. Keys that are refused have their own tests. */
const jsonText = fc
  .tuple(
    fc.jsonValue({ maxDepth: 4 }).filter((value) => !hasUnsafeKey(value)),
    fc.constantFrom(undefined, 2, "\t"),
    fc.boolean(),
  )
  .map(([value, indent, escaped]) => {
    const text = streamableJson(value, indent);
    return escaped ? text.replace(/[^\n\t -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`) : text;
  });

/** Texts out of JSON's own pieces, in any order: what a confused model writes. */
const almostJson = fc
  .array(
    fc.constantFrom(
      ...Array.from('{}[],:"\\ \n-+.eEu019aftn'),
      "true",
      "false",
      "null",
      '"a":',
      "\\u00",
      "\\u0041",
      '"__proto__":',
      '"\\u005f_proto__":',
      '{"a":',
      "1e+5",
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(""));

describe("parsePartialJson", () => {
  it("gives the AI SDK's value at every cut of a JSON text", async () => {
    await fc.assert(
      fc.asyncProperty(jsonText, async (text) => {
        for (let end = 0; end <= text.length; end++) {
          const cut = text.slice(0, end);
          expect(canonical(parsePartialJson(cut)), cut).toBe(canonical(await sdk(cut)));
        }
      }),
      { numRuns: 150 },
    );
  });

  it("gives a value or undefined for a text that is no JSON, never an unsafe key, and never throws", () => {
    fc.assert(
      fc.property(almostJson, (text) => {
        expect(canonical(parsePartialJson(text))).not.toContain('"__proto__":');
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ["", undefined],
    ["-", undefined],
    ['{"city":"Par', { city: "Par" }],
    ['{"city":"Par\\', { city: "Par" }],
    ['{"city":"Par\\u00e', { city: "Par" }],
    ['{"a":[1,{"b":t', { a: [1, { b: true }] }],
    ['{"a":1,"b', { a: 1 }],
    ['{"a":1,"b":', { a: 1 }],
    ["[1.5e", [1.5]],
    ['{"a":-', {}],
    ['{"a":1e+2', { a: 100 }],
    ['{"a\\"":', {}],
    ['{"a":"x,","b', { a: "x," }],
    ['{"a":"{","b":', { a: "{" }],
    ['["a","b"', ["a", "b"]],
    ['["a\\\\', ["a\\"]],
    ["[1 , ", [1]],
    ["<html>", undefined],
  ])("reads %s as far as it goes", (text, value) => {
    expect(parsePartialJson(text)).toStrictEqual(value);
  });

  it.each([
    '{"__proto__":{"polluted":1},"a":1',
    '{"\\u005f_proto__":{"polluted":1},"a":1',
    '{"a":[{"constructor":{"prototype":{"polluted":1}}}',
  ])("gives nothing for the unsafe key in %s", async (text) => {
    expect(parsePartialJson(text)).toBeUndefined();
    expect(await sdk(text)).toBeUndefined();
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it("reads a harmless constructor key", () => {
    expect(parsePartialJson('{"constructor":"Brunel","to')).toStrictEqual({ constructor: "Brunel" });
  });

  it("reads a deeply nested text without throwing", () => {
    expect(() => parsePartialJson("[".repeat(200_000))).not.toThrow();
    expect(() => parsePartialJson('{"__proto__":'.repeat(50_000))).not.toThrow();
  });
});
