// What the tests of the fold share: the AI SDK's own reader as the reference, and how to compare with it.
import { readUIMessageStream, type UIMessage } from "ai";
import type { Chunk, LiveMessage, LiveState, Part } from "../../../src/protocol/messages.ts";

export const MESSAGE_ID = "reply-1";

export const json = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** `value` as JSON text with sorted keys: what to compare, since matchers stumble over keys such as `constructor`. */
export function canonical(value: unknown): string {
  const sorted = (_: string, inner: unknown): unknown =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner;
  return JSON.stringify(value, sorted, 1) ?? "undefined";
}

/**
 * `value` as JSON text that the AI SDK's parser reads as we do wherever it is cut: inside of an open object it misreads exponents
 * with a plus, and quotes in a key, where we show what is there.
 */
export function streamableJson(value: unknown, indent?: string | number): string {
  const withoutQuotes = (_: string, inner: unknown): unknown =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).map(([key, field]) => [key.replaceAll('"', "'"), field]))
      : inner;
  return JSON.stringify(value, withoutQuotes, indent).replaceAll(/(\d)e\+/g, "$1e");
}

/** The chunk with a type that TypeScript cannot see through. */
export const chunkOf = (fields: { type: string } & Record<string, unknown>): Chunk => fields as unknown as Chunk;

export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

/** The message that the AI SDK's reader makes of `chunks`, as JSON; the error when it throws. */
export async function sdkFold(chunks: readonly Chunk[]): Promise<{ message: LiveMessage; error: unknown }> {
  // The reader works on this very object; its snapshots would miss what it does not announce, such as a step's start.
  const message: UIMessage = { id: MESSAGE_ID, role: "assistant", parts: [] };
  let error: unknown;
  const stream = new ReadableStream<Chunk>({
    start(controller) {
      for (const chunk of json(chunks)) controller.enqueue(chunk);
      controller.close();
    },
  });
  const reader = readUIMessageStream({ message, stream, onError: (reason) => (error ??= reason) });
  for await (const _ of reader);
  return { message: json(message) as LiveMessage, error };
}

/** Whether nothing of the message awaits another chunk. */
export function isSettled({ message, open }: LiveState): boolean {
  const openStates = ["streaming", "input-streaming", "input-available", "approval-requested", "approval-responded"];
  const isOpen = (part: Part): boolean =>
    "state" in part && (openStates.includes(part.state as string) || (part.state === "output-available" && !!part.preliminary));
  return !message.parts.some(isOpen) && [open.text, open.reasoning, open.input].every((record) => Object.keys(record).length === 0);
}
