// Compiled, never run: a line that must not compile is marked so, and the compiler fails when it does.
import { DurableObject } from "cloudflare:workers";
import type { AdmitAnswer, AdmitRequest } from "../../src/auth/admissions.ts";
import { anonymous } from "../../src/auth/anonymous.ts";
import type { CommandAnswer, CommandRequest } from "../../src/auth/rpc.ts";
import { bearer } from "../../src/auth/bearer.ts";
import type { Principal } from "../../src/protocol/principal.ts";
import type { ChatStub } from "../../src/router/namespace.ts";
import { routeChatRequest } from "../../src/router/route-chat-request.ts";

/** Stands for the class of an app: members of its own beside the two that the router calls. */
class AppChat extends DurableObject<AppEnv> {
  readonly label = "app";
  admit(request: AdmitRequest): Promise<AdmitAnswer> {
    return Promise.resolve({ ok: true, nonce: request.threadId, boot: "boot", expiresAt: 0 });
  }
  command(request: CommandRequest): Promise<CommandAnswer> {
    return Promise.resolve({ ok: true, ack: { type: "ack", ref: request.threadId, rev: 0 } });
  }
  page(): Promise<string> {
    return Promise.resolve("{}");
  }
  override fetch(): Promise<Response> {
    return Promise.resolve(new Response());
  }
  onTurn(turn: { write(chunk: unknown): void }): AsyncIterable<unknown> {
    throw new Error(typeof turn);
  }
}

/** Refuses at once, without a promise, and answers `fetch` in the same way. */
class SynchronousChat extends DurableObject {
  admit(): AdmitAnswer {
    return { ok: false, error: { code: "not_found", message: "", retryable: false, details: { any: "thing" } } };
  }
  command(): CommandAnswer {
    return this.admit() as CommandAnswer;
  }
  page(): string {
    return "{}";
  }
  override fetch(): Response {
    return new Response();
  }
}

class OtherObject extends DurableObject {
  greet(): string {
    return "hello";
  }
}

interface AppEnv {
  CHAT: DurableObjectNamespace<AppChat>;
  SYNCHRONOUS: DurableObjectNamespace<SynchronousChat>;
  OTHER: DurableObjectNamespace<OtherObject>;
  UNTYPED: DurableObjectNamespace;
}

declare const env: AppEnv;
declare const request: Request;
const secret = "s";
const authenticate = anonymous();

export const answer: Promise<Response | null> = routeChatRequest(request, { namespace: env.CHAT, secret, authenticate });
void routeChatRequest(request, {
  namespace: env.SYNCHRONOUS,
  secret: ["new", "old"] as const,
  authenticate,
  basePath: "/api/chat",
  allowedOrigins: ["https://a.example"],
});

// The real stub keeps the types of the answer: nothing in it is lost on the way over RPC.
const stub: ChatStub = env.CHAT.get(env.CHAT.idFromName("/t"));
export const admitted: Promise<AdmitAnswer> = stub.admit({ principal: { id: "u" }, tenant: "", threadId: "t", origin: "" });
type IsNever<T> = [T] extends [never] ? true : false;
const direct = env.CHAT.get(env.CHAT.idFromName("/t"));
export const isNever: IsNever<ReturnType<typeof direct.admit>> = false;

// @ts-expect-error the class behind this binding has no `admit`
void routeChatRequest(request, { namespace: env.OTHER, secret, authenticate });
// @ts-expect-error a binding without its class says nothing about it
void routeChatRequest(request, { namespace: env.UNTYPED, secret, authenticate });
// @ts-expect-error `authenticate` has no default
void routeChatRequest(request, { namespace: env.CHAT, secret });
// @ts-expect-error `secret` has no default
void routeChatRequest(request, { namespace: env.CHAT, authenticate });

const namespace = env.CHAT;
void routeChatRequest(request, { namespace, secret, authenticate: [bearer(() => null), anonymous()] });
void routeChatRequest(request, { namespace, secret, authenticate: bearer(async (token) => ({ id: token, claims: { groups: ["a"] } })) });
void routeChatRequest(request, { namespace, secret, authenticate: (from) => (from.headers.has("x-user") ? { id: "u" } : null) });
void routeChatRequest(request, { namespace, secret, authenticate: async (): Promise<Principal | null> => null });
// @ts-expect-error a principal has an id
void routeChatRequest(request, { namespace, secret, authenticate: () => ({ name: "n" }) });
// @ts-expect-error claims are JSON
void routeChatRequest(request, { namespace, secret, authenticate: () => ({ id: "u", claims: { at: new Date() } }) });
