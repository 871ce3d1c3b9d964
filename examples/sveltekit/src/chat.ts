// The chat: one class, whose object is a thread. In development this is a Worker of its own, beside `vite dev`.
import { streamText } from "ai";
import { ChatSessionObject, type Turn } from "chatcell";
import { createDemoModel } from "chatcell/demo";
import { routeChat, type Env } from "./lib/server/route-chat.ts";

export class Chat extends ChatSessionObject<Env> {
  async onTurn(turn: Turn) {
    return streamText({
      // A real model, with its key in .dev.vars: createAnthropic({ apiKey: this.env.ANTHROPIC_API_KEY })("<model id>")
      model: createDemoModel(),
      messages: await turn.modelMessages(),
      abortSignal: turn.signal,
    });
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    return (await routeChat(request, env)) ?? new Response("Not found", { status: 404 });
  },
};
