// Holds the names that each entry exports against exports.json, so that a public name never comes or goes unseen.
// `node scripts/check-exports.mjs --update` writes the file.
import fs from "node:fs";
import path from "node:path";
import ts from "typescript";
import { ROOT, builtEntries } from "./public-entries.mjs";

const SNAPSHOT = path.join(ROOT, "scripts/exports.json");
const entries = builtEntries();
const program = ts.createProgram(
  entries.map(({ types }) => path.join(ROOT, types)),
  { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, target: ts.ScriptTarget.ES2023, noEmit: true },
);
const checker = program.getTypeChecker();

const now = Object.fromEntries(entries.map((entry) => [entry.specifier, exportedNames(entry)]));
const text = `${JSON.stringify(now, null, 2)}\n`;
if (process.argv.includes("--update")) fs.writeFileSync(SNAPSHOT, text);
const before = fs.existsSync(SNAPSHOT) ? JSON.parse(fs.readFileSync(SNAPSHOT, "utf8")) : {};
const differences = Object.keys({ ...before, ...now }).flatMap((specifier) => compare(specifier, before[specifier], now[specifier]));
for (const difference of differences) console.error(`exports: ${difference}`);
console.log(
  `exports: ${entries.length} entries, ${differences.length} differences${differences.length ? "; if meant, run it with --update" : ""}`,
);
if (differences.length > 0) process.exitCode = 1;

function exportedNames({ types }) {
  const source = program.getSourceFile(path.join(ROOT, types));
  const module = source && checker.getSymbolAtLocation(source);
  const symbols = module ? checker.getExportsOfModule(module) : [];
  const isValue = (symbol) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const isTypeOnly = symbol.declarations?.some((node) => ts.isTypeOnlyImportOrExportDeclaration(node)) ?? false;
    return !isTypeOnly && (target.flags & ts.SymbolFlags.Value) !== 0;
  };
  const names = (wanted) => symbols.filter((symbol) => isValue(symbol) === wanted).map(({ name }) => name);
  return { values: names(true).sort(), types: names(false).sort() };
}

function compare(specifier, old, current) {
  return ["values", "types"].flatMap((kind) => {
    const [from, to] = [old?.[kind] ?? [], current?.[kind] ?? []];
    return [
      ...to.filter((name) => !from.includes(name)).map((name) => `${specifier} also exports ${name} (${kind})`),
      ...from.filter((name) => !to.includes(name)).map((name) => `${specifier} no longer exports ${name} (${kind})`),
    ];
  });
}
