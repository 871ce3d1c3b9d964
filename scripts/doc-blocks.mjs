// Finds the TypeScript that documentation shows: fenced blocks of Markdown and of docstrings, also the scripts of components.

/** @typedef {{ line: number; jsx: boolean; flags: string[]; code: string }} Block `line` is that of the first line of code, from 1 */

const FENCE = /^(\s*)(`{3,}|~{3,})\s*(.*)$/;
const LANGUAGES = { ts: false, typescript: false, tsx: true, vue: false, svelte: false };
/** Languages of components, whose TypeScript is in their script elements. */
const COMPONENTS = ["vue", "svelte"];

/** @returns {Block[]} */
export function markdownBlocks(text) {
  const blocks = [];
  let open;
  text.split("\n").forEach((line, index) => {
    const fence = FENCE.exec(line);
    if (!open && fence) {
      const [language = "", ...flags] = fence[3].trim().split(/\s+/);
      open = { indent: fence[1].length, fence: fence[2], language, flags, line: index + 2, code: [] };
    } else if (open && fence && fence[2].startsWith(open.fence) && fence[3] === "") {
      const code = COMPONENTS.includes(open.language) ? scriptLines(open.code) : open.code;
      if (open.language in LANGUAGES)
        blocks.push({ line: open.line, jsx: LANGUAGES[open.language], flags: open.flags, code: code.join("\n") });
      open = undefined;
    } else if (open) open.code.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)));
  });
  return blocks;
}

/** The lines of a component, of which only those of its scripts are left. */
function scriptLines(lines) {
  let isScript = false;
  return lines.map((line) => {
    if (/^<\/?script\b/.test(line)) isScript = !line.startsWith("</");
    return isScript && !line.startsWith("<") ? line : "";
  });
}

/** Fenced blocks inside docstrings, and the text of an `@example` that has no fence. @returns {Block[]} */
export function docstringBlocks(text) {
  const blocks = [];
  for (const match of text.matchAll(/^[ \t]*\/\*\*[\s\S]*?\*\//gm)) {
    const before = text.slice(0, match.index).split("\n").length - 1;
    const lines = match[0].split("\n").map((line) => line.replace(/^\s*\/?\*+\/? ?|\s*\*\/$/g, ""));
    const fenced = markdownBlocks(lines.join("\n"));
    for (const block of fenced) blocks.push({ ...block, line: block.line + before });
    const start = lines.findIndex((line) => line.startsWith("@example"));
    if (start < 0 || fenced.length > 0) continue;
    const length = lines.slice(start + 1).findIndex((line) => line.startsWith("@"));
    const body = lines.slice(start + 1, length < 0 ? undefined : start + 1 + length);
    blocks.push({ line: before + start + 2, jsx: false, flags: [], code: body.join("\n") });
  }
  return blocks;
}
