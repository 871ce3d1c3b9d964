// The messages that wait behind the running answer. Each can be taken back.
import type { ChatQueueItem } from "chatcell/client";
import { h, icon, setChildren } from "./dom.ts";

export function createQueueView(element: HTMLElement, cancel: (turnId: string) => void): { update(queue: readonly ChatQueueItem[]): void } {
  const title = h("h2", {}, "Waiting for their turn");
  const list = h("ol");
  element.append(title, list);
  const rows = new WeakMap<ChatQueueItem, HTMLElement>();
  const update = (queue: readonly ChatQueueItem[]): void => {
    element.hidden = queue.length === 0;
    const shown = queue.map((item) => {
      const row = rows.get(item) ?? renderItem(item, cancel);
      rows.set(item, row);
      return row;
    });
    setChildren(list, shown);
  };
  return { update };
}

function renderItem({ turnId, parts, delivery }: ChatQueueItem, cancel: (turnId: string) => void): HTMLElement {
  const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("\n");
  const button = h("button", { type: "button", class: "quiet", "aria-label": `Take back: ${text.slice(0, 80)}` }, icon("cancel"));
  button.addEventListener("click", () => cancel(turnId));
  return h(
    "li",
    {},
    h("span", { class: "queue-text", dir: "auto" }, text),
    delivery === "sending" ? h("small", {}, "Sending…") : "",
    button,
  );
}
