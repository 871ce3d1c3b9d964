import { createChatToken, TOKEN_SECONDS } from "@/lib/chat-token";
import { findVisitor, welcomeVisitor } from "@/lib/visitor";

/** A token for the chat Worker, for whoever this app says is here. In your app: 401 for nobody. */
export async function POST(): Promise<Response> {
  const visitor = (await findVisitor()) ?? (await welcomeVisitor());
  const answer = { token: await createChatToken(visitor), seconds: TOKEN_SECONDS };
  return Response.json(answer, { headers: { "cache-control": "no-store" } });
}
