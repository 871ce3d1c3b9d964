// What clients are told of an error in `onTurn`: its code when it is ours, and never the text of anybody else's, unless the
// app's own hook says so.
import { isChatError, MISCONFIGURED, type ErrorBody } from "../errors.ts";

/**
 * Without `details`: they were for whoever got the error, and may be of another thread.
 * @param errorText the text for people; see `SessionHooks`
 * @param isDevelopment whether who reads it is the developer: what has to be mended in the Worker is for nobody else
 */
export function turnFailure(error: unknown, errorText: (error: unknown) => string, isDevelopment: boolean): ErrorBody {
  const { code, retryable } = isChatError(error) ? error : ({ code: "model_error", retryable: true } as const);
  const text = code === "configuration" && !isDevelopment ? MISCONFIGURED : errorText(error);
  return { code, message: shorten(text), retryable };
}

/** Longest text of others that enters the facts of a turn, in UTF-16 units: these stand in one column, and go to every client. */
const MAX_FACT_LENGTH = 2_000;

export function shorten(text: string): string {
  return text.length > MAX_FACT_LENGTH ? `${text.slice(0, MAX_FACT_LENGTH)}…` : text;
}
