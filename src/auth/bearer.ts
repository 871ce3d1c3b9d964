import { ChatError, isChatError } from "../errors.ts";
import type { Authenticator } from "./authenticate.ts";
import type { Principal } from "../protocol/principal.ts";

/** A longer token is refused unread. */
const MAX_TOKEN_CHARS = 16_384;

/** Checks a token: the principal it stands for, or null when it is not valid. */
export type VerifyToken = (token: string, request: Request) => Principal | null | Promise<Principal | null>;

/**
 * Authenticates by `Authorization: Bearer <token>`. A request without that header has no credential; a token that `verify`
 * refuses is a 401, whatever other authenticators there are.
 *
 * A `ChatError` that `verify` throws is passed on; anything else is a 401 that has the error as its cause and never its text.
 */
export function bearer(verify: VerifyToken): Authenticator {
  return async (request) => {
    const match = /^bearer(?:\s+(.*))?$/i.exec(request.headers.get("authorization") ?? "");
    if (!match) return undefined;
    const token = match[1]?.trim() ?? "";
    if (token === "" || token.length > MAX_TOKEN_CHARS) return null;
    try {
      return (await verify(token, request)) ?? null;
    } catch (cause) {
      if (isChatError(cause)) throw cause;
      throw new ChatError("unauthenticated", "The credential was refused.", { cause });
    }
  };
}
