// An identity without a sign-in: a random id in a signed cookie. Nothing is stored. The cookie is set by `POST /identity` only,
// so that requests which race on a first visit never make two people.
import { ChatError } from "../errors.ts";
import type { AuthenticateContext, Authenticator, IssuedIdentity } from "./authenticate.ts";
import { isLoopback } from "./origin.ts";
import type { Principal } from "../protocol/principal.ts";

const DAY_MS = 86_400_000;
/** Browsers cap the life of a cookie at 400 days. */
const MAX_AGE_MS = 400 * DAY_MS;
const RENEW_AFTER_MS = 30 * DAY_MS;
/** Of cookies with our name; more come only from someone who plays. */
const MAX_CANDIDATES = 4;
/** Keeps these ids apart from those of any sign-in of the app. */
const ID_PREFIX = "anon:";

interface CookieIdentity {
  id: string;
  /** Epoch ms. */
  issuedAt: number;
}

/**
 * Authenticates a browser by a signed cookie (`__Host-chatcell`, HttpOnly, SameSite=Lax; on loopback http `chatcell`), which
 * `POST /identity` sets. A cookie that is forged or over 400 days old is no credential. Counts only with an accepted Origin.
 * Principal ids begin with `anon:`.
 */
export function anonymous(): Authenticator {
  const authenticate = async (request: Request, context: AuthenticateContext): Promise<Principal | undefined> => {
    if (context.origin === "") return undefined;
    const identity = await findIdentity(request, context);
    return identity && toPrincipal(identity.id);
  };
  return Object.assign(authenticate, { issue });
}

/** The identity of the visitor's cookie, or a new one. Calling it again changes nothing until the cookie is 30 days old. */
async function issue(request: Request, context: AuthenticateContext): Promise<IssuedIdentity> {
  const url = new URL(request.url);
  if (context.origin === "")
    throw new ChatError("bad_origin", "An identity cookie is for browsers: the request has no Origin. Other clients use a bearer token.");
  if (url.protocol === "http:" && context.origin.startsWith("http:") && !isLoopback(url))
    throw new ChatError("bad_request", "Browsers keep the identity cookie only over https (or on localhost): open the page over https.");
  const known = await findIdentity(request, context);
  if (known && context.now - known.issuedAt <= RENEW_AFTER_MS) return { principal: toPrincipal(known.id) };
  const id = known?.id ?? context.newId();
  const claim = `${id}.${context.now}`;
  const value = `${claim}.${await context.cookieSigner.sign(claim)}`;
  return { principal: toPrincipal(id), setCookie: serializeCookie(url, value) };
}

async function findIdentity(request: Request, context: AuthenticateContext): Promise<CookieIdentity | undefined> {
  const values = readCookies(request, cookieName(new URL(request.url)));
  for (const value of values.slice(0, MAX_CANDIDATES)) {
    const match = /^(([\w-]{1,64})\.(\d{1,15}))\.([\w-]{43})$/.exec(value);
    if (!match) continue;
    const [, claim, id, issuedAt, signature] = match;
    if (Number(issuedAt) + MAX_AGE_MS <= context.now) continue;
    if (await context.cookieSigner.verify(claim!, signature!)) return { id: id!, issuedAt: Number(issuedAt) };
  }
  return undefined;
}

function toPrincipal(id: string): Principal {
  return { id: ID_PREFIX + id };
}

/** Browsers refuse `__Host-` and `Secure` on plain http, which local development uses. */
function isPlainLoopback(url: URL): boolean {
  return url.protocol === "http:" && isLoopback(url);
}

function cookieName(url: URL): string {
  return isPlainLoopback(url) ? "chatcell" : "__Host-chatcell";
}

function serializeCookie(url: URL, value: string): string {
  const secure = isPlainLoopback(url) ? "" : "; Secure";
  return `${cookieName(url)}=${value}; Path=/; Max-Age=${MAX_AGE_MS / 1_000}; HttpOnly; SameSite=Lax${secure}`;
}

function readCookies(request: Request, name: string): string[] {
  const pairs = (request.headers.get("cookie") ?? "").split(";").map((pair) => pair.trim());
  return pairs.filter((pair) => pair.startsWith(`${name}=`)).map((pair) => pair.slice(name.length + 1));
}
