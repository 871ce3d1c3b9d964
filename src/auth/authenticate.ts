// From a request to a principal. The first authenticator that finds a credential of its own kind decides, for good or bad:
// a refused credential never falls through to a weaker one.
import { ChatError } from "../errors.ts";
import type { Principal } from "../protocol/principal.ts";
import { validatePrincipal } from "./principal.ts";
import type { Signer } from "./secret.ts";

/** What an authenticator may need beside the request. */
export interface AuthenticateContext {
  /** The accepted Origin of the request; "" when it has none: then only a bearer counts, never a cookie. */
  origin: string;
  /** Epoch ms. */
  now: number;
  newId(): string;
  /** Signs and verifies identity cookies. */
  cookieSigner: Signer;
}

/** An identity that a visitor without a credential can be given. */
export interface IssuedIdentity {
  principal: Principal;
  /** Value of the `Set-Cookie` header; absent when the visitor's cookie is good as it is. */
  setCookie?: string;
}

/**
 * Says who a request comes from: a principal; `null` for a credential that is refused (401, no other authenticator is asked);
 * `undefined` when the request has no credential of this kind (the next authenticator is asked). May throw a `ChatError`.
 * Must not read the body. A request without an Origin comes without its cookies.
 */
export interface Authenticator {
  (request: Request, context: AuthenticateContext): Principal | null | undefined | Promise<Principal | null | undefined>;
  /** Present when it can make an identity on request (`POST /identity`). */
  readonly issue?: (request: Request, context: AuthenticateContext) => Promise<IssuedIdentity>;
}

/** The app's rule: one authenticator, or a list in the order in which they are asked. */
export type Authenticate = Authenticator | readonly Authenticator[];

/** The list form of `authenticate`. */
export function listAuthenticators(authenticate: Authenticate): readonly Authenticator[] {
  const list = typeof authenticate === "function" ? [authenticate] : authenticate;
  // `authenticate` is required by type; JavaScript callers and empty lists end here.
  if (!Array.isArray(list) || list.length === 0 || !list.every((one) => typeof one === "function"))
    throw new ChatError(
      "configuration",
      "`authenticate` is missing: pass `anonymous()`, `bearer(verify)`, a function of your own, or a list of these.",
    );
  return list;
}

/**
 * The principal of `request`, checked and not expired.
 *
 * @throws {ChatError} `identity_required` when there is no credential and one of the authenticators gives identities;
 * `unauthenticated` for none or a bad one; `configuration` for a principal that breaks the rules; what an authenticator throws.
 */
export async function authenticateRequest(request: Request, authenticate: Authenticate, context: AuthenticateContext): Promise<Principal> {
  const authenticators = listAuthenticators(authenticate);
  const seen = context.origin === "" ? withoutCookies(request) : request;
  for (const authenticator of authenticators) {
    const found = await authenticator(seen, context);
    if (found === undefined) continue;
    if (found === null) throw new ChatError("unauthenticated", "The credential was refused.");
    const principal = validatePrincipal(found);
    if (principal.expiresAt !== undefined && principal.expiresAt <= context.now)
      throw new ChatError("unauthenticated", "The credential has expired.");
    return principal;
  }
  if (authenticators.some((authenticator) => authenticator.issue))
    throw new ChatError("identity_required", "The request has no identity: make one with POST /identity, then try again.");
  throw new ChatError("unauthenticated", "The request has no credential.");
}

/** A cookie travels by itself, so it counts only for a page whose origin is known. This holds the rule for the app's own cookies too. */
function withoutCookies(request: Request): Request {
  if (!request.headers.has("cookie")) return request;
  const headers = new Headers(request.headers);
  headers.delete("cookie");
  // Made from the address, because a Request made from a Request takes its body away from it.
  return new Request(request.url, { method: request.method, headers, ...(request.cf ? { cf: request.cf } : {}) });
}
