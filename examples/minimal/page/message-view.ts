// One message: who wrote it, its parts, and what became of it.
import type { ChatMessage } from "chatcell/client";
import { h, icon, setChildren, setText } from "./dom.ts";
import { createPartView, kindOf, type PartActions, type PartView } from "./part-views.ts";

export interface MessageView {
  element: HTMLElement;
  /** Does nothing when the message is the same object as before, at the same place. `isLast`: nothing follows it, and nothing runs. */
  update(message: ChatMessage, isLast: boolean): void;
}

/** What a person can do with a message. */
export interface MessageActions {
  /** Sends a message that failed once more. */
  retry: (messageId: string) => void;
  /** Asks for another answer. */
  regenerate: (messageId: string) => void;
  /** Goes on in an answer that was cut off. */
  goOn: (messageId: string) => void;
  approve: PartActions["approve"];
  /** Loads a part, and all of it, by its index. */
  loadPart: (messageId: string, index: number) => ReturnType<PartActions["load"]>;
}

export function createMessageView(role: ChatMessage["role"], actions: MessageActions): MessageView {
  const time = h("time");
  const head = h("header", { class: "message-head" }, h("span", {}, role === "user" ? "You" : "Assistant"), time);
  const body = h("div", { class: "message-body" });
  const foot = h("div", { class: "message-foot" });
  const element = h("article", { class: `message is-${role}` }, head, body, foot);
  let shown: ChatMessage | null = null;
  let wasLast = false;
  let parts: PartView[] = [];

  const update = (message: ChatMessage, isLast: boolean): void => {
    if (message === shown && isLast === wasLast) return;
    parts = updateParts(parts, shown, message, actions);
    setChildren(
      body,
      parts.map((part) => part.element),
    );
    const outcome = outcomeOf(message);
    // An outcome may change while the reader looks at the message, so nothing is drawn anew that is the same.
    if (!shown || isLast !== wasLast || outcome.text !== outcomeOf(shown).text) {
      setChildren(foot, [...renderOutcome(message, outcome, actions), ...(isLast ? renderNext(message, actions) : [])]);
    }
    showTime(time, message.createdAt);
    element.classList.toggle("is-live", isLive(message));
    for (const tone of ["failed", "muted"] as const) element.classList.toggle(`is-${tone}`, outcome.tone === tone);
    shown = message;
    wasLast = isLast;
  };
  return { element, update };
}

/** True for a reply that is being written. */
export function isLive(message: ChatMessage): boolean {
  return message.role === "assistant" && message.createdAt === undefined;
}

function updateParts(views: PartView[], before: ChatMessage | null, message: ChatMessage, actions: MessageActions): PartView[] {
  return message.parts.map((part, index) => {
    const kind = kindOf(part, message.role);
    const old = views[index];
    if (old && old.kind === kind && before?.parts[index] === part) return old;
    const load = () => actions.loadPart(message.id, index);
    const view = old?.kind === kind ? old : createPartView(kind, { approve: actions.approve, load });
    view.update(part);
    return view;
  });
}

interface MessageOutcome {
  text: string;
  tone: "" | "muted" | "failed";
}

/** What is to be said about a message beside its content. */
function outcomeOf({ delivery, error, facts, lastTurn, parts }: ChatMessage): MessageOutcome {
  if (lastTurn?.error && !delivery) return { text: lastTurn.error.message, tone: "failed" };
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

/** What a person may want next: the rest of an answer, or another one. */
function renderNext(message: ChatMessage, { regenerate, goOn }: MessageActions): Node[] {
  const { facts, role, id } = message;
  if (!facts || (role === "user" && facts.outcome === "completed")) return [];
  const again = h("button", { type: "button", class: "quiet", click: () => regenerate(id) }, icon("retry"), "Try again");
  if (role === "user" || facts.outcome === "completed") return [again];
  return [h("button", { type: "button", class: "quiet", click: () => goOn(id) }, icon("down"), "Continue"), again];
}

function renderOutcome(message: ChatMessage, { text, tone }: MessageOutcome, { retry }: MessageActions): Node[] {
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
