import { streamText, tool } from "ai";
import { expect, it } from "vitest";
import { z } from "zod";
import { runClientTools } from "../../../../src/client/client-tools.ts";
import { isChatError } from "../../../../src/errors.ts";
import { ChatSessionObject } from "../../../../src/session/chat-session-object.ts";
import type { Turn } from "../../../../src/session/turn-context.ts";
import { scriptedModel } from "../../../../src/testing/scripted-model.ts";
import { explore, type Scenario } from "../../../../src/testing/thread/explore.ts";
import { paying, Shop } from "./shop.ts";

const buys =
  (settings: { recovery?: "keep" | "continue" }, noteReply: (outcome: string | undefined) => void = () => {}): Scenario =>
  async (createTestThread) => {
    const charges: string[] = [];
    const thread = createTestThread(Shop, {
      env: { ...settings, model: paying(), charge: async (order) => ({ receipt: `r-${charges.push(order)}` }) },
    });
    const tab = thread.client();
    const sending = thread.send("Pay order 7");
    await thread.settle();
    for (const part of thread.approvals()) await thread.approve(part, { approved: true });
    const reply = await sending.settled;
    noteReply(reply?.facts?.outcome);
    expect(charges.length).toBeLessThanOrEqual(1);
    if (reply?.facts?.outcome === "completed" && reply.parts.some((part) => "output" in part)) expect(charges).toEqual(["7"]);
    await thread.settle();
    expect(tab.getSnapshot().messages).toEqual(thread.messages());
  };

it.each(["keep", "continue"] as const)(
  "finds nothing wrong with a shop that keeps to the ledger (%s)",
  async (recovery) => {
    const outcomes = new Set<string | undefined>();
    const report = await explore(
      buys({ recovery }, (outcome) => outcomes.add(outcome)),
      { schedules: 150 },
    );
    expect(report.schedules).toBe(150);
    expect(report.commits).toBeGreaterThan(10);
    // Something did go wrong in it.
    expect(outcomes.size).toBeGreaterThan(1);
  },
  60_000,
);

it("finds nothing wrong with a queue, two tabs that both decide, a client tool and state", async () => {
  const report = await explore(
    async (createTestThread) => {
      const keys: string[] = [];
      const model = scriptedModel(({ prompt }) => {
        const last = prompt.at(-1)!;
        const said = JSON.stringify(last.content);
        if (last.role === "tool") return said.includes("Rome") ? "Done." : [{ tool: "locate", input: {} }];
        return said.includes("Pay") ? ["a", "b"].map((order) => ({ tool: "pay", input: { order } })) : ["Hello ", "you."];
      });
      const thread = createTestThread(Shop, {
        env: { model, recovery: "continue", ended: async () => {}, charge: async (_order, key) => ({ receipt: `r-${keys.push(key)}` }) },
      });
      const tab = thread.client();
      runClientTools(tab, { locate: async () => ({ city: "Rome" }) });
      const sendings = ["Pay", "Hi", "Pay again"].map((text) => thread.send(text));
      for (let rounds = 0; rounds < 6; rounds++) {
        await thread.settle();
        for (const part of thread.approvals()) {
          const { id } = (part as { approval: { id: string } }).approval;
          const answers = await Promise.allSettled([thread.approve(id, { approved: true }), tab.approve(id, { approved: false })]);
          for (const answer of answers) if (answer.status === "rejected" && !isChatError(answer.reason)) throw answer.reason;
        }
      }
      await thread.setState({ mode: "build" });
      for (const { settled } of sendings) await settled;
      await thread.settle();
      expect(new Set(keys).size).toBe(keys.length);
      expect(tab.getSnapshot()).toMatchObject({ messages: thread.messages(), state: { mode: "build" } });
    },
    { schedules: 30 },
  );
  expect(report.commits).toBeGreaterThan(30);
}, 60_000);

/** Charges in the turn itself, which is run again after a crash. */
class Careless extends ChatSessionObject<{ charge: (order: string) => Promise<void> }> {
  async onTurn(_turn: Turn) {
    await this.env.charge("7");
    return "It is paid.";
  }
}

it("finds an effect that happens twice, says after what, and finds it again by the seed and by the faults", async () => {
  const scenario: Scenario = async (createTestThread) => {
    const charges: string[] = [];
    const thread = createTestThread(Careless, { env: { charge: async (order) => void charges.push(order) } });
    await thread.send("Pay").settled;
    expect(charges).toHaveLength(1);
  };
  const failure = await explore(scenario).catch((error: unknown) => error as Error);
  expect(failure).toBeInstanceOf(Error);
  const { message, cause } = failure as Error;
  expect(message).toMatch(/crash (before|after) commit \d+/);
  expect(message.match(/^ {2}- crash/gm)).toHaveLength(1);
  expect((cause as Error).message).toContain("to have a length of 1 but got 2");
  const seed = /seed: ("[^"]+"), schedules: 1/.exec(message)![1]!;
  await expect(explore(scenario, { seed: JSON.parse(seed) as string, schedules: 1 })).rejects.toThrow("crash");
  const faults = /faults: (\[.*\]) \}\)/.exec(message)![1]!;
  await expect(explore(scenario, { seed: JSON.parse(seed) as string, faults: JSON.parse(faults) as [] })).rejects.toThrow("crash");
}, 30_000);

it("finds a tool that goes around the ledger", async () => {
  class Unwrapped extends ChatSessionObject<{ charge: () => Promise<string> }> {
    static override configure() {
      return { recovery: "continue" as const };
    }
    async onTurn(turn: Turn) {
      const model = scriptedModel(({ prompt }) => (prompt.at(-1)?.role === "tool" ? "Paid." : [{ tool: "pay", input: {} }]));
      const tools = { pay: tool({ inputSchema: z.object({}), execute: () => this.env.charge() }) };
      return streamText({
        model,
        tools,
        messages: await turn.modelMessages(),
        abortSignal: turn.signal,
        stopWhen: ({ steps }) => steps.length === 2,
      });
    }
  }
  const scenario: Scenario = async (createTestThread) => {
    let charges = 0;
    const thread = createTestThread(Unwrapped, { env: { charge: async () => `r-${++charges}` } });
    await thread.send("Pay").settled;
    expect(charges).toBeLessThanOrEqual(1);
  };
  await expect(explore(scenario)).rejects.toThrow(/expected 2 to be less than or equal to 1/);
}, 30_000);

it("says so when the scenario fails without any fault, and when it waits for ever", async () => {
  await expect(explore(async () => expect(1).toBe(2))).rejects.toThrow(/when nothing goes wrong/);
  await expect(explore(() => new Promise(() => {}), { timeoutMs: 50 })).rejects.toThrow(/did not end within 50 ms/);
  const waits: Scenario = (createTestThread) => createTestThread(Shop, { env: { model: paying() } }).send("Pay").settled;
  await expect(explore(waits)).rejects.toThrow(/a turn waits for a person/);
});

it("finds a thread that is not sound", async () => {
  const scenario: Scenario = async (createTestThread) => {
    const thread = createTestThread(Careless, { env: { charge: async () => {} } });
    await thread.send("Pay").settled;
    await thread.settle();
    thread.sql("UPDATE cc_message SET body = replace(body, 'It is paid.', 'It is lost.')");
  };
  await expect(explore(scenario)).rejects.toThrow(/shows something else than a new one/);
});

it("runs the same schedules for the same seed", async () => {
  const run = async () => {
    const told: string[] = [];
    await explore(
      buys({ recovery: "continue" }, (outcome) => told.push(String(outcome))),
      { schedules: 20, seed: 5 },
    );
    return told;
  };
  expect(await run()).toEqual(await run());
}, 30_000);
