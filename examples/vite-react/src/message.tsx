// One message: who wrote it, its parts, and what became of it. A message that did not change is the same object as before, so `memo`
// leaves it alone while another one streams.
import type { ChatClient, ChatMessage } from "chatcell/client";
import { memo } from "react";
import { Part } from "./part.tsx";
import type { Run } from "./use-run.ts";

interface Props {
  message: ChatMessage;
  client: ChatClient;
  run: Run;
  /** Nothing follows it, and nothing runs. */
  isLast: boolean;
}

export const Message = memo(function Message({ message, client, run, isLast }: Props) {
  const { id, role, parts, delivery, turnId, createdAt } = message;
  const isReply = role === "assistant";
  const outcome = outcomeOf(message);
  const isCut = message.facts && message.facts.outcome !== "completed";
  // Refused once more, it says so in the message.
  const retry = () => void client.retry(id).catch(() => {});
  const approve = (approvalId: string, approved: boolean) => run(client.approve(approvalId, { approved }));
  return (
    <article className={`message is-${role}`} data-live={isReply && createdAt === undefined}>
      <h2>{isReply ? "Assistant" : "You"}</h2>
      {parts.map((part, index) => (
        <Part key={index} part={part} approve={approve} />
      ))}
      <footer>
        {outcome && <p className={outcome.isFailure ? "failure" : undefined}>{outcome.text}</p>}
        {delivery === "failed" && (
          <>
            <button type="button" className="quiet" onClick={retry}>
              Send again
            </button>
            <button type="button" className="quiet" onClick={() => turnId && run(client.cancel(turnId))}>
              Discard
            </button>
          </>
        )}
        {isLast && isReply && isCut && (
          <button type="button" className="quiet" onClick={() => run(client.continue(id))}>
            Continue
          </button>
        )}
        {isLast && !delivery && (isReply || isCut) && (
          <button type="button" className="quiet" onClick={() => run(client.regenerate(id))}>
            Try again
          </button>
        )}
      </footer>
    </article>
  );
});

/** What is to be said about a message beside its content. */
function outcomeOf({ delivery, error, facts, lastTurn, parts }: ChatMessage): { text: string; isFailure?: boolean } | null {
  if (delivery === "sending") return { text: "Sending…" };
  if (delivery === "failed") return { text: `Not sent. ${error?.message ?? ""}`, isFailure: true };
  if (lastTurn?.error) return { text: lastTurn.error.message, isFailure: true };
  switch (facts?.outcome) {
    case "failed":
      return { text: facts.error?.message ?? "The answer failed.", isFailure: true };
    case "stopped":
      return { text: "Stopped" };
    case "interrupted":
      // A notice among the parts says it already.
      return parts.some(({ type }) => type === "data-notice") ? null : { text: "Interrupted" };
    default:
      return null;
  }
}
