// The whole server: one class, whose object is a thread, and the door to it.
import { isStepCount, streamText, tool } from "ai";
import { anonymous, ChatSessionObject, routeChatRequest, type Turn } from "chatcell";
import { createDemoModel } from "chatcell/demo";
import { z } from "zod";

interface Env {
  CHAT: DurableObjectNamespace<Chat>;
  CHATCELL_SECRET: string;
}

const roll = tool({
  description: "Rolls a die.",
  inputSchema: z.object({ sides: z.int().min(2).max(100).default(6) }),
  execute: ({ sides }) => ({ rolled: 1 + Math.floor(Math.random() * sides) }),
});

/** A person is asked first: see `toolApproval` below. */
const book = tool({
  description: "Books a table in a city.",
  inputSchema: z.object({ city: z.string(), people: z.int().min(1).max(20).default(2) }),
  execute: ({ city, people }) => ({ confirmation: `A table for ${people} in ${city}` }),
});

export class Chat extends ChatSessionObject<Env> {
  async onTurn(turn: Turn) {
    // A real model, with its key in .dev.vars: createAnthropic({ apiKey: this.env.ANTHROPIC_API_KEY })("<model id>")
    const model = createDemoModel();
    return streamText({
      model,
      tools: turn.tools({ roll, book }),
      toolApproval: { book: "user-approval" },
      stopWhen: isStepCount(5),
      messages: await turn.modelMessages(),
      abortSignal: turn.signal,
    });
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const options = { namespace: env.CHAT, secret: env.CHATCELL_SECRET, authenticate: anonymous() };
    return (await routeChatRequest(request, options)) ?? new Response("Not found", { status: 404 });
  },
};
