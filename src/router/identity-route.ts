import { listAuthenticators } from "../auth/authenticate.ts";
import { ChatError } from "../errors.ts";
import type { IdentityResponse } from "../protocol/frames.ts";
import type { RouteContext } from "./options.ts";
import { jsonResponse } from "./responses.ts";

/**
 * `POST /identity`: gives the visitor an identity, or answers the one it has.
 *
 * @throws {ChatError} `not_found` when no authenticator of the app gives identities.
 */
export async function handleIdentity(request: Request, context: RouteContext): Promise<Response> {
  const issuer = listAuthenticators(context.authenticate).find((authenticator) => authenticator.issue);
  if (!issuer?.issue) throw new ChatError("not_found", "This server gives no identities: send the credential that it asks for.");
  const { principal, setCookie } = await issuer.issue(request, context.auth);
  const headers = setCookie === undefined ? context.headers : { ...context.headers, "set-cookie": setCookie };
  return jsonResponse({ principal: { id: principal.id } } satisfies IdentityResponse, headers);
}
