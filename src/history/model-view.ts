// What the model is shown: the active branch as AI SDK model messages. Stored rows are never touched.
import type { ModelMessage, ToolSet, UIMessage } from "ai";
import type { Message } from "../protocol/messages.ts";
import { shapePrompt } from "./prompt-shape.ts";
import { repairTranscript } from "./repair.ts";

/** Settings of {@link toModelMessages}. */
export interface ModelViewOptions {
  /** Ends the prompt as a message of the user: for a reply that is continued by hand. Answered calls do not run then. */
  continueNote?: string;
  /**
   * Ids of calls in the last step of the last reply whose tools a crash cut off and that may run again. `streamText` and
   * agents run them, like answered ones, before they ask the model: give them tools of `wrapTools`.
   */
  rerunCalls?: ReadonlySet<string>;
  /**
   * The tools, where they are known: a call that is to run and has none gets an outcome, and outputs are told to the model as
   * their tool's `toModelOutput` says.
   */
  tools?: Record<string, object>;
}

/**
 * The messages in the form that `streamText` takes, oldest first, with nothing in them that a provider refuses (see
 * `repairTranscript`): never throws for what history holds. The last message is never one of the assistant. Empty only when
 * there is nothing that a model can read.
 */
export async function toModelMessages(
  messages: readonly Message[],
  { continueNote, rerunCalls, tools }: ModelViewOptions = {},
): Promise<ModelMessage[]> {
  const { convertToModelMessages } = await import("./ai-runtime.ts");
  const repaired = repairTranscript(messages, {
    runsAnswered: continueNote === undefined,
    ...(rerunCalls ? { rerunCalls } : {}),
    ...(tools ? { hasTool: (name: string) => Object.hasOwn(tools, name) } : {}),
  });
  return shapePrompt(await convertToModelMessages(repaired.map(toUIMessage), tools ? { tools: tools as ToolSet } : {}), continueNote);
}

/** A message as the AI SDK's `UIMessage`, without the fields that are ours. */
export function toUIMessage({ id, role, parts, metadata }: Message): UIMessage {
  return { id, role, parts, ...(metadata !== undefined ? { metadata } : {}) };
}
