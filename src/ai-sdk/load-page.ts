// The last page of history by plain HTTP: what a server that renders has, which opens no sockets.
import { toChatError } from "../client/errors.ts";
import { now, pathOf } from "../client/ticket-source.ts";
import type { ChatClientOptions } from "../client/types.ts";
import type { ErrorBody } from "../errors.ts";
import type { Message } from "../protocol/messages.ts";

/**
 * The last page of settled history. Empty when there is no such thread for whoever asks, also when that is nobody yet.
 * @throws {ChatError} (rejects) when the server refuses it, and what `fetch` throws
 */
export async function loadPage(options: Omit<ChatClientOptions, "threadId">, threadId: string): Promise<Message[]> {
  const { url, fetch = globalThis.fetch } = options;
  const headers = new Headers(await now(options.headers));
  const credentials = await now(options.credentials);
  const response = await fetch(`${url.replace(/\/$/, "")}${pathOf({ threadId })}/messages`, {
    headers,
    ...(credentials && { credentials }),
  });
  const answer = (await response.json().catch(() => null)) as { messages?: Message[]; error?: ErrorBody } | null;
  if (answer?.messages) return answer.messages;
  const { status } = response;
  // What answers may be something else than chatcell.
  const isOurs = typeof answer?.error?.code === "string";
  const error: ErrorBody = isOurs ? answer.error! : { code: "internal", message: `Status ${status}`, retryable: status >= 500 };
  if (["not_found", "identity_required"].includes(error.code)) return [];
  throw toChatError(error);
}
