// The door to the threads: for browsers, and for the server code of the page, which comes with the cookie of its visitor.
import { anonymous, routeChatRequest, type ChatNamespace } from "chatcell";

export interface Env {
  CHAT: ChatNamespace;
  CHATCELL_SECRET: string;
}

/** Resolves to null for what is not below /chat. */
export function routeChat(request: Request, env: Env): Promise<Response | null> {
  return routeChatRequest(request, { namespace: env.CHAT, secret: env.CHATCELL_SECRET, authenticate: anonymous() });
}
