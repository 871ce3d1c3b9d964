// Errors as the client makes them: always from a body, so that it carries no list of codes and no table.
import type { ChatError, ErrorBody } from "../errors.ts";

/** The `ChatError` of an error that came by wire. Known by `isChatError`, not by `instanceof`. */
export function toChatError({ code, message, retryable, details }: ErrorBody): ChatError {
  return Object.assign(new Error(message), { name: "ChatError" as const, code, retryable, details });
}

export const CLOSED: ErrorBody = { code: "interrupted", message: "Closed", retryable: true };
export const NOT_FOUND: ErrorBody = { code: "not_found", message: "Not found", retryable: false };
export const TOO_LARGE: ErrorBody = { code: "too_large", message: "Too large to send", retryable: false };
export const EXPIRED: ErrorBody = { code: "interrupted", message: "Too old to send", retryable: false };
export const NOT_OURS: ErrorBody = { code: "forbidden", message: "Not yours to send", retryable: false };
