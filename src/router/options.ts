import type { Authenticate, AuthenticateContext } from "../auth/authenticate.ts";
import type { Secret } from "../auth/secret.ts";
import type { ChatNamespace } from "./namespace.ts";
import type { AiSdkRoute } from "./routes.ts";

/** Settings of `routeChatRequest`. */
export interface RouteChatRequestOptions {
  /** The binding of your class that extends `ChatSessionObject`. */
  namespace: ChatNamespace;
  /** Signs tickets and identity cookies; at least 32 bytes. A list rotates it: the first signs, all verify. */
  secret: Secret;
  /** Who may come in. There is no default: choose `anonymous()`, `bearer(verify)`, a function of your own, or a list. */
  authenticate: Authenticate;
  /** @default "/chat" */
  basePath?: string;
  /** Other origins whose pages may use this server, exactly as browsers send them. The server's own is always allowed. */
  allowedOrigins?: readonly string[];
  /** Answers the AI SDK's own `DefaultChatTransport`: `aiSdkEndpoint()`. @default none */
  aiSdk?: AiSdkEndpoint;
}

/** What `aiSdkEndpoint()` makes. */
export interface AiSdkEndpoint {
  /** For `routeChatRequest`. @throws {ChatError} (rejects) why a request is refused */
  readonly handle: (request: Request, route: AiSdkRoute, context: RouteContext) => Promise<Response>;
}

/** Where time and ids come from. */
export interface RouterDeps {
  /** Epoch ms. */
  now(): number;
  newId(): string;
}

/** One request on its way through a route. */
export interface RouteContext extends RouteChatRequestOptions {
  basePath: string;
  auth: AuthenticateContext;
  /** Headers that every answer bears. */
  headers: Record<string, string>;
}
