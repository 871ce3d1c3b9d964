// Which web page a request may come from. A present Origin is the request's own or exactly listed, else nothing happens; what a
// browser may read of an answer follows the same rule. "" stands for a request without an Origin.
import { ChatError } from "../errors.ts";

const PREFLIGHT_MAX_AGE_SECONDS = 7_200;
/** An origin as browsers send it. Apps in a shell have schemes of their own (`capacitor://localhost`). */
const ORIGIN = /^(null|[a-z][a-z0-9+.-]*:\/\/[^/?#\s,*]+)$/;

/** The request's Origin as it was sent; "" when there was none. */
export function originOf(request: Request): string {
  return request.headers.get("origin") ?? "";
}

/** True for a host that only this machine can reach, by the names that browsers treat so. */
export function isLoopback(url: URL): boolean {
  return url.hostname === "localhost" || url.hostname === "127.0.0.1" || url.hostname === "[::1]";
}

/**
 * The origin of `request`, "" when it has none.
 *
 * @throws {ChatError} `bad_origin` for an origin that is neither the request's own nor listed (also for `null`);
 * `configuration` when an entry of the list can never match.
 */
export function requireOrigin(request: Request, allowedOrigins: readonly string[]): string {
  for (const entry of allowedOrigins) {
    if (!ORIGIN.test(entry) || entry !== entry.toLowerCase())
      throw new ChatError(
        "configuration",
        `\`allowedOrigins\` has ${JSON.stringify(entry)}, which no browser sends. List exact origins, e.g. "https://app.example.com": no path, no trailing slash, no wildcard.`,
      );
  }
  if (!request.headers.has("origin")) return "";
  const origin = originOf(request);
  if (origin === new URL(request.url).origin || allowedOrigins.includes(origin)) return origin;
  throw new ChatError(
    "bad_origin",
    `The origin ${JSON.stringify(origin.slice(0, 200))} may not use this server. If it should, list it in \`allowedOrigins\`.`,
  );
}

/** Headers that let the page at `origin` (already accepted) read the answer. */
export function corsHeaders(origin: string): Record<string, string> {
  // Also without an Origin: a cache must not give that answer to a page.
  if (origin === "") return { vary: "Origin" };
  return { vary: "Origin", "access-control-allow-origin": origin, "access-control-allow-credentials": "true" };
}

/** The answer to OPTIONS on an address that takes `methods`. */
export function preflightResponse(request: Request, origin: string, methods: readonly string[]): Response {
  const headers = new Headers({ ...corsHeaders(origin), allow: [...methods, "OPTIONS"].join(", "), "cache-control": "no-store" });
  if (origin !== "") {
    headers.set("access-control-allow-methods", methods.join(", "));
    // The app's `authenticate` may read any header, so any may come: the origin is the check. Wildcards do not work with credentials.
    const requested = request.headers.get("access-control-request-headers") ?? "";
    headers.set(
      "access-control-allow-headers",
      /^[\w!#$%&'*+.^`|~, -]{1,2048}$/.test(requested) ? requested : "content-type, authorization",
    );
    headers.set("access-control-max-age", String(PREFLIGHT_MAX_AGE_SECONDS));
    headers.append("vary", "Access-Control-Request-Headers");
  }
  return new Response(null, { status: 204, headers });
}
