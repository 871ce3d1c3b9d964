// One message: who wrote it, its parts, and what became of it.
import type { ChatMessage } from "chatcell/client";
import { h, icon, setChildren, setText } from "./dom.ts";
import { createPartView, kindOf, type PartView } from "./part-views.ts";

export interface MessageView {
  element: HTMLElement;
  /** Does nothing when the message is the same object as before. */
  update(message: ChatMessage): void;
}

/** `retry` sends a message that failed once more. */
export function createMessageView(role: ChatMessage["role"], retry: (messageId: string) => void): MessageView {
  const time = h("time");
  const head = h("header", { class: "message-head" }, h("span", {}, role === "user" ? "You" : "Assistant"), time);
  const body = h("div", { class: "message-body" });
  const foot = h("div", { class: "message-foot" });
  const element = h("article", { class: `message is-${role}` }, head, body, foot);
  let shown: ChatMessage | null = null;
  let parts: PartView[] = [];

  const update = (message: ChatMessage): void => {
    if (message === shown) return;
    parts = updateParts(parts, shown, message);
    setChildren(
      body,
      parts.map((part) => part.element),
    );
    const outcome = outcomeOf(message);
    // An outcome may change while the reader looks at the message, so nothing is drawn anew that is the same.
    if (!shown || outcome.text !== outcomeOf(shown).text) setChildren(foot, renderOutcome(message, outcome, retry));
    showTime(time, message.createdAt);
    element.classList.toggle("is-live", isLive(message));
    for (const tone of ["failed", "muted"] as const) element.classList.toggle(`is-${tone}`, outcome.tone === tone);
    shown = message;
  };
  return { element, update };
}

/** True for a reply that is being written. */
export function isLive(message: ChatMessage): boolean {
  return message.role === "assistant" && message.createdAt === undefined;
}

function updateParts(views: PartView[], before: ChatMessage | null, message: ChatMessage): PartView[] {
  return message.parts.map((part, index) => {
    const kind = kindOf(part, message.role);
    const old = views[index];
    if (old && old.kind === kind && before?.parts[index] === part) return old;
    const view = old?.kind === kind ? old : createPartView(kind);
    view.update(part);
    return view;
  });
}

interface MessageOutcome {
  text: string;
  tone: "" | "muted" | "failed";
}

/** What is to be said about a message beside its content. */
function outcomeOf({ delivery, error, facts, parts }: ChatMessage): MessageOutcome {
  if (delivery === "failed") return { text: `Not sent. ${error?.message ?? ""}`, tone: "failed" };
  if (delivery === "sending") return { text: "Sending…", tone: "" };
  switch (facts?.outcome) {
    case "failed":
      return { text: facts.error?.message ?? "The answer failed.", tone: "failed" };
    case "stopped":
      return { text: "Stopped", tone: "muted" };
    case "interrupted":
      // The notice among the parts says it already.
      return parts.some(({ type }) => type === "data-notice") ? { text: "", tone: "muted" } : { text: "Interrupted", tone: "muted" };
    default:
      return { text: "", tone: "" };
  }
}

function renderOutcome(message: ChatMessage, { text, tone }: MessageOutcome, retry: (messageId: string) => void): Node[] {
  if (!text) return [];
  const line = h("p", { class: `outcome is-${tone || "plain"}` }, text);
  if (message.delivery !== "failed") return [line];
  return [line, h("button", { type: "button", class: "quiet", click: () => retry(message.id) }, icon("retry"), "Send again")];
}

function showTime(element: HTMLTimeElement, createdAt: number | undefined): void {
  if (createdAt === undefined) return;
  const date = new Date(createdAt);
  element.dateTime = date.toISOString();
  element.title = date.toLocaleString();
  setText(element, date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
}
