// Type-checks every TypeScript block, and the scripts of every Vue and Svelte block, of README.md, docs/, the examples' README
// files and the docstrings in src/, against the built package, as a user's project would. Words after the language steer one:
//   ```ts ignore           not checked
//   ```ts browser|worker   the platform; without it, a block that imports chatcell/client or a binding is for the browser
//   ```ts file=worker.ts   other blocks of the same page can import it as "./worker"
import fs from "node:fs";
import path from "node:path";
import ts from "typescript";
import { docstringBlocks, markdownBlocks } from "./doc-blocks.mjs";
import { ROOT, builtEntries } from "./public-entries.mjs";

const BROWSER_IMPORT = /["']chatcell\/(client|react|vue|svelte|ai-sdk)["']/;
const SERVER_IMPORT = /["'](chatcell|cloudflare:[\w-]+)["']/;
const PLATFORMS = {
  worker: { lib: ["lib.es2024.d.ts", "lib.esnext.disposable.d.ts"], types: ["@cloudflare/workers-types", "node"] },
  browser: { lib: ["lib.es2024.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"], types: [] },
};

builtEntries();
const blocks = pages().flatMap((page) => pageBlocks(page));
const failures = Object.keys(PLATFORMS).flatMap((platform) => checkPlatform(platform));
for (const failure of failures) console.error(failure);
console.log(`docs: ${blocks.length} blocks checked, ${failures.length} errors`);
if (failures.length > 0) process.exitCode = 1;

function pages() {
  const list = (directory, pattern) => {
    const full = path.join(ROOT, directory);
    if (!fs.existsSync(full)) return [];
    const names = fs.readdirSync(full, { recursive: true, encoding: "utf8" });
    return names.filter((name) => pattern.test(name) && !name.includes("node_modules")).map((name) => `${directory}/${name}`);
  };
  const readme = fs.existsSync(path.join(ROOT, "README.md")) ? ["README.md"] : [];
  return [...readme, ...list("docs", /\.md$/), ...list("examples", /(^|\/)README\.md$/), ...list("src", /\.tsx?$/)].sort();
}

function pageBlocks(page) {
  const text = fs.readFileSync(path.join(ROOT, page), "utf8");
  const found = page.endsWith(".md") ? markdownBlocks(text) : docstringBlocks(text);
  return found
    .filter(({ flags }) => !flags.includes("ignore"))
    .map((block) => {
      const name = block.flags.find((flag) => flag.startsWith("file="))?.slice(5) ?? `line-${block.line}.${block.jsx ? "tsx" : "ts"}`;
      const isBrowser = BROWSER_IMPORT.test(block.code) && !SERVER_IMPORT.test(block.code);
      const platform = Object.keys(PLATFORMS).find((key) => block.flags.includes(key)) ?? (isBrowser ? "browser" : "worker");
      return { ...block, page, platform, file: path.join(ROOT, ".docs-check", page, name) };
    });
}

/** Blocks of both platforms can be imported; only those of `platform` are reported. */
function checkPlatform(platform) {
  const texts = new Map(blocks.map((block) => [block.file, block]));
  const options = compilerOptions(platform);
  const host = ts.createCompilerHost(options);
  const disk = ts.createCompilerHost(options);
  const folders = new Set([...texts.keys()].map((file) => path.dirname(file)));
  host.directoryExists = (folder) => folders.has(path.normalize(folder)) || (disk.directoryExists?.(folder) ?? true);
  host.fileExists = (file) => texts.has(path.normalize(file)) || disk.fileExists(file);
  host.readFile = (file) => texts.get(path.normalize(file))?.code ?? disk.readFile(file);
  host.getSourceFile = (file, ...rest) => {
    const block = texts.get(path.normalize(file));
    return block ? ts.createSourceFile(file, block.code, rest[0], true) : disk.getSourceFile(file, ...rest);
  };
  const ambient = path.join(ROOT, `test/types/docs/${platform}.d.ts`);
  const checked = blocks.filter((block) => block.platform === platform);
  const roots = [...checked.map(({ file }) => file), ...(fs.existsSync(ambient) ? [ambient] : [])];
  const program = ts.createProgram(roots, options, host);
  const general = program.getOptionsDiagnostics().map((diagnostic) => ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
  return [...general, ...checked.flatMap((block) => blockErrors(program, block))];
}

function compilerOptions(platform) {
  return {
    ...PLATFORMS[platform],
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    moduleDetection: ts.ModuleDetectionKind.Force,
    jsx: ts.JsxEmit.ReactJSX,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
}

function blockErrors(program, { file, page, line }) {
  const source = program.getSourceFile(file);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((diagnostic) => {
    const at = line + (source?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0);
    return `${page}:${at}: TS${diagnostic.code}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n")}`;
  });
}
