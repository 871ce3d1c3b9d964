// The one error type of chatcell, and which of its codes are retryable. Statuses and close codes: error-table.ts.
// Every other module names errors by code.
import type { ERRORS } from "./error-table.ts";

export { ERRORS } from "./error-table.ts";

/** Codes whose request may succeed later without a change. A unit test holds this list and the table together. */
const RETRYABLE = [
  "reauthenticate",
  "bad_ticket",
  "turn_active",
  "queue_full",
  "rate_limited",
  "too_many_connections",
  "too_many_admissions",
  "too_slow",
  "schema_ahead",
  "migration_failed",
  "model_error",
  "interrupted",
  "attempts_exhausted",
  "work_exhausted",
  "internal",
] as const satisfies readonly ErrorCode[];

/** Every code that an error frame, an HTTP error body or a close can carry. */
export type ErrorCode = keyof typeof ERRORS;

/** An error as it travels: the body of an error frame and of an HTTP error. Never holds a stack or SQL. */
export interface ErrorBody {
  code: ErrorCode;
  /** One sentence for a developer: what happened and what to do next. */
  message: string;
  retryable: boolean;
  details?: unknown;
}

/**
 * The error that every part of chatcell throws. Branch on `code` (through {@link isChatError}), never on `instanceof`:
 * two bundles hold two classes. `retryable` follows from the code unless it is given, as for an error that came by wire.
 */
export class ChatError extends Error {
  override readonly name = "ChatError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details?: unknown;

  constructor(code: ErrorCode, message: string, options?: { details?: unknown; cause?: unknown; retryable?: boolean }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options?.retryable ?? (RETRYABLE as readonly string[]).includes(code);
    if (options?.details !== undefined) this.details = options.details;
  }
}

/** True for a `ChatError` of any bundle, optionally of one code. */
export function isChatError(error: unknown, code?: ErrorCode): error is ChatError {
  return error instanceof Error && error.name === "ChatError" && (code ?? (error as ChatError).code) === (error as ChatError).code;
}

/** What visitors read of a `configuration` error, whose own text is for developers. */
export const MISCONFIGURED = "The server is not set up correctly. Its log says how to mend it.";

/** The wire form of an error. Anything that is not a `ChatError` becomes `internal`, without its text. */
export function toErrorBody(error: unknown): ErrorBody {
  if (!isChatError(error)) return { code: "internal", message: "Something went wrong on the server.", retryable: true };
  const { code, message, retryable, details } = error;
  return { code, message, retryable, ...(details !== undefined ? { details } : {}) };
}
