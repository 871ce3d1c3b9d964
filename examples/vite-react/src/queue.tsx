// The messages that wait behind the running answer. Each can be taken back.
import type { ChatQueueItem } from "chatcell/client";

export function Queue({ queue, takeBack }: { queue: readonly ChatQueueItem[]; takeBack: (turnId: string) => void }) {
  if (queue.length === 0) return null;
  return (
    <section className="queue" aria-labelledby="queue">
      <h2 id="queue">Waiting for their turn</h2>
      <ol>
        {queue.map((item) => (
          <li key={item.turnId}>
            <span dir="auto">{textOf(item)}</span>
            {item.delivery === "sending" && <small>Sending…</small>}
            <button type="button" className="quiet" aria-label={`Take back: ${textOf(item)}`} onClick={() => takeBack(item.turnId)}>
              Take back
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function textOf({ kind, parts }: ChatQueueItem): string {
  if (kind === "regenerate") return "Another answer";
  if (kind === "continue") return "The rest of the answer";
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("\n");
}
