// The chat, in a Worker of its own: one class, whose object is a thread, and the door to it. It knows nothing of Next but the
// origin of its pages and the secret that signs its tokens.
import { isStepCount, streamText, tool } from "ai";
import { bearer, ChatError, ChatSessionObject, routeChatRequest, type Turn } from "chatcell";
import { createDemoModel } from "chatcell/demo";
import { jwtVerify } from "jose";
import { z } from "zod";

interface Env {
  CHAT: DurableObjectNamespace<Chat>;
  CHATCELL_SECRET: string;
  CHAT_TOKEN_SECRET?: string;
  APP_ORIGIN: string;
}

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
      tools: turn.tools({ book }),
      toolApproval: { book: "user-approval" },
      stopWhen: isStepCount(5),
      messages: await turn.modelMessages(),
      abortSignal: turn.signal,
    });
  }
}

/** Whom a token of the app is for. What is wrong or too old throws, which is a 401. */
function verifyWith(secret: string | undefined) {
  const key = new TextEncoder().encode(secret);
  return async (token: string) => {
    if (!secret) throw new ChatError("configuration", "`CHAT_TOKEN_SECRET` is not set: it is the one that the app signs its tokens with.");
    const { payload } = await jwtVerify<{ sub: string; exp: number }>(token, key, {
      algorithms: ["HS256"],
      requiredClaims: ["sub", "exp"],
    });
    // When it runs out, the connection does: the page then comes with another token.
    return { id: payload.sub, expiresAt: payload.exp * 1_000 };
  };
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const options = {
      namespace: env.CHAT,
      secret: env.CHATCELL_SECRET,
      authenticate: bearer(verifyWith(env.CHAT_TOKEN_SECRET)),
      allowedOrigins: [env.APP_ORIGIN],
    };
    return (await routeChatRequest(request, options)) ?? new Response("Not found", { status: 404 });
  },
};
