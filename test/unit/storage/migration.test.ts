import fc from "fast-check";
import { expect, test } from "vitest";
import { hashText, migrationHash, validateMigrations, type Migration } from "../../../src/storage/migration.ts";

const step = (id: unknown, name: unknown = "step", sql: unknown = "CREATE TABLE t (x)"): Migration => ({ id, name, sql }) as Migration;

test("hashes a text to the same 14 hex digits in every release", () => {
  expect([hashText(""), hashText("CREATE TABLE t (x)"), hashText("😀")]).toMatchInlineSnapshot(`
    [
      "19e1084f8f615d",
      "047df6856e9392",
      "02f6a3f0f1e2fe",
    ]
  `);
});

test("hashes texts that differ in one character, one space or their order differently", () => {
  expect(hashText("a b")).not.toBe(hashText("a  b"));
  expect(hashText("ab")).not.toBe(hashText("ba"));
  expect(hashText("")).not.toBe(hashText("\u0000"));
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), fc.nat(), fc.string({ minLength: 1, maxLength: 1 }), (text, at, extra) => {
      const position = at % (text.length + 1);
      expect(hashText(text.slice(0, position) + extra + text.slice(position))).not.toBe(hashText(text));
    }),
  );
});

test("finds no two equal hashes among a hundred thousand near texts", () => {
  const seen = new Set<string>();
  for (let index = 0; index < 100_000; index++) seen.add(hashText(`CREATE TABLE t${index} (x)`));
  expect(seen.size).toBe(100_000);
  expect([...seen].every((hash) => /^[0-9a-f]{14}$/.test(hash))).toBe(true);
});

test("hashes one text and a list of that text alike, and where a list is cut matters", () => {
  expect(migrationHash(step(1, "a", "X"))).toBe(migrationHash(step(2, "b", ["X"])));
  expect(migrationHash(step(1, "a", ["XY", "Z"]))).not.toBe(migrationHash(step(1, "a", ["X", "YZ"])));
});

test("accepts increasing ids with gaps, texts and lists", () => {
  expect(() => validateMigrations("app", [step(1), step(2, "b", ["x", "y"]), step(20_261_101)])).not.toThrow();
  expect(() => validateMigrations("app", [])).not.toThrow();
});

const UNSOUND: [string, Migration[]][] = [
  ["an id of zero", [step(0)]],
  ["a negative id", [step(-1)]],
  ["a fractional id", [step(1.5)]],
  ["a text as id", [step("1")]],
  ["an id that repeats", [step(1), step(1)]],
  ["ids that fall", [step(2), step(1)]],
  ["an empty name", [step(1, " ")]],
  ["no name", [step(1, null)]],
  ["a number as name", [step(1, 5)]],
  ["blank sql", [step(1, "a", " \n")]],
  ["no statement", [step(1, "a", [])]],
  ["a blank statement", [step(1, "a", ["x", ""])]],
  ["sql that is no text", [step(1, "a", 7)]],
];

test.each(UNSOUND)("refuses %s as a configuration error", (_name, migrations) => {
  expect(() => validateMigrations("app", migrations)).toThrow(expect.objectContaining({ code: "configuration" }));
});
