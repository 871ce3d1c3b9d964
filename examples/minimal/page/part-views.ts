// One view per kind of message part. A part that did not change is the same object as before, so its view is left alone.
import type { ChatMessage } from "chatcell/client";
import { h, setText } from "./dom.ts";
import { createMarkdownView } from "./markdown-view.ts";
import { createPayloadView } from "./payload-view.ts";

type Part = ChatMessage["parts"][number];

export interface PartView {
  kind: string;
  element: HTMLElement;
  update(part: Part): void;
}

/** What a part can ask for. */
export interface PartActions {
  /** Allows or forbids what a tool wants to do. */
  approve: (approvalId: string, approved: boolean) => void;
  /** Resolves with the part, and all of it: what is large comes as a stub. */
  load: () => Promise<Part>;
}

/** How a part is shown; empty for one that is not. */
export function kindOf(part: Part, role: string): string {
  if (part.type === "text") return role === "user" ? "plain" : "text";
  if (part.type === "reasoning" || part.type === "data-notice" || part.type === "file") return part.type;
  return tryTool(part) ? "tool" : "";
}

export function createPartView(kind: string, actions: PartActions): PartView {
  switch (kind) {
    case "":
      return { kind, element: h("span", { hidden: true }), update: () => {} };
    case "plain":
      return createPlainView(kind);
    case "reasoning":
      return createReasoningView(kind);
    case "tool":
      return createToolView(kind, actions);
    case "data-notice":
      return createNoticeView(kind);
    case "file":
      return createFileView(kind);
    default:
      return createTextView(kind);
  }
}

function createTextView(kind: string): PartView {
  const view = createMarkdownView();
  return { kind, element: view.element, update: (part) => view.update(textOf(part)) };
}

/** What a person wrote stands as it was written. */
function createPlainView(kind: string): PartView {
  const element = h("p", { class: "plain", dir: "auto" });
  const update = (part: Part): void => {
    setText(element, textOf(part));
    element.classList.toggle("is-long", textOf(part).length > 400);
  };
  return { kind, element, update };
}

/** Open while the model thinks, folded when it has thought, unless the reader has decided. */
function createReasoningView(kind: string): PartView {
  const summary = h("summary", {}, "Reasoning");
  const body = createMarkdownView();
  let isDecided = false;
  summary.addEventListener("click", () => (isDecided = true));
  const element = h("details", { class: "reasoning" }, summary, body.element);
  const update = (part: Part): void => {
    if (part.type !== "reasoning") return;
    const isOpen = part.state === "streaming";
    setText(summary, isOpen ? "Reasoning…" : "Reasoning");
    if (!isDecided) element.open = isOpen;
    body.update(part.text);
  };
  return { kind, element, update };
}

const TOOL_STATES: Record<string, string> = {
  "input-streaming": "Preparing",
  "input-available": "Running",
  "approval-requested": "Waits for you",
  "approval-responded": "Answered",
  "output-available": "Done",
  "output-error": "Failed",
  "output-denied": "Denied",
};

function createToolView(kind: string, { approve, load }: PartActions): PartView {
  const [name, state] = [h("span", { class: "tool-name" }), h("span", { class: "tool-state" })];
  const input = createPayloadView("Input", async () => tryTool(await load())?.input);
  const output = createPayloadView("Output", async () => tryTool(await load())?.output);
  let approvalId = "";
  const answer = (text: string, approved: boolean) => h("button", { type: "button", click: () => approve(approvalId, approved) }, text);
  const question = h(
    "div",
    { class: "question", hidden: true },
    h("p", {}, "May this be done?"),
    answer("Allow", true),
    answer("Deny", false),
  );
  const details = h("details", {}, h("summary", {}, name, state), input.element, output.element);
  const element = h("div", { class: "tool" }, details, question);
  const update = (part: Part): void => {
    const tool = tryTool(part);
    if (!tool) return;
    const isAsked = tool.state === "approval-requested" && typeof tool.approval?.id === "string";
    approvalId = isAsked ? String(tool.approval?.id) : "";
    if (isAsked && question.hidden) details.open = true;
    question.hidden = !isAsked;
    setText(name, tool.type === "dynamic-tool" ? String(tool.toolName) : tool.type.slice("tool-".length));
    setText(state, TOOL_STATES[String(tool.state)] ?? String(tool.state));
    element.classList.toggle("is-failed", tool.state === "output-error");
    input.update(tool.input);
    output.update(tool.errorText ?? tool.output);
  };
  return { kind, element, update };
}

/** What the server has to say about an answer, for example that it was interrupted. */
function createNoticeView(kind: string): PartView {
  const element = h("p", { class: "notice" });
  const update = (part: Part): void => {
    const data = "data" in part ? (part.data as { text?: unknown } | null) : null;
    setText(element, typeof data?.text === "string" ? data.text : "The answer was interrupted.");
  };
  return { kind, element, update };
}

function createFileView(kind: string): PartView {
  const element = h("p", { class: "file" });
  return { kind, element, update: (part) => setText(element, part.type === "file" ? (part.filename ?? part.mediaType) : "") };
}

/** A tool part of any name, with what it may hold. */
interface ToolPart {
  type: string;
  toolName?: unknown;
  state?: unknown;
  input?: unknown;
  output?: unknown;
  errorText?: unknown;
  approval?: { id?: unknown } | undefined;
}

function tryTool(part: Part): ToolPart | null {
  return part.type === "dynamic-tool" || part.type.startsWith("tool-") ? part : null;
}

function textOf(part: Part): string {
  return part.type === "text" ? part.text : "";
}
