// The Worker of the crash tests: one chat whose model plays the score that a message holds, through the real `streamText`.
import { streamText } from "ai";
import { bearer, ChatSessionObject, routeChatRequest, type Principal, type Turn, type TurnEndEvent } from "../../src/entries/index.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { readScore, wordsOf } from "./score.ts";

interface Env {
  SCRIBE: DurableObjectNamespace<Scribe>;
  CHATCELL_SECRET: string;
}

export class Scribe extends ChatSessionObject<Env> {
  static override configure() {
    return { flushEveryMs: 60, development: true };
  }

  override async onTurn(turn: Turn) {
    const text = turn.message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
    const score = readScore(text);
    // Not a line in the log: like a request to a real model, an event leaves only when what was written before it is safe.
    turn.write({ type: "data-run", data: { turnId: turn.id, attempt: turn.attempt }, transient: true });
    const model = scriptedModel(() => [{ delayMs: score.afterMs }, ...wordsOf(score)], { delayMs: score.everyMs });
    return streamText({ model, messages: await turn.modelMessages(), abortSignal: turn.signal });
  }

  override async onTurnEnd({ turnId, facts, again }: TurnEndEvent): Promise<void> {
    // A line in the log waits for nothing: it is to say that the end is on the disk.
    await this.ctx.storage.sync();
    console.log(`end ${turnId} ${facts.outcome}${again ? " again" : ""}`);
  }
}

/** `Bearer user-…` is the principal of that id. */
const verify = (token: string): Principal | null => (token.startsWith("user-") ? { id: token } : null);

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const answer = await routeChatRequest(request, { namespace: env.SCRIBE, secret: env.CHATCELL_SECRET, authenticate: bearer(verify) });
    return answer ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
