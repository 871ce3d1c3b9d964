// An app as its author would write it: tools with a ledger, an approval, a client tool, state, tables and a hook of its own.
import { isStepCount, streamText, tool, type LanguageModel } from "ai";
import { z } from "zod";
import { ChatSessionObject } from "../../../../src/session/chat-session-object.ts";
import type { TurnEndEvent } from "../../../../src/session/hooks.ts";
import type { ChatOptions } from "../../../../src/session/options.ts";
import { idempotencyKeyOf } from "../../../../src/session/tools.ts";
import type { Turn } from "../../../../src/session/turn-context.ts";
import { scriptedModel } from "../../../../src/testing/scripted-model.ts";

const state = z.object({ mode: z.enum(["plan", "build"]).default("plan") });
type State = z.infer<typeof state>;

export interface ShopEnv {
  model: LanguageModel;
  charge: (order: string, key: string) => Promise<{ receipt: string }>;
  /** Is called with what `onTurnEnd` is told. */
  ended?: (event: TurnEndEvent) => Promise<void>;
  recovery?: ChatOptions["recovery"];
}

export class Shop extends ChatSessionObject<ShopEnv, undefined, State> {
  static override readonly migrations = [{ id: 1, name: "orders", sql: "CREATE TABLE orders (id TEXT PRIMARY KEY, receipt TEXT) STRICT" }];
  static override readonly state = state;
  static override readonly clientTools = { locate: { output: z.object({ city: z.string() }) } };

  static override configure(env: ShopEnv): ChatOptions {
    return { development: true, ...(env.recovery ? { recovery: env.recovery } : {}) };
  }

  /** Gone after each wake. */
  turnsSinceWake = 0;

  async onTurn(turn: Turn<undefined, State>) {
    this.turnsSinceWake++;
    const tools = turn.tools({
      pay: tool({
        inputSchema: z.object({ order: z.string() }),
        execute: async ({ order }, options) => {
          const { receipt } = await this.env.charge(order, idempotencyKeyOf(options));
          this.sql.exec("INSERT INTO orders (id, receipt) VALUES (?, ?)", order, receipt);
          return { receipt, since: this.turnsSinceWake };
        },
      }),
      locate: tool({ inputSchema: z.object({}), outputSchema: z.object({ city: z.string() }) }),
    });
    return streamText({
      model: this.env.model,
      messages: await turn.modelMessages(),
      abortSignal: turn.signal,
      stopWhen: isStepCount(5),
      tools,
      toolApproval: { pay: "user-approval" },
    });
  }

  override async onTurnEnd(event: TurnEndEvent): Promise<void> {
    await this.env.ended?.(event);
    this.broadcast("ended", { turns: this.sql.exec("SELECT count(*) AS n FROM orders").one().n });
  }
}

/** A model that pays for order 7, and says so when it is done. */
export const paying = () =>
  scriptedModel(({ prompt }) => {
    const last = prompt.at(-1);
    return last?.role === "tool" ? "It is paid." : ["One moment. ", { tool: "pay", input: { order: "7" } }];
  });
