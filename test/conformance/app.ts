// The app that the suite expects of a server, as docs/guides/conformance.md has it.
import { isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { createDemoModel } from "../../src/entries/demo.ts";
import { ChatSessionObject, type Turn } from "../../src/entries/index.ts";

const pickDate = { input: z.object({ from: z.iso.date() }), output: z.object({ date: z.iso.date() }) };
const state = z.object({ mode: z.enum(["plan", "build"]).optional(), notes: z.array(z.string()).optional() });
type State = z.infer<typeof state>;

export class Chat<Env = unknown> extends ChatSessionObject<Env, undefined, State> {
  static override readonly clientTools = { pickDate };
  static override readonly state = state;

  override async onTurn(turn: Turn<undefined, State>) {
    turn.write({ type: "data-turn", data: { attempt: turn.attempt }, transient: true });
    const book = tool({
      inputSchema: z.object({ city: z.string() }),
      execute: ({ city }) => ({ confirmation: `A table in ${city}` }),
    });
    return streamText({
      model: createDemoModel({ wordsPerSecond: 200 }),
      messages: await turn.modelMessages(),
      tools: turn.tools({ book, pickDate: tool({ inputSchema: pickDate.input, outputSchema: pickDate.output }) }),
      toolApproval: { book: "user-approval" },
      stopWhen: isStepCount(5),
      abortSignal: turn.signal,
      onError: () => {}, // It is in the facts of the turn.
    });
  }
}
