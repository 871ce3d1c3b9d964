// Asks for tickets: one question per attempt. What it gives is a ticket or a refusal that stays; what may pass is thrown.
import type { ErrorBody } from "../errors.ts";
import type { TicketRequest, TicketResponse } from "../protocol/frames.ts";
import { tryParseJson } from "../protocol/server-frames.ts";
import type { ChatClientOptions } from "./types.ts";

/** The body of an answer, with `error` in each that is a refusal for good. */
type Answer = Partial<TicketResponse> & { error?: ErrorBody };

/**
 * A new ticket for the thread, or why there will be none. Makes an identity first when the server asks for one, once.
 * @throws what `fetch` or a `headers` function throws, and each answer that another attempt may better
 */
export async function requestTicket(options: ChatClientOptions, wish: TicketRequest, signal: AbortSignal): Promise<Answer> {
  const ask = () => post(options, `/threads/${options.threadId}/ticket`, wish, signal);
  let answer = await ask();
  if (answer.error?.code === "identity_required") {
    answer = await post(options, "/identity", {}, signal);
    if (!answer.error) answer = await ask();
  }
  if (answer.error || answer.ticket) return answer;
  throw answer;
}

async function post(options: ChatClientOptions, path: string, body: object, signal: AbortSignal): Promise<Answer> {
  const { url, fetch = globalThis.fetch } = options;
  const headers = new Headers(await resolve(options.headers));
  headers.set("content-type", "application/json");
  const credentials = await resolve(options.credentials);
  const init = { method: "POST", headers, credentials, body: JSON.stringify(body), signal };
  const response = await fetch(url + path, init);
  const { ok, status } = response;
  const answer = tryParseJson(await response.text()) as Answer | null;
  if (ok && answer) return answer;
  // What answers may be something else than chatcell.
  const error = answer?.error?.message
    ? answer.error
    : ({ code: "internal", message: `Answered with status ${status}`, retryable: ok || status === 429 || status > 499 } as const);
  if (status === 401 || !error.retryable) return { error };
  throw error;
}

function resolve<Value>(value: Value | (() => Value)): Value {
  return typeof value === "function" ? (value as () => Value)() : value;
}
