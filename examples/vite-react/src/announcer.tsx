// What a screen reader hears: that an answer is coming, then the whole answer once.
import type { ChatMessage, ChatStatus } from "chatcell/client";
import { useState } from "react";

export function Announcer({ messages, status }: { messages: readonly ChatMessage[]; status: ChatStatus }) {
  // What was there before this page came is not news.
  const [hasBegun, setHasBegun] = useState(false);
  if (!hasBegun && (status === "streaming" || status === "submitted")) setHasBegun(true);
  return (
    <p className="visually-hidden" role="status">
      {hasBegun && news(messages.at(-1), status)}
    </p>
  );
}

function news(last: ChatMessage | undefined, status: ChatStatus): string {
  if (status === "submitted" || status === "streaming") return "The assistant is answering.";
  if (status === "waiting") return "The assistant asks for your permission.";
  const outcome = last?.facts && last.facts.outcome !== "completed" ? ` The answer ended: ${last.facts.outcome}.` : "";
  const words = last?.role === "assistant" ? last.parts.map((part) => (part.type === "text" ? part.text : "")).join(" ") : "";
  return words + outcome;
}
