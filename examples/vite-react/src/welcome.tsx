// What stands in place of messages: the start of a new thread, and the page of a thread that is not there.
import type { ErrorBody } from "chatcell/client";

/** The demo model's commands that show the most. */
const SUGGESTIONS = [
  "What is chatcell?",
  "write 300 words",
  "think about the sea",
  "use the book tool in Paris",
  "stall after 12 words",
  "fail after 12 words",
];

export function Welcome({ send }: { send: (text: string) => void }) {
  return (
    <div className="welcome">
      <h1>A thread is an object.</h1>
      <p>
        This conversation will live in one Durable Object: it keeps the history, runs the model and streams to every tab. Your first message
        makes it.
      </p>
      <ul>
        {SUGGESTIONS.map((text) => (
          <li key={text}>
            <button type="button" onClick={() => send(text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface MissingProps {
  reason: ErrorBody;
  retry: () => void;
  onNewChat: () => void;
}

export function Missing({ reason, retry, onNewChat }: MissingProps) {
  // Not there, or not ours: the server tells nobody which.
  const isGone = reason.code === "not_found" || reason.code === "gone";
  return (
    <div className="welcome">
      <h1>{isGone ? "There is no chat here." : "This chat cannot be opened."}</h1>
      <p>{isGone ? "No chat has this address, or it belongs to someone else." : reason.message}</p>
      <button type="button" className="primary" onClick={isGone ? onNewChat : retry}>
        {isGone ? "Start a new chat" : "Try again"}
      </button>
    </div>
  );
}
