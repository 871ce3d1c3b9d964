// Questions to people and clients that nobody could answer any more, through the class of an app.
import { streamText, tool, type UIMessageChunk } from "ai";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { runClientTools } from "../../../src/client/client-tools.ts";
import { ChatSessionObject, type ClientTool } from "../../../src/session/chat-session-object.ts";
import type { Turn } from "../../../src/session/turn-context.ts";
import { scriptedModel, type ScriptedModel } from "../../../src/testing/scripted-model.ts";
import { makeTestThread } from "../../../src/testing/thread/test-thread.ts";
import type { ThreadWorld } from "../../../src/testing/thread/thread-world.ts";
import { ownThreads } from "./own-threads.ts";

const threadOf = ownThreads();
const WEEK_MS = 7 * 86_400_000;

class Asking extends ChatSessionObject {
  static override configure() {
    return { approvalExpiresMs: WEEK_MS / 7_000_000 };
  }

  async *onTurn(turn: Turn): AsyncGenerator<UIMessageChunk> {
    const toolCallId = turn.resume ? "call-2" : "call-1";
    yield { type: "tool-input-available", toolCallId, toolName: "pay", input: {} };
    yield { type: "tool-approval-request", toolCallId, approvalId: "approval-1" };
  }
}

describe("an approval", () => {
  it("expires also after a time that is no whole number of ms", async () => {
    const thread = threadOf(Asking);
    await thread.send("Go.");
    await thread.settle();
    expect(thread.snapshot().status).toBe("waiting");
    expect(thread.alarm).not.toBeNull();
    await thread.advance(100);
    expect(thread.messages()[1]!.parts).toContainEqual(
      expect.objectContaining({ approval: expect.objectContaining({ reason: "expired" }) as unknown }),
    );
  });

  it("under an id that the reply has had already fails the turn, since no answer would find it", async () => {
    const thread = threadOf(Asking);
    const sending = thread.send("Go.");
    await thread.settle();
    await thread.approve(thread.approvals()[0]!, { approved: true });
    const reply = await sending.settled;
    expect(reply?.facts).toMatchObject({ outcome: "failed", error: { code: "model_error" } });
    expect(thread.alarm).toBeNull();
  });
});

class Picking extends ChatSessionObject<{ model: ScriptedModel }> {
  static override clientTools: Record<string, ClientTool> = { pick: {} };

  async onTurn(turn: Turn) {
    const pick = tool({ inputSchema: z.object({}) });
    return streamText({ model: this.env.model, messages: await turn.modelMessages(), tools: turn.tools({ pick }) });
  }
}
const picking = () => scriptedModel(({ prompt }) => (prompt.at(-1)!.role === "tool" ? "Done." : [{ tool: "pick", input: {} }]));

describe("a call of a client tool", () => {
  it("that a deploy has taken away has its end, and the turn goes on, with what waits behind it", async () => {
    class Deployed extends Picking {}
    const thread = threadOf(Deployed, { env: { model: picking() } });
    const sending = thread.send("Go.");
    await thread.settle();
    expect(thread.snapshot().status).toBe("waiting");
    Deployed.clientTools = {};
    thread.crash();
    const reply = await sending.settled;
    expect(reply?.facts?.outcome).toBe("completed");
    expect(reply?.parts).toContainEqual(expect.objectContaining({ type: "tool-pick", state: "output-error" }));
  });

  it("goes on over a line that died in silence, and its output counts", async () => {
    let world = null as ThreadWorld | null;
    const thread = makeTestThread(
      Picking,
      { env: { model: picking() }, onError: () => {} },
      { seed: "1", faults: [], latency: "none", onError: () => {}, adopt: (made) => (world = made) },
    );
    const [own] = world!.clients;
    const signals: AbortSignal[] = [];
    const { promise: answer, resolve } = Promise.withResolvers<unknown>();
    runClientTools(own!.client, {
      pick: (_input, { signal }) => {
        signals.push(signal);
        return answer;
      },
    });
    const sending = thread.send("Go.");
    await thread.settle();
    expect(signals).toHaveLength(1);
    // The server hears of it much later: until then it takes the first connection for open.
    own!.browser.connections[0]!.cut({ clientAfterMs: 100, serverAfterMs: 100_000 });
    await thread.advance(5_000);
    expect(thread.snapshot().connection.kind).toBe("live");
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    resolve({ picked: 1 });
    const reply = await sending.settled;
    expect(reply?.parts).toContainEqual(expect.objectContaining({ output: { picked: 1 } }));
    await thread.advance(100_000);
    expect(signals).toHaveLength(1);
    await thread.close();
  });
});
