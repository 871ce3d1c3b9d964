// The HTTP door of chatcell: finds the route, holds the rules that all routes share (origin, method, errors) and hands over.
// Nothing here is stored, and no object is touched for a request that the Worker can refuse.
import { listAuthenticators } from "../auth/authenticate.ts";
import { corsHeaders, isLoopback, preflightResponse, requireOrigin } from "../auth/origin.ts";
import { createSigner } from "../auth/secret.ts";
import { ChatError } from "../errors.ts";
import { newId } from "../protocol/ids.ts";
import { handleCommand } from "./commands-route.ts";
import { handleIdentity } from "./identity-route.ts";
import { handleMessages } from "./messages-route.ts";
import { requireNamespace } from "./namespace.ts";
import type { RouteChatRequestOptions, RouteContext, RouterDeps } from "./options.ts";
import { errorResponse } from "./responses.ts";
import { matchRoute, METHODS, pathBelow, type Route } from "./routes.ts";
import { handleSocket } from "./socket-route.ts";
import { handleTicket } from "./ticket-route.ts";

const SYSTEM_DEPS: RouterDeps = { now: () => Date.now(), newId };

/**
 * Answers a request below `basePath`, or resolves to null when it is none of ours. Never rejects: failures are JSON answers
 * `{ error }` with a status.
 *
 * @example
 * import { anonymous, routeChatRequest, type ChatNamespace } from "chatcell";
 *
 * interface Env {
 *   CHAT: ChatNamespace;
 *   CHATCELL_SECRET: string;
 * }
 *
 * export default {
 *   async fetch(request: Request, env: Env): Promise<Response> {
 *     const options = { namespace: env.CHAT, secret: env.CHATCELL_SECRET, authenticate: anonymous() };
 *     return (await routeChatRequest(request, options)) ?? new Response("Not found", { status: 404 });
 *   },
 * };
 */
export function routeChatRequest(request: Request, options: RouteChatRequestOptions): Promise<Response | null> {
  return handleChatRequest(request, options, SYSTEM_DEPS);
}

/** {@link routeChatRequest} with its clock and ids given. */
export async function handleChatRequest(request: Request, options: RouteChatRequestOptions, deps: RouterDeps): Promise<Response | null> {
  const url = new URL(request.url);
  let headers = corsHeaders("");
  try {
    const basePath = requireBasePath(options.basePath ?? "/chat");
    const path = pathBelow(url.pathname, basePath);
    if (path === null) return null;
    const origin = requireOrigin(request, options.allowedOrigins ?? []);
    headers = corsHeaders(origin);
    const route = matchRoute(path);
    if (!route || (route.kind.startsWith("ai-sdk") && !options.aiSdk))
      throw new ChatError("not_found", "There is nothing at this address.");
    const methods = METHODS[route.kind];
    if (request.method === "OPTIONS") return preflightResponse(request, origin, methods);
    if (!methods.includes(request.method)) {
      headers = { ...headers, allow: [...methods, "OPTIONS"].join(", ") };
      throw new ChatError("method_not_allowed", `This address takes ${methods.join(", ")}.`);
    }
    requireNamespace(options.namespace);
    listAuthenticators(options.authenticate);
    const auth = {
      origin: origin || readerOf(request, route),
      now: deps.now(),
      newId: () => deps.newId(),
      cookieSigner: createSigner(options.secret, "cookie"),
    };
    return await handleRoute(request, route, { ...options, basePath, auth, headers });
  } catch (error) {
    return errorResponse(error, headers, isLoopback(url));
  }
}

function handleRoute(request: Request, route: Route, context: RouteContext): Promise<Response> {
  switch (route.kind) {
    case "identity":
      return handleIdentity(request, context);
    case "ticket":
      return handleTicket(request, route.threadId, context);
    case "commands":
      return handleCommand(request, route.threadId, context);
    case "messages":
      return handleMessages(request, route.threadId, context);
    case "socket":
      return handleSocket(request, route.threadId, context);
    default:
      // Without an endpoint there are no such routes.
      return context.aiSdk!.handle(request, route, context);
  }
}

/**
 * The origin of a page that reads from its own server: browsers send no Origin with that, but say so in a header that no page can
 * set. "" for any other request.
 */
function readerOf({ method, url, headers }: Request, { kind }: Route): string {
  const isRead = kind === "messages" || kind === "ai-sdk/stream";
  return isRead && method === "GET" && headers.get("sec-fetch-site") === "same-origin" ? new URL(url).origin : "";
}

function requireBasePath(basePath: string): string {
  if (basePath === "/" || /^(\/[^/?#\s]+)+$/.test(basePath)) return basePath;
  throw new ChatError(
    "configuration",
    `\`basePath\` is ${JSON.stringify(basePath)}: it must begin with "/" and not end with one, e.g. "/chat".`,
  );
}
