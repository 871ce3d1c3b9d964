// What clients are told of an error in `onTurn`: its code when it is ours, and never the text of anybody else's.
import { isChatError, toErrorBody, type ErrorBody } from "../errors.ts";
import { GENERIC_ERROR_TEXT } from "../stream/source.ts";

export function turnFailure(error: unknown): ErrorBody {
  if (isChatError(error)) return toErrorBody(error);
  return { code: "model_error", message: GENERIC_ERROR_TEXT, retryable: true };
}
