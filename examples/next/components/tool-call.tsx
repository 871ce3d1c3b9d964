import { type DynamicToolUIPart, getToolName, type ToolUIPart } from "ai";

interface ToolCallProps {
  part: ToolUIPart | DynamicToolUIPart;
  onAnswer: (approval: string, approved: boolean) => void;
}

const STATES: Record<ToolUIPart["state"], string> = {
  "input-streaming": "Preparing…",
  "input-available": "Running…",
  "approval-requested": "May this run?",
  "approval-responded": "Answered",
  "output-available": "Done",
  "output-error": "Failed",
  "output-denied": "Not allowed",
};

/** A tool call; one that needs a person's word is a question. The first answer of all tabs counts. */
export function ToolCall({ part, onAnswer }: ToolCallProps) {
  const { state, input, approval } = part;
  return (
    <section className="tool">
      <p>
        <strong>{getToolName(part)}</strong> <code>{JSON.stringify(input)}</code>
      </p>
      <p className="tool-state">
        <span>{STATES[state]}</span>
        {state === "approval-requested" && approval ? (
          <>
            <button type="button" className="button" onClick={() => onAnswer(approval.id, true)}>
              Allow
            </button>
            <button type="button" className="quiet" onClick={() => onAnswer(approval.id, false)}>
              Deny
            </button>
          </>
        ) : null}
      </p>
    </section>
  );
}
