// Tool calls as parts of a message: what the fold, the session and the client ask of them.
import type { Part } from "./messages.ts";

/** A tool call as a part. */
export type ToolPart = Extract<Part, { toolCallId: string }>;

/** The outcome of a call whose tool was at work when its process died: nobody knows. */
export const UNKNOWN_OUTCOME = "Interrupted, outcome unknown.";

/** Whether a part is a tool call. */
export function isCall(part: Part): part is ToolPart {
  return part.type === "dynamic-tool" || part.type.startsWith("tool-");
}

export function toolNameOf(part: ToolPart): string {
  return part.type === "dynamic-tool" ? part.toolName : part.type.slice("tool-".length);
}

/** True when a later call has the id of the one at `at`: an outcome would go to that one. */
export function isShadowed(parts: readonly Part[], at: number): boolean {
  const { toolCallId } = parts[at] as ToolPart;
  return parts.some((other, index) => index > at && isCall(other) && other.toolCallId === toolCallId);
}
