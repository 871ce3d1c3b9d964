// What the model is shown: the active branch as AI SDK model messages. Stored rows are never touched.
import type { ModelMessage, UIMessage } from "ai";
import type { Message } from "../protocol/messages.ts";

/**
 * The messages in the form that `streamText` takes, oldest first. A tool call without a result is left out, and so is a
 * message with nothing that a model can read (a turn that was stopped before its first word).
 */
export async function toModelMessages(messages: readonly Message[]): Promise<ModelMessage[]> {
  const { convertToModelMessages } = await import("./ai-runtime.ts");
  const readable = messages.filter((message) => message.parts.some(isReadable));
  return convertToModelMessages(readable.map(toUIMessage), { ignoreIncompleteToolCalls: true });
}

/** A message as the AI SDK's `UIMessage`, without the fields that are ours. */
export function toUIMessage({ id, role, parts, metadata }: Message): UIMessage {
  return { id, role, parts, ...(metadata !== undefined ? { metadata } : {}) };
}

function isReadable(part: Message["parts"][number]): boolean {
  return part.type !== "step-start" && !part.type.startsWith("data-");
}
