// One transport for all chats of a browser. It opens nothing by itself, so it does no harm that Next loads this on the server too.
import type { ChatMessage } from "chatcell/client";
import { createChatTransport } from "chatcell/ai-sdk";
import { CHAT_URL } from "@/lib/chat-url";

export const transport = createChatTransport<ChatMessage>({
  url: CHAT_URL,
  // Called for each connection that is opened, not for each message.
  headers: async () => ({ authorization: `Bearer ${await chatToken()}` }),
});

/** A token with less time left is not used any more. */
const MARGIN_MS = 30_000;
/** One that does not come within this time is asked for again. */
const TIMEOUT_MS = 15_000;
/** The last token, also while it is on its way: who is new and asks twice at once would become two visitors. */
let held: Promise<string> | null = null;
/** When it is used no more, by the clock of this browser. */
let heldUntil = Infinity;

function chatToken(): Promise<string> {
  if (Date.now() >= heldUntil) held = null;
  held ??= fetchToken().catch((error: unknown) => {
    held = null;
    throw error;
  });
  return held;
}

async function fetchToken(): Promise<string> {
  heldUntil = Infinity;
  const response = await fetch("/api/chat-token", { method: "POST", signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`No token for the chat: status ${response.status}`);
  const { token, seconds } = (await response.json()) as { token: string; seconds: number };
  heldUntil = Date.now() + seconds * 1_000 - MARGIN_MS;
  return token;
}
