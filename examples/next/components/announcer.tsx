// What a screen reader hears: that an answer is coming, then the whole answer once.
import type { ChatMessage } from "chatcell/client";
import { useState } from "react";

interface AnnouncerProps {
  last: ChatMessage | undefined;
  isBusy: boolean;
  /** A tool of the last message waits for a person. */
  isAsking: boolean;
}

export function Announcer({ last, isBusy, isAsking }: AnnouncerProps) {
  // What was there before this page came is not news.
  const [hasBegun, setHasBegun] = useState(false);
  if (!hasBegun && isBusy) setHasBegun(true);
  return (
    <p className="visually-hidden" role="status">
      {hasBegun ? news({ last, isBusy, isAsking }) : null}
    </p>
  );
}

function news({ last, isBusy, isAsking }: AnnouncerProps): string {
  if (isBusy) return "The assistant is answering.";
  if (isAsking) return "The assistant asks for your permission.";
  const outcome = last?.facts && last.facts.outcome !== "completed" ? ` The answer ended: ${last.facts.outcome}.` : "";
  const words = last?.role === "assistant" ? last.parts.map((part) => (part.type === "text" ? part.text : "")).join(" ") : "";
  return words + outcome;
}
