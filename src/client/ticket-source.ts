// Asks for tickets: one question per attempt. What it gives is a ticket, a refusal that stays, or neither,
// when another attempt may do better; so may one after an error that is thrown.
import type { ErrorBody } from "../errors.ts";
import type { TicketRequest, TicketResponse } from "../protocol/frames.ts";
import type { ChatClientOptions } from "./types.ts";

/** The body of an answer, with `error` in each that is a refusal for good. */
type Answer = Partial<TicketResponse> & { error?: ErrorBody };

/**
 * A new ticket for the thread, or why there will be none. Makes an identity first when the server asks for one, once.
 * @throws what `fetch` or a `headers` function throws, and each answer that another attempt may better
 */
export async function requestTicket(options: ChatClientOptions, wish: TicketRequest, signal: AbortSignal): Promise<Answer> {
  const ask = () => post(options, `${pathOf(options)}/ticket`, wish, signal);
  let answer = await ask();
  if (answer.error?.code === "identity_required") {
    answer = await post(options, "/identity", {}, signal);
    if (!answer.error) answer = await ask();
  }
  return answer;
}

/** The address of a thread below that of all. An id may come from anywhere, and must stay one step of the path. */
export function pathOf({ threadId }: Pick<ChatClientOptions, "threadId">): string {
  return `/threads/${encodeURIComponent(threadId)}`;
}

async function post(options: ChatClientOptions, path: string, body: object, signal: AbortSignal): Promise<Answer> {
  const headers = new Headers(await now(options.headers));
  headers.set("content-type", "application/json");
  const credentials = await now(options.credentials);
  // Either may have taken so long that another attempt is under way; not every `fetch` looks at its signal.
  signal.throwIfAborted();
  // A value of its own: the types of workerd know no `credentials`.
  const request = { method: "POST", headers, credentials, body: JSON.stringify(body), signal };
  const response = await (options.fetch ?? fetch)(options.url + path, request);
  const { ok, status } = response;
  // Neither is one: a body that is no JSON, or cut.
  const answer = (await response.json().catch(() => null)) as Answer | null;
  if (ok && answer && !answer.error) return answer;
  // What answers may be something else than chatcell, with an `error` of its own.
  const error =
    answer?.error?.retryable === undefined
      ? ({ code: "internal", message: `Status ${status}`, retryable: /^(2|408|425|429|5)/.test(`${status}`) } as const)
      : answer.error;
  if (status === 401 || !error.retryable) return { error };
  throw error;
}

/** What an option is at this moment. */
export function now<Value>(value: Value | (() => Value)): Value {
  return typeof value === "function" ? (value as () => Value)() : value;
}
