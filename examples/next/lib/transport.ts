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
/** The last token, and until when it is used, by the clock of this browser. */
let held = { token: "", until: 0 };

async function chatToken(): Promise<string> {
  if (Date.now() < held.until) return held.token;
  const response = await fetch("/api/chat-token", { method: "POST" });
  if (!response.ok) throw new Error(`No token for the chat: status ${response.status}`);
  const { token, seconds } = (await response.json()) as { token: string; seconds: number };
  held = { token, until: Date.now() + seconds * 1_000 - MARGIN_MS };
  return token;
}
