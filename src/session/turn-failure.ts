// What clients are told of an error in `onTurn`: its code when it is ours, and never the text of anybody else's, unless the
// app's own hook says so.
import { isChatError, toErrorBody, type ErrorBody } from "../errors.ts";

/** @param errorText the app's text for an error that is not ours */
export function turnFailure(error: unknown, errorText: (error: unknown) => string): ErrorBody {
  if (isChatError(error)) return toErrorBody(error);
  return { code: "model_error", message: errorText(error), retryable: true };
}
