// What workerd refuses of SQL and node:sqlite takes, and how it counts parameters. Measured 2026-11.

/** A statement has fewer bytes. */
export const MAX_STATEMENT_BYTES = 100_000;
const ALLOWED_PRAGMAS = new Set([
  "table_info",
  "table_xinfo",
  "table_list",
  "index_list",
  "index_info",
  "foreign_keys",
  "quick_check",
  "optimize",
]);
const REFUSED = /^(begin|commit|end|rollback|savepoint|release|vacuum|attach|detach)\b|^create\s+temp(orary)?\b/i;
/** White space, comments and semicolons before a statement. */
export const BLANK = /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$))*/;
/** Quoted text and comments (skipped), or a parameter (`?`, `?2`). */
const PARAMETER = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\/|\?(?<number>\d*)/g;

/** @throws what workerd throws for a statement that it does not allow */
export function refuse(statement: string): void {
  const pragma = /^pragma\s+(?:\w+\.)?(\w+)/i.exec(statement)?.[1];
  const isRefused = REFUSED.test(statement) || (pragma !== undefined && !ALLOWED_PRAGMAS.has(pragma.toLowerCase()));
  if (isRefused) throw new Error("not authorized: SQLITE_AUTH");
}

/** How many values a statement takes. */
export function parameterCount(statement: string): number {
  let count = 0;
  for (const match of statement.matchAll(PARAMETER)) {
    const number = match.groups?.number;
    if (number !== undefined) count = number === "" ? count + 1 : Math.max(count, Number(number));
  }
  return count;
}
