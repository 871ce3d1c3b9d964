// Making elements. Text becomes text nodes, never HTML: nothing that a model or a person wrote is ever parsed as markup.

type Handler = (event: Event) => void;

/** An element with attributes, event listeners (the values that are functions) and children. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string | boolean | Handler> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** The element of index.html with this id. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element with the id "${id}".`);
  return element;
}

/** Sets the text of an element when it is another one: an equal text would still drop a selection. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes `children` the children of `parent`, moving only those that are not in their place. */
export function setChildren(parent: Element, children: readonly Node[]): void {
  let at = parent.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else parent.insertBefore(child, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const ICONS = {
  send: "M8 13.2V3M3.4 7.6 8 3l4.6 4.6",
  stop: "M4.5 4.5h7v7h-7z",
  down: "M8 3v10M3.4 8.6 8 13.2l4.6-4.6",
  new: "M8 3v10M3 8h10",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2.6v2.6h-2.6",
  cancel: "m4 4 8 8m0-8-8 8",
} as const;

/** A line icon of 16 units in the colour of the text. Hidden from assistive technology: the button has the words. */
export function icon(name: keyof typeof ICONS): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
