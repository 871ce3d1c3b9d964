// The one check of a chunk that comes from outside. What passes it can be normalised, folded and logged without further
// looks at its shape. A type that we do not know passes as it is: a newer AI SDK must not break an older thread.
import { ChatError } from "../errors.ts";
import type { Chunk } from "../protocol/messages.ts";

/** Fields without which the fold cannot place a chunk: each must be a string. */
const REQUIRED_STRINGS: ReadonlyMap<string, readonly string[]> = new Map([
  ["text-start", ["id"]],
  ["text-delta", ["id", "delta"]],
  ["text-end", ["id"]],
  ["reasoning-start", ["id"]],
  ["reasoning-delta", ["id", "delta"]],
  ["reasoning-end", ["id"]],
  ["tool-input-start", ["toolCallId", "toolName"]],
  ["tool-input-delta", ["toolCallId", "inputTextDelta"]],
  ["tool-input-available", ["toolCallId", "toolName"]],
  ["tool-input-error", ["toolCallId", "toolName", "errorText"]],
  ["tool-approval-request", ["approvalId", "toolCallId"]],
  ["tool-approval-response", ["approvalId"]],
  ["tool-output-available", ["toolCallId"]],
  ["tool-output-error", ["toolCallId", "errorText"]],
  ["tool-output-denied", ["toolCallId"]],
  ["error", ["errorText"]],
]);

/**
 * Returns the same value as a chunk when it is an object with a string `type` and, for the types that we know, with the
 * strings that its place in the message depends on.
 *
 * @throws {ChatError} model_error, naming what is wrong and never the content.
 */
export function checkChunk(value: unknown): Chunk {
  if (typeof value !== "object" || value === null || !("type" in value) || typeof value.type !== "string") {
    throw new ChatError("model_error", `The turn produced ${describeValue(value)} where a UI message chunk was expected.`);
  }
  const required = REQUIRED_STRINGS.get(value.type);
  if (required !== undefined) {
    const fields: Partial<Record<string, unknown>> = value;
    for (const field of required) {
      if (typeof fields[field] !== "string") {
        throw new ChatError("model_error", `The turn produced a "${value.type}" chunk whose "${field}" is not a string.`);
      }
    }
  }
  return value as Chunk;
}

/** What kind of value this is, for an error message: never its content. */
export function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (value instanceof Uint8Array) return "bytes";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "type" in value ? "an object whose type is not a string" : "an object without a type";
  if (value === undefined) return "undefined";
  return `a ${typeof value}`;
}
