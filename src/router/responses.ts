// Answers of the router. Errors are `{ error }` with the status of the one error table; what only the developer may know goes to
// the log, and into the answer on a loopback host only.
import { ERRORS } from "../error-table.ts";
import { ChatError, isChatError, MISCONFIGURED, toErrorBody, type ErrorBody } from "../errors.ts";

/** A JSON answer that no cache may keep. */
export function jsonResponse(value: unknown, headers: Record<string, string>, status = 200): Response {
  return Response.json(value, { status, headers: { ...headers, "cache-control": "no-store" } });
}

/** The answer to a request that failed with `error`. Reports to the log, once, what a developer has to mend. */
export function errorResponse(error: unknown, headers: Record<string, string>, isLoopback: boolean): Response {
  report(error, isLoopback);
  let body = toErrorBody(error);
  if (body.code === "configuration" && !isLoopback) body = { code: body.code, message: MISCONFIGURED, retryable: body.retryable };
  return jsonResponse({ error: body }, headers, statusOf(error));
}

function statusOf(error: unknown): number {
  if (isUnavailable(error)) return 503;
  if (!isChatError(error)) return ERRORS.internal.status;
  // An error of an object that is newer than this Worker may have a code that is not in our table.
  return Object.hasOwn(ERRORS, error.code) ? ERRORS[error.code].status : ERRORS.internal.status;
}

/**
 * True for what the runtime throws when an object is overloaded, was reset or could not be reached.
 * Source: https://developers.cloudflare.com/durable-objects/best-practices/error-handling/
 */
function isUnavailable(error: unknown): boolean {
  if (isChatError(error) || !(error instanceof Error)) return false;
  const flags = error as { overloaded?: unknown; retryable?: unknown; durableObjectReset?: unknown };
  return flags.overloaded === true || flags.retryable === true || flags.durableObjectReset === true;
}

function report(error: unknown, isLoopback: boolean): void {
  if (!isChatError(error) || error.code === "internal") console.error("chatcell: a request failed", error);
  else if (error.code === "configuration") console.error(`chatcell: ${error.message}`, ...(error.cause === undefined ? [] : [error.cause]));
  // In production anyone can provoke these, and they would fill the log.
  else if (isLoopback && error.cause !== undefined) console.error(`chatcell: ${error.code}`, error.cause);
}

/** The refusal that an object answered, as an error of this Worker, which may be older than the object. */
export function toChatError({ code, message, retryable, details }: ErrorBody): ChatError {
  if (!Object.hasOwn(ERRORS, code)) return new ChatError("internal", "The server answered with an error that this version does not know.");
  return new ChatError(code, message, { retryable, details });
}
