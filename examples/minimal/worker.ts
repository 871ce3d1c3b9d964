// The whole server: one class, whose object is a thread, and the door to it.
import { streamText } from "ai";
import { anonymous, ChatSessionObject, routeChatRequest, type Turn } from "chatcell";
import { createDemoModel } from "chatcell/demo";

interface Env {
  CHAT: DurableObjectNamespace<Chat>;
  CHATCELL_SECRET: string;
}

export class Chat extends ChatSessionObject<Env> {
  async onTurn(turn: Turn) {
    // A real model, with its key in .dev.vars: createAnthropic({ apiKey: this.env.ANTHROPIC_API_KEY })("<model id>")
    const model = createDemoModel();
    return streamText({ model, messages: await turn.modelMessages(), abortSignal: turn.signal });
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const options = { namespace: env.CHAT, secret: env.CHATCELL_SECRET, authenticate: anonymous() };
    return (await routeChatRequest(request, options)) ?? new Response("Not found", { status: 404 });
  },
};
