// How the page stands with the server, as a dot with words. The words carry it: the colour is only an addition.
import type { ConnectionState } from "chatcell/client";
import { h, setText } from "./dom.ts";

/** `reconnect` tries again at once. */
export function createConnectionView(element: HTMLElement, reconnect: () => void): { update(state: ConnectionState): void } {
  const text = h("span");
  const again = h("button", { type: "button", class: "quiet", hidden: true, click: reconnect }, "Retry now");
  element.append(h("span", { class: "dot", "aria-hidden": "true" }), text, again);
  let timer: ReturnType<typeof setInterval> | undefined;
  const update = (state: ConnectionState): void => {
    clearInterval(timer);
    element.dataset.tone = toneOf(state);
    again.hidden = !canRetry(state);
    setText(text, wordsFor(state));
    if (state.kind === "waiting") timer = setInterval(() => setText(text, wordsFor(state)), 1_000);
  };
  return { update };
}

function toneOf(state: ConnectionState): string {
  if (state.kind === "live") return "live";
  if (state.kind === "stopped") return "stopped";
  if (state.kind === "idle") return "idle";
  return state.attempt > 0 ? "offline" : "busy";
}

/** A thread that is not there will not be there in a second either. */
function canRetry(state: ConnectionState): boolean {
  if (state.kind === "stopped") return state.reason.code !== "not_found" && state.reason.code !== "gone";
  return state.kind === "waiting";
}

function wordsFor(state: ConnectionState): string {
  switch (state.kind) {
    case "idle":
      return "Not started";
    case "live":
      return "Live";
    case "waiting": {
      const seconds = Math.ceil((state.retryAt - Date.now()) / 1_000);
      return seconds > 0 ? `Offline, retrying in ${seconds} s` : "Offline, retrying";
    }
    case "stopped":
      return state.reason.code === "not_found" ? "Not found" : `Stopped: ${state.reason.code.replaceAll("_", " ")}`;
    default:
      return state.attempt > 0 ? "Offline, reconnecting…" : "Connecting…";
  }
}
