// The Worker of the suite: the app, and a door where a bearer token is a name.
import { bearer, routeChatRequest } from "../../src/entries/index.ts";
import { Chat as App } from "./app.ts";

interface Env {
  CHAT: DurableObjectNamespace<Chat>;
  CHATCELL_SECRET: string;
}

export class Chat extends App<Env> {}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const authenticate = bearer((token) => ({ id: token }));
    const answer = await routeChatRequest(request, { namespace: env.CHAT, secret: env.CHATCELL_SECRET, authenticate });
    return answer ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
