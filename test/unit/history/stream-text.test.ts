// The prompt as a model gets it: the AI SDK's own last conversion lies between.
import { stepCountIs, streamText, tool, type ToolSet } from "ai";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { toModelMessages } from "../../../src/history/model-view.ts";
import type { Message } from "../../../src/protocol/messages.ts";
import { checkProviderRules, type PromptMessage } from "../../../src/testing/provider-rules.ts";
import { scriptedModel } from "../../../src/testing/scripted-model.ts";
import { brokenHistories, call, reply, user } from "./histories.ts";

/** Asks a model and gives the prompts that it got. */
async function ask(messages: Message[], continueNote?: string, tools: ToolSet = {}): Promise<PromptMessage[][]> {
  const model = scriptedModel(() => "Done.");
  const prompt = await toModelMessages(messages, continueNote === undefined ? {} : { continueNote });
  if (prompt.length === 0) return [];
  let failure: unknown;
  const result = streamText({
    model,
    messages: prompt,
    tools,
    stopWhen: stepCountIs(3),
    allowSystemInMessages: true,
    onError: ({ error }) => void (failure = error),
  });
  await result.consumeStream();
  expect(failure).toBeUndefined();
  expect(model.calls.length).toBeGreaterThan(0);
  return model.calls.map((made) => made.prompt);
}

describe("streamText", () => {
  it("gives the model a prompt that every provider takes, whatever the history", async () => {
    await fc.assert(
      fc.asyncProperty(brokenHistories, async (broken) => {
        for (const prompt of await ask(broken, "Go on.")) expect(checkProviderRules(prompt)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it("goes on after a reply that was stopped in the middle of everything", async () => {
    const stopped = reply(
      { type: "step-start" },
      { type: "reasoning", text: "I shall roll." },
      call("call_0", { state: "input-available", output: undefined }),
      call("call_1", { state: "approval-requested", output: undefined, approval: { id: "a" } }),
      { type: "step-start" },
      { type: "reasoning", text: "Once more" },
      call("call_0", { state: "input-streaming", input: undefined, output: undefined }),
    );
    const [prompt] = await ask([user("Roll."), stopped, user("And?")]);
    expect(checkProviderRules(prompt!)).toEqual([]);
    expect(prompt!.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "user"]);
  });

  it("runs a call that was approved last under its own id, and then asks the model", async () => {
    const answered = call("call_0", { state: "approval-responded", output: undefined, approval: { id: "a", approved: true } });
    const ran: unknown[] = [];
    const roll = tool({ inputSchema: z.object({ sides: z.number() }), execute: (input, { toolCallId }) => ran.push([toolCallId, input]) });
    const [prompt] = await ask([user("Roll."), reply(call("call_0")), user("Again."), reply({ type: "step-start" }, answered)], undefined, {
      roll,
    });
    expect(ran).toEqual([["call_0", { sides: 6 }]]);
    expect(checkProviderRules(prompt!)).toEqual([]);
    expect(prompt!.at(-1)).toMatchObject({ role: "tool", content: [{ type: "tool-result", toolCallId: "call_0" }] });
  });

  it("tells the model of a call that was refused last", async () => {
    const refused = call("c", { state: "approval-responded", output: undefined, approval: { id: "a", approved: false, reason: "" } });
    const [prompt] = await ask([user("Roll."), reply(refused)]);
    expect(checkProviderRules(prompt!)).toEqual([]);
    expect(prompt!.at(-1)).toMatchObject({ content: [{ type: "tool-result", output: { type: "execution-denied" } }] });
  });
});
