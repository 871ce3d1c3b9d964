// What clients are told of an error in `onTurn`: its code when it is ours, and never the text of anybody else's, unless the
// app's own hook says so.
import { isChatError, toErrorBody, type ErrorBody } from "../errors.ts";

/** @param errorText the app's text for an error that is not ours */
export function turnFailure(error: unknown, errorText: (error: unknown) => string): ErrorBody {
  const body: ErrorBody = isChatError(error) ? toErrorBody(error) : { code: "model_error", message: errorText(error), retryable: true };
  return { ...body, message: shorten(body.message) };
}

/** Longest text of others that enters the facts of a turn, in UTF-16 units: these stand in one column, and go to every client. */
const MAX_FACT_LENGTH = 2_000;

export function shorten(text: string): string {
  return text.length > MAX_FACT_LENGTH ? `${text.slice(0, MAX_FACT_LENGTH)}…` : text;
}
