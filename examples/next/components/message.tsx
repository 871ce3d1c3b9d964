import { isToolUIPart } from "ai";
import type { ChatMessage } from "chatcell/client";
import { ToolCall } from "@/components/tool-call";

interface MessageProps {
  message: ChatMessage;
  onAnswer: (approval: string, approved: boolean) => void;
}

const OUTCOMES = { stopped: "Stopped", failed: "Failed", interrupted: "Interrupted" };

/** One message. Text stands as it is written: put the Markdown renderer of your app here. */
export function Message({ message: { role, parts, facts }, onAnswer }: MessageProps) {
  return (
    <article className={`message is-${role}`}>
      <h2 className="visually-hidden">{role === "user" ? "You" : "Assistant"}</h2>
      {parts.map((part, index) => {
        if (part.type === "text") return <p key={index}>{part.text}</p>;
        if (isToolUIPart(part)) return <ToolCall key={part.toolCallId} part={part} onAnswer={onAnswer} />;
        if (part.type !== "reasoning") return null;
        return (
          <details key={index}>
            <summary>Thoughts</summary>
            <p>{part.text}</p>
          </details>
        );
      })}
      {facts && facts.outcome !== "completed" ? (
        <p className={`outcome is-${facts.outcome}`}>{facts.error?.message ?? OUTCOMES[facts.outcome]}</p>
      ) : null}
    </article>
  );
}
