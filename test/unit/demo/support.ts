// Drives the demo model through the real `streamText` and `generateText`; holds no assertions.
import { convertToModelMessages, streamText, type ModelMessage, type ToolSet, type UIMessage } from "ai";
import { createDemoModel, type DemoModelOptions } from "../../../src/demo/model.ts";

/** A model without any delay. */
export function fastModel(options: DemoModelOptions = {}): ReturnType<typeof createDemoModel> {
  return createDemoModel({ wordsPerSecond: Infinity, ...options });
}

/** The text of the answer to one message. */
export async function answerTo(message: string, options: DemoModelOptions = {}): Promise<string> {
  return await streamText({ model: fastModel(options), prompt: message }).text;
}

/** Model messages of a conversation: user and assistant by turns, the user first. */
export function conversation(...texts: string[]): ModelMessage[] {
  return texts.map((content, index): ModelMessage => (index % 2 === 0 ? { role: "user", content } : { role: "assistant", content }));
}

/** The text of the answer to a conversation. */
export async function answerIn(...texts: string[]): Promise<string> {
  return await streamText({ model: fastModel(), messages: conversation(...texts) }).text;
}

/** One turn as a chat server runs it: UI messages in, the next UI message's text out. */
export async function chatTurn(history: readonly UIMessage[], tools?: ToolSet): Promise<ReturnType<typeof streamText>> {
  const messages = await convertToModelMessages([...history]);
  return streamText({ model: fastModel(), messages, ...(tools === undefined ? {} : { tools }) });
}

/** The items of a stream up to its end. */
export async function readAll<T>(stream: ReadableStream<T>): Promise<T[]> {
  const items: T[] = [];
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) items.push(next.value);
  return items;
}

export function countWords(text: string): number {
  return text.trim().split(/\s+/u).filter(Boolean).length;
}
