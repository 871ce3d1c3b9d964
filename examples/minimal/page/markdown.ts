// A small part of Markdown, as data: what models commonly write. Pure, never throws, and its time grows with the length of the
// text, whatever is in it. What it does not know stays text.

export type Inline =
  | { kind: "text" | "code"; text: string }
  | { kind: "strong" | "emphasis"; content: Inline[] }
  | { kind: "link"; href: string; content: Inline[] };

export type Block =
  | { kind: "paragraph"; text: string }
  | { kind: "heading"; level: number; text: string }
  | { kind: "code"; language: string; text: string }
  /** `start` is the first number of an ordered list, null for bullets. */
  | { kind: "list"; start: number | null; items: Block[][] }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "table"; head: string[]; rows: string[][] }
  | { kind: "rule" };

interface Found {
  block: Block;
  /** Index of the first line after it. */
  next: number;
}

/** Lists and quotes nest so deep; what is deeper is text. */
const MAX_DEPTH = 6;
/** A closing mark further away than this does not close. */
const MAX_SPAN = 2_000;

const FENCE = /^ {0,3}(`{3,}|~{3,}) *([\w+#.-]{0,20})/;
const HEADING = /^ {0,3}(#{1,6}) (.*)$/;
const ITEM = /^( {0,3}(?:[-*+]|(\d{1,9})[.)]) )(.*)$/;
const QUOTE = /^ {0,3}> ?/;
const RULE = /^ {0,3}(?:-[- ]*-[- ]*-|\*[* ]*\*[* ]*\*|_[_ ]*_[_ ]*_)[-*_ ]{0,40}$/;
const TABLE_LINE = /^[ |:-]{3,400}$/;

/** The blocks of `text`, each with the lines that it was read from, so that a view can tell which ones changed. */
export function parseMarkdown(text: string): { block: Block; source: string }[] {
  const lines = text.split("\n");
  const blocks: { block: Block; source: string }[] = [];
  for (let at = 0; at < lines.length;) {
    const found = readBlock(lines, at, 0);
    if (found) blocks.push({ block: found.block, source: lines.slice(at, found.next).join("\n") });
    at = found?.next ?? at + 1;
  }
  return blocks;
}

function parseLines(lines: readonly string[], depth: number): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length;) {
    const found = readBlock(lines, at, depth);
    if (found) blocks.push(found.block);
    at = found?.next ?? at + 1;
  }
  return blocks;
}

/** The block that begins at line `at`; null for an empty line. */
function readBlock(lines: readonly string[], at: number, depth: number): Found | null {
  const line = lines[at]!;
  if (!line.trim()) return null;
  const heading = HEADING.exec(line);
  if (heading) return { block: { kind: "heading", level: heading[1]!.length, text: heading[2]!.trim() }, next: at + 1 };
  if (isRule(line)) return { block: { kind: "rule" }, next: at + 1 };
  const nested = depth < MAX_DEPTH ? (readList(lines, at, depth) ?? readQuote(lines, at, depth)) : null;
  return readCode(lines, at) ?? nested ?? readTable(lines, at) ?? readParagraph(lines, at);
}

function readCode(lines: readonly string[], at: number): Found | null {
  const fence = FENCE.exec(lines[at]!);
  if (!fence) return null;
  let end = at + 1;
  // A fence without its end is one that still streams.
  while (end < lines.length && !lines[end]!.trimStart().startsWith(fence[1]!)) end += 1;
  return { block: { kind: "code", language: fence[2]!, text: lines.slice(at + 1, end).join("\n") }, next: end + 1 };
}

function readList(lines: readonly string[], at: number, depth: number): Found | null {
  const first = ITEM.exec(lines[at]!);
  if (!first) return null;
  const isOrdered = first[2] !== undefined;
  const items: Block[][] = [];
  let next = at;
  for (let item: RegExpExecArray | null = first; item && (item[2] !== undefined) === isOrdered;) {
    const indent = item[1]!.length;
    const body = [item[3]!];
    for (next += 1; next < lines.length && belongs(lines, next); next += 1) body.push(dedent(lines[next]!, indent));
    items.push(parseLines(body, depth + 1));
    // Blank lines between two items do not end the list.
    let peek = next;
    while (peek < lines.length && !lines[peek]!.trim()) peek += 1;
    item = peek < lines.length && !isRule(lines[peek]!) ? ITEM.exec(lines[peek]!) : null;
    if (item) next = peek;
  }
  return { block: { kind: "list", start: isOrdered ? Number(first[2]) : null, items }, next };
}

/** True when a line goes on with the list item above it: it is indented, or plain text without a blank line in between. */
function belongs(lines: readonly string[], at: number): boolean {
  const line = lines[at]!;
  if (!line.trim()) return /^ {2,}\S/.test(lines[at + 1] ?? "");
  return /^ {2,}/.test(line) || (Boolean(lines[at - 1]!.trim()) && !startsBlock(line));
}

function dedent(line: string, indent: number): string {
  const spaces = line.length - line.trimStart().length;
  return line.slice(Math.min(spaces, indent));
}

function readQuote(lines: readonly string[], at: number, depth: number): Found | null {
  let next = at;
  while (next < lines.length && QUOTE.test(lines[next]!)) next += 1;
  if (next === at) return null;
  const inner = lines.slice(at, next).map((line) => line.replace(QUOTE, ""));
  return { block: { kind: "quote", blocks: parseLines(inner, depth + 1) }, next };
}

function readTable(lines: readonly string[], at: number): Found | null {
  const line = lines[at + 1] ?? "";
  if (!lines[at]!.includes("|") || !line.includes("|") || !line.includes("-") || !TABLE_LINE.test(line)) return null;
  let next = at + 2;
  while (next < lines.length && lines[next]!.includes("|")) next += 1;
  return { block: { kind: "table", head: cells(lines[at]!), rows: lines.slice(at + 2, next).map(cells) }, next };
}

function cells(line: string): string[] {
  const inner = line.trim();
  return inner
    .slice(inner.startsWith("|") ? 1 : 0, inner.length > 1 && inner.endsWith("|") ? -1 : undefined)
    .split("|")
    .map((cell) => cell.trim());
}

function readParagraph(lines: readonly string[], at: number): Found {
  let next = at + 1;
  while (next < lines.length && lines[next]!.trim() && !startsBlock(lines[next]!)) next += 1;
  const text = lines.slice(at, next).map((line) => line.trim());
  return { block: { kind: "paragraph", text: text.join("\n") }, next };
}

function startsBlock(line: string): boolean {
  return FENCE.test(line) || HEADING.test(line) || ITEM.test(line) || QUOTE.test(line) || isRule(line);
}

function isRule(line: string): boolean {
  return line.length < 80 && RULE.test(line);
}

/** The pieces of one run of text: code, bold, emphasis and links to web pages. */
export function parseInline(text: string, depth = 0): Inline[] {
  const pieces: Inline[] = [];
  let plain = "";
  for (let at = 0; at < text.length;) {
    const found = depth < MAX_DEPTH ? readMark(text, at, depth) : null;
    if (found) {
      if (plain) pieces.push({ kind: "text", text: plain });
      plain = "";
      pieces.push(found.piece);
      at = found.next;
    } else {
      const isEscape = text[at] === "\\" && /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "");
      plain += text[isEscape ? at + 1 : at];
      at += isEscape ? 2 : 1;
    }
  }
  if (plain) pieces.push({ kind: "text", text: plain });
  return pieces;
}

function readMark(text: string, at: number, depth: number): { piece: Inline; next: number } | null {
  switch (text[at]) {
    case "`":
      return readCodeSpan(text, at);
    case "*":
      return text[at + 1] === "*" ? readEmphasis(text, at, "**", depth) : readEmphasis(text, at, "*", depth);
    case "[":
      return readLink(text, at, depth);
    default:
      return null;
  }
}

/** Where `mark` stands next, within reach; -1 when nowhere. */
function find(text: string, mark: string, from: number): number {
  const at = text.slice(from, from + MAX_SPAN).indexOf(mark);
  return at < 0 ? -1 : from + at;
}

function readCodeSpan(text: string, at: number): { piece: Inline; next: number } | null {
  const mark = text.startsWith("``", at) ? "``" : "`";
  const end = find(text, mark, at + mark.length);
  if (end <= at + mark.length) return null;
  const inner = text.slice(at + mark.length, end);
  return { piece: { kind: "code", text: mark === "``" ? inner.trim() : inner }, next: end + mark.length };
}

function readEmphasis(text: string, at: number, mark: "*" | "**", depth: number): { piece: Inline; next: number } | null {
  const from = at + mark.length;
  let end = find(text, mark, from + 1);
  // The single mark is not closed by one half of a double one.
  while (mark === "*" && end > 0 && text[end + 1] === "*" && end < at + MAX_SPAN) end = find(text, mark, end + 2);
  if (end < 0 || /\s/.test(text[from]!) || /\s/.test(text[end - 1]!)) return null;
  const content = parseInline(text.slice(from, end), depth + 1);
  return { piece: { kind: mark === "*" ? "emphasis" : "strong", content }, next: end + mark.length };
}

function readLink(text: string, at: number, depth: number): { piece: Inline; next: number } | null {
  const middle = find(text, "](", at);
  const end = middle < 0 ? -1 : find(text, ")", middle);
  const href = end < 0 ? null : webAddress(text.slice(middle + 2, end));
  const label = text.slice(at + 1, middle);
  if (!href || !label || label.includes("[")) return null;
  return { piece: { kind: "link", href, content: parseInline(label, depth + 1) }, next: end + 1 };
}

/** The address when it is one of the web: `javascript:`, `data:` and their like stay text. */
function webAddress(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url && (url.protocol === "https:" || url.protocol === "http:") ? url.href : null;
}
