// The AI SDK's HTTP chat endpoint: POST to ask, GET to resume, and Stop, which its transport has no word for. Each request is a
// client of the thread for as long as it lasts; what runs in the thread does not know of it, and goes on without it.
import { viewOf } from "../ai-sdk/chat.ts";
import { streamTurn } from "../ai-sdk/turn-stream.ts";
import { authenticateRequest, listAuthenticators } from "../auth/authenticate.ts";
import type { ChatClient } from "../client/types.ts";
import { ChatError, isChatError } from "../errors.ts";
import type { Principal } from "../protocol/principal.ts";
import type { AiSdkEndpoint, RouteContext } from "../router/options.ts";
import { ask, type Asked } from "./ask.ts";
import { paceView } from "./paced-view.ts";
import { readPostedBody } from "./posted-body.ts";
import { parsePostedChat } from "./posted-chat.ts";
import { createSessionClient, type SessionClientOptions } from "./session-client.ts";
import { sseResponse } from "./sse-response.ts";

export interface AiSdkEndpointOptions {
  /**
   * The oldest release of `ai` that pages use. One of 6 takes what it does not know for an error, so it is not told: answers to
   * approvals that come from elsewhere, and what a recovery takes back.
   * @default 7
   */
  release?: 6 | 7;
}

type ClientOptions = Pick<SessionClientOptions, "create" | "ids">;

/**
 * Lets stock `useChat` with `DefaultChatTransport` of the AI SDK use the threads of `routeChatRequest`, under `/ai-sdk` of its
 * base path. A request takes one call and one socket of the thread's object.
 *
 * @example
 * import { aiSdkEndpoint, anonymous, routeChatRequest, type ChatNamespace } from "chatcell";
 *
 * interface Env {
 *   CHAT: ChatNamespace;
 *   CHATCELL_SECRET: string;
 * }
 *
 * export default {
 *   async fetch(request: Request, env: Env): Promise<Response> {
 *     const options = { namespace: env.CHAT, secret: env.CHATCELL_SECRET, authenticate: anonymous(), aiSdk: aiSdkEndpoint() };
 *     return (await routeChatRequest(request, options)) ?? new Response("Not found", { status: 404 });
 *   },
 * };
 */
export function aiSdkEndpoint({ release = 7 }: AiSdkEndpointOptions = {}): AiSdkEndpoint {
  return {
    handle: (request, route, context) => {
      switch (route.kind) {
        case "ai-sdk":
          return handlePost(request, context, release);
        case "ai-sdk/stream":
          return handleResume(request, route.threadId, context, release);
        case "ai-sdk/stop":
          return handleStop(request, route.threadId, context);
      }
    },
  };
}

async function handlePost(request: Request, context: RouteContext, release: 6 | 7): Promise<Response> {
  // Before the body: a visitor whom nobody knows costs no reading.
  const { principal, headers } = await identify(request, context);
  const posted = parsePostedChat(await readPostedBody(request));
  const clients = new Clients(context, principal, posted.threadId);
  const asked = await clients.orClose(() => ask(posted, principal.id, clients.open));
  return streamResponse(asked, clients, release, headers);
}

async function handleResume(request: Request, threadId: string, context: RouteContext, release: 6 | 7): Promise<Response> {
  const nothing = () => new Response(null, { status: 204, headers: { ...context.headers, "cache-control": "no-store" } });
  try {
    const principal = await authenticateRequest(request, context.authenticate, context.auth);
    const clients = new Clients(context, principal, threadId);
    const client = clients.open();
    const { turn } = await clients.orClose(() => viewOf(client));
    if (turn) return streamResponse({ client, turnId: turn.id }, clients, release, context.headers);
    clients.close();
    return nothing();
  } catch (error) {
    // A chat that nobody has written in yet is asked for as well; one of another person looks the same.
    if (isChatError(error, "not_found") || isChatError(error, "identity_required")) return nothing();
    throw error;
  }
}

async function handleStop(request: Request, threadId: string, context: RouteContext): Promise<Response> {
  const principal = await authenticateRequest(request, context.authenticate, context.auth);
  const clients = new Clients(context, principal, threadId);
  const client = clients.open();
  await clients.orClose(async () => {
    await viewOf(client);
    await client.stop();
  });
  clients.close();
  return new Response(null, { status: 204, headers: context.headers });
}

function streamResponse({ client, turnId, held }: Asked, clients: Clients, release: 6 | 7, headers: HeadersInit): Response {
  const chunks = streamTurn({
    client: paceView(client, turnId),
    turnId,
    held: held,
    onStart: () => {},
    onEnd: () => clients.close(),
  });
  return sseResponse(chunks, release, headers);
}

/**
 * Who posts. A visitor without an identity is given one where the app gives them: its page has no code of ours that would ask.
 * @throws {ChatError} as `authenticateRequest`
 */
async function identify(request: Request, context: RouteContext): Promise<{ principal: Principal; headers: Headers }> {
  const headers = new Headers(context.headers);
  try {
    return { principal: await authenticateRequest(request, context.authenticate, context.auth), headers };
  } catch (error) {
    const issuer = listAuthenticators(context.authenticate).find((authenticator) => authenticator.issue);
    // Who shows no origin is no page, and would not keep a cookie.
    if (!isChatError(error, "identity_required") || !issuer?.issue || context.auth.origin === "") throw error;
    const { principal, setCookie } = await issuer.issue(request, context.auth);
    if (setCookie !== undefined) headers.set("set-cookie", setCookie);
    return { principal, headers };
  }
}

/** The clients of one request, which all end with it. */
class Clients {
  readonly #options: Omit<SessionClientOptions, keyof ClientOptions>;
  #failure: unknown;
  readonly #clients: ChatClient[] = [];

  constructor(context: RouteContext, principal: Principal, threadId: string) {
    this.#options = { context, principal, threadId, onFailure: (error) => (this.#failure = error) };
  }

  readonly open = (options?: ClientOptions): ChatClient => {
    const client = createSessionClient({ ...this.#options, ...options });
    this.#clients.push(client);
    return client;
  };

  /** What `work` gives; the clients end when it fails. @throws {ChatError} (rejects) as the server said it */
  async orClose<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      this.close();
      if (!isChatError(error)) throw error;
      if (this.#failure !== undefined && error.code === "internal") throw this.#failure;
      // That an attempt was the last one of this request says nothing of the next request.
      throw new ChatError(error.code, error.message, { details: error.details });
    }
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}
