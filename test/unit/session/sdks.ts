// Both versions of the AI SDK that we stand beside, behind the part of their surface that the tests use.
import * as ai7 from "ai";
import * as ai6 from "ai-6";
import { shapePrompt } from "../../../src/history/prompt-shape.ts";
import { repairTranscript } from "../../../src/history/repair.ts";
import { toModelMessages, toUIMessage, type ModelViewOptions } from "../../../src/history/model-view.ts";
import type { Chunk, Message } from "../../../src/protocol/messages.ts";
import { scriptedModel, type Script, type ScriptedModel } from "../../../src/testing/scripted-model.ts";

interface Asked {
  tools: Record<string, object>;
  messages: unknown;
  abortSignal?: AbortSignal;
  toolApproval?: unknown;
}

export interface Sdk {
  name: string;
  model(script: Script): ScriptedModel;
  /** The model messages as this version makes them. */
  toModelMessages(messages: Message[], options?: ModelViewOptions): Promise<unknown>;
  /** Every chunk of a `streamText` of up to four steps; raw errors go to `onError`. */
  stream(model: ScriptedModel, asked: Asked): Promise<Chunk[]>;
  /** The same of an agent. */
  agent(model: ScriptedModel, asked: Asked): Promise<Chunk[]>;
}

interface Result {
  toUIMessageStream(options: { onError(error: unknown): string }): AsyncIterable<unknown>;
}

async function chunksOf(result: Result | Promise<Result>): Promise<Chunk[]> {
  const stream = (await result).toUIMessageStream({
    onError: (error) => `shown: ${error instanceof Error ? error.message : String(error)}`,
  });
  const chunks: Chunk[] = [];
  for await (const chunk of stream) chunks.push(chunk as Chunk);
  return chunks;
}

const quiet = { onError: () => {} };
type Settings7 = Parameters<typeof ai7.streamText>[0];
type Settings6 = Parameters<typeof ai6.streamText>[0];

const SEVEN: Sdk = {
  name: "ai 7",
  model: (script) => scriptedModel(script),
  toModelMessages,
  stream: (model, asked) =>
    chunksOf(ai7.streamText({ ...asked, ...quiet, model, stopWhen: ai7.stepCountIs(4) } as unknown as Settings7) as Result),
  async agent(model, { messages, abortSignal, ...settings }) {
    const agent = new ai7.ToolLoopAgent({ ...settings, model } as unknown as ConstructorParameters<typeof ai7.ToolLoopAgent>[0]);
    return chunksOf(agent.stream({ messages, abortSignal } as unknown as Parameters<typeof agent.stream>[0]) as Promise<Result>);
  },
};

const SIX: Sdk = {
  name: "ai 6",
  // What the scripts use of it is the same in both specifications.
  model: (script) => ({ ...scriptedModel(script), specificationVersion: "v3" }) as unknown as ScriptedModel,
  async toModelMessages(messages, { continueNote, tools, ...options } = {}) {
    const known = tools ? { hasTool: (name: string) => Object.hasOwn(tools, name) } : {};
    const repaired = repairTranscript(messages, { runsAnswered: continueNote === undefined, ...options, ...known });
    type Theirs = Parameters<typeof ai6.convertToModelMessages>;
    const converted = await ai6.convertToModelMessages(
      repaired.map(toUIMessage) as unknown as Theirs[0],
      { tools } as unknown as Theirs[1],
    );
    return shapePrompt(converted as unknown as Parameters<typeof shapePrompt>[0], continueNote);
  },
  stream: (model, asked) => chunksOf(ai6.streamText({ ...asked, ...quiet, model, stopWhen: ai6.stepCountIs(4) } as unknown as Settings6)),
  async agent(model, { messages, abortSignal, ...settings }) {
    const agent = new ai6.ToolLoopAgent({ ...settings, model } as unknown as ConstructorParameters<typeof ai6.ToolLoopAgent>[0]);
    return chunksOf(agent.stream({ messages, abortSignal } as unknown as Parameters<typeof agent.stream>[0]));
  },
};

export const SDKS: readonly Sdk[] = [SEVEN, SIX];
