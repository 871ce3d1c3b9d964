// Holds the layer table (layers.mjs): every import of every file in src/ is allowed by it, and no entry reaches, through any
// number of files, a package that its platform does not have. Prints, without failing, files and functions that grew long.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";
import { ENTRIES, LAYERS, LAZY_FILES, PACKAGES, SHARED_FILES } from "./layers.mjs";

const MAX_FILE_LINES = 300;
const MAX_FUNCTION_LINES = 60;

/**
 * @typedef {{ specifier: string; line: number; typeOnly: boolean; lazy: boolean }} Import
 * @typedef {{ file: string; line: number; message: string }} Problem
 */

/** Every import of a source text, also `export … from`, `import()` and `import("x").T`. @returns {Import[]} */
export function importsOf(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found = [];
  const add = (node, specifier, typeOnly, lazy) =>
    found.push({ specifier: specifier.text, line: source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1, typeOnly, lazy });
  const visit = (node) => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, node.importClause?.isTypeOnly ?? false, false);
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) add(node, node.moduleSpecifier, node.isTypeOnly, false);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node, node.argument.literal, true, false);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier && ts.isStringLiteralLike(specifier)) add(node, specifier, false, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const isRelative = (specifier) => specifier.startsWith(".");
const layerOf = (file) => (file.includes("/") ? file.slice(0, file.indexOf("/")) : undefined);
const covers = (places, file) => places === "*" || places.some((place) => (place.endsWith("/") ? file.startsWith(place) : file === place));

/** @returns {string | undefined} what is wrong with a relative import, if anything. */
function relativeProblem(file, target, { typeOnly, lazy }, files) {
  if (target.startsWith("../")) return "leaves src/";
  if (!files.has(target)) return `names ${target}, which does not exist (relative imports carry their extension)`;
  if (LAZY_FILES.includes(target) && !typeOnly && !lazy) return `${target} may only be loaded by import()`;
  const from = layerOf(file);
  const to = layerOf(target);
  if (from === undefined) return to === undefined ? undefined : "a file directly in src/ may not import a layer";
  if (to === undefined) return SHARED_FILES.includes(target) ? undefined : `${target} is not in SHARED_FILES of scripts/layers.mjs`;
  const allowed = LAYERS[from];
  if (from === to || allowed === "*" || allowed?.includes(to)) return undefined;
  return `${from}/ may not import ${to}/ (${from}/ may import: ${allowed?.join(", ") || "nothing"})`;
}

/** @returns {string | undefined} what is wrong with the import of a package, if anything. */
function packageProblem(file, { specifier, typeOnly }) {
  const rule = PACKAGES.find((entry) => entry.match.test(specifier));
  if (!rule) return `"${specifier}" is not in PACKAGES of scripts/layers.mjs`;
  if (covers(rule.in, file) || (typeOnly && covers(rule.types, file))) return undefined;
  const hint = covers(rule.types, file) ? "; write `import type { … }` (inline `type` keeps the import at run time)" : "";
  return `"${specifier}" may not be imported here${hint}`;
}

/**
 * @param {Map<string, string>} files path under src/ (forward slashes) → text
 * @returns {Problem[]}
 */
export function checkBoundaries(files) {
  const problems = [];
  const graph = new Map();
  for (const [file, text] of files) {
    const layer = layerOf(file);
    if (layer === undefined ? !SHARED_FILES.includes(file) : !(layer in LAYERS))
      problems.push({ file, line: 1, message: "is in no layer of scripts/layers.mjs" });
    const imports = importsOf(file, text);
    graph.set(file, imports);
    for (const found of imports) {
      const message = isRelative(found.specifier)
        ? relativeProblem(file, resolve(file, found.specifier), found, files)
        : packageProblem(file, found);
      if (message) problems.push({ file, line: found.line, message });
    }
  }
  for (const [entry, forbidden] of Object.entries(ENTRIES)) problems.push(...reachProblems(entry, forbidden, graph));
  return problems;
}

const resolve = (file, specifier) => path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));

/** Walks the run-time imports of one entry and reports each forbidden package once, with the way that leads to it. */
function reachProblems(entry, forbidden, graph) {
  const problems = [];
  const seen = new Set([entry]);
  const queue = graph.has(entry) ? [[entry]] : [];
  for (const way of queue) {
    const file = way.at(-1);
    for (const { specifier, line, typeOnly } of graph.get(file) ?? []) {
      if (typeOnly) continue;
      if (!isRelative(specifier)) {
        if (forbidden.some((pattern) => pattern.test(specifier)))
          problems.push({ file, line, message: `"${specifier}" is reached from ${entry}: ${way.join(" → ")}` });
        continue;
      }
      const target = resolve(file, specifier);
      if (seen.has(target)) continue;
      seen.add(target);
      queue.push([...way, target]);
    }
  }
  return problems;
}

/** Files and functions over the sizes that the house style expects: to think about, not to fail on. @returns {string[]} */
export function longParts(files) {
  const notes = [];
  for (const [file, text] of files) {
    const lines = text.trimEnd().split("\n").length;
    if (lines > MAX_FILE_LINES) notes.push(`${file}: ${lines} lines`);
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const visit = (node) => {
      if (ts.isFunctionLike(node) && "body" in node && node.body) {
        const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
        const length = source.getLineAndCharacterOfPosition(node.end).line - first + 1;
        if (length > MAX_FUNCTION_LINES) notes.push(`${file}:${first + 1}: function of ${length} lines`);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return notes;
}

/** @returns {Map<string, string>} */
function readSources(directory) {
  const names = fs.existsSync(directory) ? fs.readdirSync(directory, { recursive: true, encoding: "utf8" }) : [];
  const sources = names.map((name) => name.replaceAll(path.sep, "/")).filter((name) => /\.tsx?$/.test(name) && !name.endsWith(".d.ts"));
  return new Map(sources.sort().map((name) => [name, fs.readFileSync(path.join(directory, name), "utf8")]));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const files = readSources(fileURLToPath(new URL("../src", import.meta.url)));
  const problems = checkBoundaries(files);
  for (const { file, line, message } of problems) console.error(`src/${file}:${line}: ${message}`);
  const notes = longParts(files);
  if (notes.length > 0) console.log(`long (a note, not a failure):\n${notes.map((note) => `  src/${note}`).join("\n")}`);
  console.log(`boundaries: ${files.size} files, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
