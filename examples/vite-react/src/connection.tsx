// How the page stands with the server, said only when it is not as it should be.
import type { ConnectionState } from "chatcell/client";

export function Connection({ state, reconnect }: { state: ConnectionState; reconnect: () => void }) {
  const text = wordsFor(state);
  return (
    <div className="connection" role="status">
      {/* The style shows it late: most connections are there before it is worth saying. */}
      {text && <span className={state.kind}>{text}</span>}
      {(state.kind === "waiting" || state.kind === "stopped") && (
        <button type="button" className="quiet" onClick={reconnect}>
          Retry now
        </button>
      )}
    </div>
  );
}

function wordsFor(state: ConnectionState): string {
  switch (state.kind) {
    case "idle":
    case "live":
      return "";
    case "stopped":
      return state.reason.message;
    case "waiting":
      return "Offline";
    default:
      return state.attempt > 0 ? "Offline, reconnecting…" : "Connecting…";
  }
}
