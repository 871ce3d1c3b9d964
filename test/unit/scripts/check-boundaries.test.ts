import { describe, expect, it } from "vitest";
import { checkBoundaries, importsOf, longParts } from "../../../scripts/check-boundaries.mjs";

const check = (files: Record<string, string>) =>
  checkBoundaries(new Map(Object.entries(files))).map(({ file, line, message }) => `${file}:${line}: ${message}`);

const FRAMES = { "protocol/frames.ts": "export const a = 1;", "errors.ts": "export const e = 1;" };

describe("layers", () => {
  it("accepts an import that the table allows", () => {
    expect(
      check({ ...FRAMES, "turn/machine.ts": `import { a } from "../protocol/frames.ts";\nimport { e } from "../errors.ts";` }),
    ).toEqual([]);
  });

  it("finds an import of a layer that the table does not allow, with its line", () => {
    const files = { "storage/rows.ts": "export const r = 1;", "turn/machine.ts": `// header\nimport { r } from "../storage/rows.ts";` };
    expect(check(files)).toEqual(["turn/machine.ts:2: turn/ may not import storage/ (turn/ may import: protocol)"]);
  });

  it.each([
    ["a type import", `import type { S } from "../session/core.ts";`],
    ["a re-export", `export { S } from "../session/core.ts";`],
    ["a lazy import", `const s = await import("../session/core.ts");`],
    ["an import type", `let s: import("../session/core.ts").S;`],
  ])("finds a forbidden layer behind %s", (_name, text) => {
    expect(check({ "session/core.ts": "export class S {}", "client/store.ts": text })).toEqual([
      "client/store.ts:1: client/ may not import session/ (client/ may import: protocol)",
    ]);
  });

  it("finds a folder and a file that are in no layer", () => {
    expect(check({ "utils/a.ts": "", "stray.ts": "" })).toEqual([
      "utils/a.ts:1: is in no layer of scripts/layers.mjs",
      "stray.ts:1: is in no layer of scripts/layers.mjs",
    ]);
  });

  it("finds a shared file that imports a layer", () => {
    expect(check({ ...FRAMES, "errors.ts": `import "./protocol/frames.ts";` })).toEqual([
      "errors.ts:1: a file directly in src/ may not import a layer",
    ]);
  });

  it("finds a relative import without an extension and one that leaves src/", () => {
    expect(check({ ...FRAMES, "turn/a.ts": `import "../protocol/frames";\nimport "../../test/x.ts";` })).toEqual([
      "turn/a.ts:1: names protocol/frames, which does not exist (relative imports carry their extension)",
      "turn/a.ts:2: leaves src/",
    ]);
  });
});

describe("packages", () => {
  it("allows types of ai everywhere and its code only in the lazily loaded file", () => {
    const files = {
      "history/ai-runtime.ts": `export { convertToModelMessages } from "ai";`,
      "history/prompt.ts": `import type { ModelMessage } from "ai";\nconst load = () => import("./ai-runtime.ts");`,
      "client/store.ts": `import type { UIMessage } from "ai";`,
    };
    expect(check(files)).toEqual([]);
    expect(check({ "history/prompt.ts": `import { convertToModelMessages } from "ai";` })).toEqual([
      `history/prompt.ts:1: "ai" may not be imported here; write \`import type { … }\` (inline \`type\` keeps the import at run time)`,
    ]);
  });

  it("takes an inline type import for what it is: an import at run time", () => {
    expect(check({ "client/store.ts": `import { type UIMessage } from "ai";` })).toHaveLength(1);
  });

  it("finds a static import of a file that must be lazy", () => {
    const files = { "history/ai-runtime.ts": "export const a = 1;", "history/prompt.ts": `import { a } from "./ai-runtime.ts";` };
    expect(check(files)).toEqual(["history/prompt.ts:1: history/ai-runtime.ts may only be loaded by import()"]);
  });

  it.each([
    ["node in the session", "session/core.ts", "node:crypto"],
    ["the platform in the client", "client/socket.ts", "cloudflare:workers"],
    ["zod in the client", "client/socket.ts", "zod"],
    ["zod in a protocol file that browsers load", "protocol/frames.ts", "zod"],
    ["react in the Worker", "session/core.ts", "react"],
    ["a package that is no peer", "auth/bearer.ts", "jose"],
  ])("finds %s", (_name, file, specifier) => {
    expect(check({ [file]: `import "${specifier}";` })).toHaveLength(1);
  });
});

describe("entries", () => {
  it("finds a package that an entry reaches through several allowed imports", () => {
    const files = {
      "entries/client.ts": `export { a } from "../client/store.ts";`,
      "client/store.ts": `export { a } from "../protocol/codec.ts";`,
      "protocol/codec.ts": `export { a } from "./client-frames.ts";`,
      "protocol/client-frames.ts": `import { z } from "zod";\nexport const a = z;`,
    };
    expect(check(files)).toEqual([
      `protocol/client-frames.ts:1: "zod" is reached from entries/client.ts: ` +
        "entries/client.ts → client/store.ts → protocol/codec.ts → protocol/client-frames.ts",
    ]);
  });

  it("does not follow type imports, which leave nothing at run time", () => {
    const files = {
      "entries/client.ts": `export type { A } from "../protocol/client-frames.ts";`,
      "protocol/client-frames.ts": `import { z } from "zod";\nexport type A = typeof z;`,
    };
    expect(check(files)).toEqual([]);
  });

  it("keeps the testing entry free of modules that exist only in workerd", () => {
    const files = {
      "entries/testing.ts": `export { S } from "../session/object.ts";`,
      "session/object.ts": `import { DurableObject } from "cloudflare:workers";\nexport class S extends DurableObject {}`,
    };
    expect(check(files)).toEqual([
      `session/object.ts:1: "cloudflare:workers" is reached from entries/testing.ts: entries/testing.ts → session/object.ts`,
    ]);
  });
});

it("does not take an import in a comment or a string for one", () => {
  expect(importsOf("a.ts", `// import "x";\nconst s = 'import "y"';`)).toEqual([]);
});

it("notes files over 300 lines and functions over 60, and nothing at the limit", () => {
  const fn = (lines: number) => `function f() {\n${"  g();\n".repeat(lines - 2)}}\n`;
  expect(
    longParts(
      new Map([
        ["a.ts", fn(60)],
        ["b.ts", "x;\n".repeat(300)],
      ]),
    ),
  ).toEqual([]);
  expect(
    longParts(
      new Map([
        ["a.ts", fn(61)],
        ["b.ts", "x;\n".repeat(301)],
      ]),
    ),
  ).toEqual(["a.ts:1: function of 61 lines", "b.ts: 301 lines"]);
});
