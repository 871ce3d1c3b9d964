import { expect, it } from "vitest";
import { docstringBlocks, markdownBlocks } from "../../../scripts/doc-blocks.mjs";

it("finds TypeScript blocks of a page with their first line and flags, and no other language", () => {
  const page = ["# Page", "```ts file=worker.ts", "const a = 1;", "", "```", "```sh", "npm i", "```", "~~~tsx ignore", "<A />", "~~~"].join(
    "\n",
  );
  expect(markdownBlocks(page)).toEqual([
    { line: 3, jsx: false, flags: ["file=worker.ts"], code: "const a = 1;\n" },
    { line: 10, jsx: true, flags: ["ignore"], code: "<A />" },
  ]);
});

it("leaves of a component only its scripts, each at its line", () => {
  const page = ["```svelte", '<script lang="ts">', "  const a = 1;", "</script>", "", "<p>{a}</p>", "```"].join("\n");
  expect(markdownBlocks(page)).toEqual([{ line: 2, jsx: false, flags: [], code: "\n  const a = 1;\n\n\n" }]);
});

it("takes the indent of a list off a block, and a shorter fence inside it for text", () => {
  expect(markdownBlocks("- a\n  ````ts\n  const a = `\n  ```\n    b`;\n  ````")).toEqual([
    { line: 3, jsx: false, flags: [], code: "const a = `\n```\n  b`;" },
  ]);
});

it("finds the fenced example of a docstring at its line in the file", () => {
  const source = [
    "const x = 1;",
    "/**",
    " * Makes it.",
    " * @example",
    " * ```ts",
    " * make();",
    " * ```",
    " */",
    "export function make() {}",
  ].join("\n");
  expect(docstringBlocks(source)).toEqual([{ line: 6, jsx: false, flags: [], code: "make();" }]);
});

it("takes the text of an example without a fence up to the next tag", () => {
  const source = ["/**", " * Makes it.", " * @example", " * make();", " * @throws never", " */"].join("\n");
  expect(docstringBlocks(source)).toEqual([{ line: 4, jsx: false, flags: [], code: "make();" }]);
});

it("finds nothing in a docstring without an example", () => {
  expect(docstringBlocks("/** One line, `code`. */\nexport const a = 1;")).toEqual([]);
});
