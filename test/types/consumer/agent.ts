// A user's agent, as it is deployed: tools with the ledger, an approval, state. Nothing in it knows of tests.
import { ChatSessionObject, idempotencyKeyOf, type Turn } from "chatcell";
import { isStepCount, streamText, tool, type LanguageModel } from "ai";
import { z } from "zod";

export interface Env {
  AGENT: DurableObjectNamespace<Agent>;
  model: LanguageModel;
  charge: (order: string, key: string) => Promise<string>;
}

const state = z.object({ mode: z.enum(["plan", "build"]).default("plan") });

export class Agent extends ChatSessionObject<Env, undefined, z.infer<typeof state>> {
  static override readonly state = state;
  static override readonly migrations = [{ id: 1, name: "orders", sql: "CREATE TABLE orders (receipt TEXT) STRICT" }];

  async onTurn(turn: Turn<undefined, z.infer<typeof state>>) {
    const pay = tool({
      inputSchema: z.object({ order: z.string() }),
      execute: async ({ order }, options) => {
        const receipt = await this.env.charge(order, idempotencyKeyOf(options));
        this.sql.exec("INSERT INTO orders VALUES (?)", receipt);
        return { receipt };
      },
    });
    return streamText({
      model: this.env.model,
      messages: await turn.modelMessages(),
      tools: turn.tools({ pay }),
      toolApproval: { pay: "user-approval" },
      stopWhen: isStepCount(3),
      abortSignal: turn.signal,
    });
  }
}
