// Tools at their edges, through the class of an app: outputs that grow, calls larger than a row, outcomes that cannot be stored.
import { isStepCount, streamText, tool } from "ai";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { ChatSessionObject } from "../../../src/session/chat-session-object.ts";
import type { Turn } from "../../../src/session/turn-context.ts";
import { MAX_ROW_BYTES } from "../../../src/storage/database.ts";
import { LogTable } from "../../../src/storage/log-table.ts";
import { ToolCallTable } from "../../../src/storage/tool-call-table.ts";
import { scriptedModel, type ScriptedModel } from "../../../src/testing/scripted-model.ts";
import { ownThreads } from "./own-threads.ts";

const threadOf = ownThreads();

interface Env {
  model: ScriptedModel;
  execute: (text: string) => unknown;
}

class Agent extends ChatSessionObject<Env> {
  async onTurn(turn: Turn) {
    const { model, execute } = this.env;
    const work = tool({ inputSchema: z.object({ text: z.string() }), execute: ({ text }): unknown => execute(text) });
    return streamText({
      model,
      messages: await turn.modelMessages(),
      tools: turn.tools({ work }),
      stopWhen: isStepCount(4),
      abortSignal: turn.signal,
    });
  }
}

/** Calls the tool until that has an output, and then says so. */
const working = (text = "x") =>
  scriptedModel(({ prompt }) => {
    const last = prompt.at(-1)!;
    const isDone = last.role === "tool" && !JSON.stringify(last).includes("error");
    return isDone ? "Done." : [{ tool: "work", input: { text } }];
  });

/** A tool that shows its whole text so far with each word, as sub-agents do. */
async function* growing(words: number): AsyncGenerator<{ text: string }> {
  let text = "";
  for (let word = 0; word < words; word++) yield { text: (text += "some words of 20 ch ") };
}

describe("a tool that shows its output as it grows", () => {
  it("costs the flushes of the time that it takes, and not one for each word", async () => {
    const append = vi.spyOn(LogTable.prototype, "append");
    const thread = threadOf(Agent, { env: { model: working(), execute: () => growing(500) } });
    const reply = await thread.send("Go.").settled;
    expect(reply?.facts?.outcome).toBe("completed");
    expect(reply?.parts).toContainEqual(
      expect.objectContaining({ state: "output-available", output: { text: "some words of 20 ch ".repeat(500) } }),
    );
    expect(append.mock.calls.length).toBeLessThan(12);
    append.mockRestore();
  });

  it("leaves room for its end, however much it has shown", async () => {
    const step = "x".repeat(1_500_000);
    const slowly = async function* (): AsyncGenerator<{ at: number; step: string }> {
      for (let at = 0; at < 20; at++) {
        yield { at, step };
        await thread.advance(1_000);
      }
    };
    const thread = threadOf(Agent, { env: { model: working(), execute: () => slowly() } });
    const reply = await thread.send("Go.").settled;
    expect(reply?.facts).toMatchObject({ outcome: "completed" });
    expect(reply?.parts).toContainEqual(expect.objectContaining({ state: "output-available" }));
  });
});

describe("a call that is larger than a row", () => {
  it("is stored in rows that the platform takes, and run once", async () => {
    let runs = 0;
    const execute = (text: string) => ({ run: ++runs, text });
    const thread = threadOf(Agent, { env: { model: working("x".repeat(1_100_000)), execute } });
    const sending = thread.send("Go.");
    const settle = vi.spyOn(ToolCallTable.prototype, "settle").mockImplementation(function (this: ToolCallTable, ...given) {
      settle.mockRestore();
      this.settle(...given);
      const [row] = thread.sql<{ bytes: number }>(
        "SELECT length(CAST(body AS BLOB)) + length(CAST(outcome AS BLOB)) AS bytes FROM cc_tool_call",
      );
      expect(row!.bytes).toBeLessThan(MAX_ROW_BYTES);
    });
    const reply = await sending.settled;
    expect(reply?.facts?.outcome).toBe("completed");
    expect(runs).toBe(1);
  });
});

describe("an outcome that cannot be stored", () => {
  it("ends the turn: the model is not asked again, and the tool not run again", async () => {
    let runs = 0;
    const model = working();
    const settle = vi.spyOn(ToolCallTable.prototype, "settle").mockImplementationOnce(() => {
      throw new Error("disk I/O error: SQLITE_IOERR");
    });
    const thread = threadOf(Agent, { env: { model, execute: () => ({ run: ++runs }) } });
    const reply = await thread.send("Go.").settled;
    settle.mockRestore();
    expect(reply?.facts).toMatchObject({ outcome: "failed", error: { code: "internal" } });
    expect(reply?.parts).toContainEqual(expect.objectContaining({ state: "output-error" }));
    expect([runs, model.calls.length]).toEqual([1, 1]);
    expect(thread.errors.map(String)).toContainEqual(expect.stringContaining("could not be stored"));
  });
});
