// History on the server, so that it is in the HTML. Never through lib/transport.ts: that one holds the token of one browser, and
// a server has many visitors.
import "server-only";
import type { ChatMessage } from "chatcell/client";
import { createChatTransport } from "chatcell/ai-sdk";
import { CHAT_URL } from "@/lib/chat-url";
import { createChatToken } from "@/lib/chat-token";
import { findVisitor } from "@/lib/visitor";

/** The last page of a thread. Empty when there is no such thread for this visitor. */
export async function loadHistory(threadId: string): Promise<ChatMessage[]> {
  const visitor = await findVisitor();
  if (!visitor) return [];
  const headers = { authorization: `Bearer ${await createChatToken(visitor)}` };
  return createChatTransport<ChatMessage>({ url: CHAT_URL, headers }).load(threadId);
}
