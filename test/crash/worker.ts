// The Worker of the crash tests: one chat whose model plays the score that a message holds, through the real `streamText`. What
// it does to the world (model calls, tools) goes over the binding OUTSIDE, whose server lives in the test.
import { isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import {
  bearer,
  ChatSessionObject,
  getThread,
  idempotencyKeyOf,
  idempotent,
  routeChatRequest,
  type Principal,
  type StreamResult,
  type StreamResultOptions,
  type Turn,
  type TurnEndEvent,
} from "../../src/entries/index.ts";
import { scriptedModel, type ScriptedCall } from "../../src/testing/scripted-model.ts";
import { callsOfStep, stepOfCall, tryReadErrand, wordsOfStep, type CallInput, type Errand } from "./score.ts";

interface Env {
  SCRIBE: DurableObjectNamespace<Scribe>;
  CHATCELL_SECRET: string;
  RECOVERY: "keep" | "continue";
  OUTSIDE?: Fetcher;
}

/** What the tests note of one thread, as state of the app. */
const notes = z.object({ note: z.string().default(""), other: z.string().default("") });

export class Scribe extends ChatSessionObject<Env, undefined, z.infer<typeof notes>> {
  static override readonly state = notes;

  static override configure({ RECOVERY }: Env) {
    return { flushEveryMs: 60, development: true, recovery: RECOVERY };
  }

  override async onTurn(turn: Turn<undefined, z.infer<typeof notes>>) {
    const errand = tryReadErrand(turn.message.parts.map((part) => (part.type === "text" ? part.text : "")).join(""));
    if (!errand) throw new Error("This message is no score.");
    // Not a line in the log: like a request to a real model, an event leaves only when what was written before it is safe.
    if (errand.steps.length === 1) turn.write({ type: "data-run", data: { turnId: turn.id, attempt: turn.attempt }, transient: true });
    const tools = this.#tools(turn);
    const result = streamText({
      model: this.#model(turn, errand),
      messages: await turn.modelMessages(),
      tools,
      toolApproval: { pay: "user-approval" },
      stopWhen: isStepCount(10),
      abortSignal: turn.signal,
      // The outside may be gone with the test; the SDK would ask again and again.
      maxRetries: 0,
    });
    return errand.lagMs > 0 ? { toUIMessageStream: (options: StreamResultOptions) => lagging(result, options, errand.lagMs) } : result;
  }

  override async onTurnEnd({ turnId, facts, again }: TurnEndEvent): Promise<void> {
    // A line in the log waits for nothing: it is to say that the end is on the disk.
    await this.ctx.storage.sync();
    console.log(`end ${turnId} ${facts.outcome}${again ? " again" : ""}`);
  }

  override alarm(): void {
    console.log(`alarm ${this.ctx.id.toString()}`);
    super.alarm();
  }

  #model(turn: Turn, errand: Errand) {
    const model = scriptedModel((call) => {
      const step = stepOf(call, errand);
      const { afterMs, everyMs } = errand.steps[step]!;
      const words = wordsOfStep(errand, step).flatMap((word) => (everyMs > 0 ? [{ delayMs: everyMs }, word] : [word]));
      return [{ delayMs: afterMs }, ...words, ...callsOfStep(errand, step)];
    });
    const doStream: typeof model.doStream = async (call) => {
      await this.#outside("model", { turnId: turn.id, attempt: turn.attempt, step: stepOf(call, errand), prompt: call.prompt });
      return model.doStream(call);
    };
    return { ...model, doStream };
  }

  #tools(turn: Turn) {
    const inputSchema = z.object({ what: z.string(), ms: z.number() });
    const execute =
      (name: string) =>
      (input: CallInput, options: object): Promise<unknown> =>
        this.#outside("effect", { turnId: turn.id, tool: name, key: idempotencyKeyOf(options), ...input });
    return turn.tools({
      book: tool({ inputSchema, execute: execute("book") }),
      search: idempotent(tool({ inputSchema, execute: execute("search") })),
      pay: tool({ inputSchema, execute: execute("pay") }),
    });
  }

  async #outside(kind: string, body: object): Promise<unknown> {
    const answer = await this.env.OUTSIDE?.fetch(`http://outside/${kind}`, { method: "POST", body: JSON.stringify(body) });
    return answer?.json();
  }
}

/** The stream of a result, in which what is said of tools takes its time. */
async function* lagging(result: StreamResult, options: StreamResultOptions, lagMs: number): AsyncGenerator<unknown> {
  for await (const chunk of result.toUIMessageStream(options)) {
    if ((chunk as { type: string }).type.startsWith("tool-")) await new Promise((resolve) => setTimeout(resolve, lagMs));
    yield chunk;
  }
}

/** Which step a prompt asks for: the one after the last that has called a tool since the message. */
function stepOf({ prompt }: ScriptedCall, errand: Errand): number {
  const asked = prompt.findLastIndex(({ role, content }) => role === "user" && JSON.stringify(content).includes(errand.tag));
  const called = prompt
    .slice(asked + 1)
    .flatMap(({ role, content }) => (role === "assistant" ? content : []))
    .flatMap((part) => (part.type === "tool-call" ? [stepOfCall(part.input as CallInput)] : []));
  return Math.min(Math.max(-1, ...called) + 1, errand.steps.length - 1);
}

/** `Bearer user-…` is the principal of that id. */
const verify = (token: string): Principal | null => (token.startsWith("user-") ? { id: token } : null);

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    // What the app's own server code does: `POST /system/<thread>` sends the body as a message and needs no connection.
    const [, threadId] = /^\/system\/([\w-]+)$/.exec(new URL(request.url).pathname) ?? [];
    if (threadId !== undefined) {
      const thread = getThread(env.SCRIBE, { threadId }, { as: "system:cron", create: { owner: "user-0" } });
      return Response.json(await thread.send(await request.text()));
    }
    const answer = await routeChatRequest(request, { namespace: env.SCRIBE, secret: env.CHATCELL_SECRET, authenticate: bearer(verify) });
    return answer ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
