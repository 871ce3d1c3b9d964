// One part of a message. Text is a text node, never HTML: nothing that a model or a person wrote is ever parsed as markup.
import type { ChatMessage } from "chatcell/client";

type MessagePart = ChatMessage["parts"][number];
type Approve = (approvalId: string, approved: boolean) => void;

export function Part({ part, approve }: { part: MessagePart; approve: Approve }) {
  switch (part.type) {
    case "text":
      return (
        <p className="text" dir="auto">
          {part.text}
        </p>
      );
    case "reasoning":
      return (
        <details className="reasoning" open={part.state === "streaming"}>
          <summary>Reasoning</summary>
          <p className="text">{part.text}</p>
        </details>
      );
    case "data-notice":
      return <p className="notice">{(part.data as { text?: string }).text || "The answer was interrupted."}</p>;
    default:
      return part.type === "dynamic-tool" || part.type.startsWith("tool-") ? <Tool part={part as ToolPart} approve={approve} /> : null;
  }
}

type ToolPart = Extract<MessagePart, { toolCallId: string }>;

const TOOL_STATES: Partial<Record<ToolPart["state"], string>> = {
  "approval-requested": "asks you",
  "output-available": "done",
  "output-error": "failed",
  "output-denied": "denied",
};

function Tool({ part, approve }: { part: ToolPart; approve: Approve }) {
  const { state, input } = part;
  const name = part.type === "dynamic-tool" ? part.toolName : part.type.slice("tool-".length);
  const result = state === "output-available" ? part.output : state === "output-error" ? part.errorText : undefined;
  return (
    <section className="tool" aria-label={`Tool ${name}`}>
      <details open={state === "approval-requested"}>
        <summary>
          <code>{name}</code> {TOOL_STATES[state] ?? "runs"}
        </summary>
        {/* A region that scrolls can be reached with the keyboard. */}
        <pre tabIndex={0}>
          {[input, result]
            .filter((value) => value !== undefined)
            .map(show)
            .join("\n\n")}
        </pre>
      </details>
      {state === "approval-requested" && (
        <p className="question">
          May this be done?
          <button type="button" className="primary" onClick={() => approve(part.approval.id, true)}>
            Allow
          </button>
          <button type="button" onClick={() => approve(part.approval.id, false)}>
            Deny
          </button>
        </p>
      )}
    </section>
  );
}

function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
