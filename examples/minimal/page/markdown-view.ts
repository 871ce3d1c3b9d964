// Markdown on the page. Built from DOM nodes only. While a text grows, blocks that did not change keep their elements, so that
// a selection stays and a long answer costs no more than its last block.
import { h, setChildren, setText } from "./dom.ts";
import { parseInline, parseMarkdown, type Block, type Inline } from "./markdown.ts";

interface BlockView {
  element: HTMLElement;
  source: string;
  block: Block;
}

/** An element that shows Markdown, and how to give it another text. */
export function createMarkdownView(): { element: HTMLElement; update(text: string): void } {
  const element = h("div", { class: "prose", dir: "auto" });
  let views: BlockView[] = [];
  const update = (text: string): void => {
    views = parseMarkdown(text).map(({ block, source }, index) => {
      const old = views[index];
      if (old?.source === source && old.block.kind === block.kind) return old;
      if (old?.block.kind === "code" && block.kind === "code") return { element: growCode(old.element, block), source, block };
      return { element: renderBlock(block), source, block };
    });
    setChildren(
      element,
      views.map((view) => view.element),
    );
  };
  return { element, update };
}

function renderBlock(block: Block): HTMLElement {
  switch (block.kind) {
    case "paragraph":
      return h("p", {}, ...renderInline(block.text));
    case "heading":
      // The page has its own first two levels.
      return h(`h${Math.min(block.level + 2, 6)}` as "h3", {}, ...renderInline(block.text));
    case "code":
      return growCode(createCode(), block);
    case "list": {
      const items = block.items.map((blocks) => h("li", {}, ...renderItem(blocks)));
      return block.start === null ? h("ul", {}, ...items) : h("ol", { start: String(block.start) }, ...items);
    }
    case "quote":
      return h("blockquote", {}, ...block.blocks.map(renderBlock));
    case "table":
      return renderTable(block);
    case "rule":
      return h("hr");
  }
}

/** An item that is one paragraph is not set apart like one. */
function renderItem(blocks: readonly Block[]): Node[] {
  const [first, ...rest] = blocks;
  if (first?.kind !== "paragraph") return blocks.map(renderBlock);
  return [...renderInline(first.text), ...rest.map(renderBlock)];
}

function renderTable({ head, rows }: Extract<Block, { kind: "table" }>): HTMLElement {
  const row = (tag: "th" | "td", cells: readonly string[]) => h("tr", {}, ...cells.map((cell) => h(tag, {}, ...renderInline(cell))));
  const table = h("table", {}, h("thead", {}, row("th", head)), h("tbody", {}, ...rows.map((cells) => row("td", cells))));
  return h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" }, table);
}

function createCode(): HTMLElement {
  const code = h("code", { dir: "ltr" });
  const copy = h("button", { type: "button", class: "quiet", click: () => void copyText(code.textContent ?? "", copy) }, "Copy");
  const bar = h("figcaption", {}, h("span"), copy);
  return h("figure", { class: "code" }, bar, h("pre", { tabindex: "0", "aria-label": "Code" }, code));
}

function growCode(figure: HTMLElement, { language, text }: Extract<Block, { kind: "code" }>): HTMLElement {
  setText(figure.querySelector("figcaption span")!, language || "text");
  setText(figure.querySelector("code")!, text);
  return figure;
}

async function copyText(text: string, button: HTMLElement): Promise<void> {
  const isCopied = await navigator.clipboard.writeText(text).then(
    () => true,
    // No permission, or no secure origin: the person can still select the text.
    () => false,
  );
  button.textContent = isCopied ? "Copied" : "Select it to copy";
  setTimeout(() => (button.textContent = "Copy"), 2_000);
}

function renderInline(text: string): Node[] {
  return parseInline(text).map(renderPiece);
}

function renderPiece(piece: Inline): Node {
  switch (piece.kind) {
    case "text":
      return document.createTextNode(piece.text);
    case "code":
      return h("code", {}, piece.text);
    case "strong":
      return h("strong", {}, ...piece.content.map(renderPiece));
    case "emphasis":
      return h("em", {}, ...piece.content.map(renderPiece));
    case "link":
      return h("a", { href: piece.href, target: "_blank", rel: "noopener noreferrer" }, ...piece.content.map(renderPiece));
  }
}
