// What a screen reader hears: that an answer is coming, then the whole answer once. The messages themselves are a silent log,
// because a live region that grows with every token would never stop talking.
import type { ChatMessage, ChatSnapshot } from "chatcell/client";
import { setText } from "./dom.ts";
import { isLive } from "./message-view.ts";

export function createAnnouncer(region: HTMLElement): (snapshot: ChatSnapshot) => void {
  let liveId: string | undefined;
  let wasLost = false;
  return ({ messages, status, connection }) => {
    const last = messages.at(-1);
    if (connection.kind === "waiting" && !wasLost) setText(region, "Connection lost. Retrying.");
    if (connection.kind === "live" && wasLost) setText(region, "Connected again.");
    if (connection.kind === "live" || connection.kind === "waiting") wasLost = connection.kind === "waiting";
    if (last && isLive(last)) {
      if (liveId !== last.id) setText(region, "The assistant is answering.");
      liveId = last.id;
    } else if (liveId && status !== "submitted") {
      const ended = messages.find(({ id }) => id === liveId);
      liveId = undefined;
      if (ended) setText(region, spoken(ended));
    }
  };
}

function spoken({ parts, facts }: ChatMessage): string {
  const text = parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join(" ");
  return facts && facts.outcome !== "completed" ? `${text} (The answer ended: ${facts.outcome}.)` : text;
}
