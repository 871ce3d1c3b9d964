// The Worker of the flow test: a chat whose reply is as large and as fast as the message says.
import type { UIMessageChunk } from "ai";
import { bearer, ChatSessionObject, routeChatRequest, type Principal, type Turn } from "../../../src/entries/index.ts";

interface Env {
  CHAT: DurableObjectNamespace<Firehose>;
  CHATCELL_SECRET: string;
}

/** More than what is flushed without waiting, so each is a frame. */
const PAD = "x".repeat(8_192);

/** "<count> ticks": so many frames of 8 KB, one every 2 ms, of which the message keeps the last and a word each. */
async function* ticks(count: number): AsyncGenerator<UIMessageChunk> {
  yield { type: "text-start", id: "t" };
  for (let n = 1; n <= count; n++) {
    yield { type: "text-delta", id: "t", delta: `${n} ` };
    yield { type: "data-tick", id: "tick", data: { n, pad: PAD } };
    await scheduler.wait(2);
  }
  yield { type: "text-end", id: "t" };
}

export class Firehose extends ChatSessionObject<Env> {
  override onTurn(turn: Turn) {
    const [part] = turn.message.parts;
    const [count, what] = part?.type === "text" ? part.text.split(" ") : [];
    return what === "ticks" ? ticks(Number(count)) : "words ".repeat(Number(count) / 6);
  }
}

const verify = (token: string): Principal | null => (token.startsWith("user-") ? { id: token } : null);

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const answer = await routeChatRequest(request, { namespace: env.CHAT, secret: env.CHATCELL_SECRET, authenticate: bearer(verify) });
    return answer ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
