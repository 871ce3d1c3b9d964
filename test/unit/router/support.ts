import { anonymous } from "../../../src/auth/anonymous.ts";
import type { AdmitAnswer, AdmitRequest } from "../../../src/auth/admissions.ts";
import { handleChatRequest } from "../../../src/router/route-chat-request.ts";
import type { ChatNamespace } from "../../../src/router/namespace.ts";
import type { RouteChatRequestOptions } from "../../../src/router/options.ts";
import type { ErrorBody } from "../../../src/errors.ts";
import { countedIds, NOW, ORIGIN, SECRET } from "../auth/support.ts";

export interface ObjectCall {
  name: string;
  admit?: AdmitRequest;
  fetch?: Request;
}

/** A namespace that notes every touch of an object and answers what the test says. */
export class FakeNamespace implements ChatNamespace {
  readonly calls: ObjectCall[] = [];
  answer: () => AdmitAnswer = () => ({ ok: true, nonce: "nonce", boot: "boot", expiresAt: NOW + 30_000 });
  respond: () => Response = () => new Response("opened");

  idFromName(name: string): unknown {
    return { name };
  }

  get(id: unknown) {
    const { name } = id as { name: string };
    return {
      admit: async (admit: AdmitRequest): Promise<AdmitAnswer> => {
        this.calls.push({ name, admit: structuredClone(admit) });
        return this.answer();
      },
      // What these two do is held by test/workerd/server-commands.test.ts, on real objects.
      command: (): Promise<never> => Promise.reject(new Error("not faked")),
      page: (): Promise<never> => Promise.reject(new Error("not faked")),
      fetch: async (fetch: Request): Promise<Response> => {
        this.calls.push({ name, fetch });
        return this.respond();
      },
    };
  }
}

/** A Worker with one fake namespace, a clock that the test moves, and anonymous visitors. */
export function makeWorker(change: Partial<RouteChatRequestOptions> = {}) {
  const namespace = new FakeNamespace();
  const clock = { now: NOW };
  const deps = { now: () => clock.now, newId: countedIds() };
  const options: RouteChatRequestOptions = { namespace, secret: SECRET, authenticate: anonymous(), ...change };
  async function fetch(path: string, init: RequestInit = {}, base = ORIGIN): Promise<Response> {
    const response = await handleChatRequest(new Request(base + path, init), options, deps);
    if (!response) throw new Error(`${path} is none of ours`);
    return response;
  }
  return { namespace, clock, deps, options, fetch };
}

export type Worker = ReturnType<typeof makeWorker>;

/** The cookie of a new visitor. */
export async function visit(worker: Worker): Promise<{ id: string; cookie: string }> {
  const response = await worker.fetch("/chat/identity", { method: "POST", headers: { origin: ORIGIN } });
  const { principal } = await response.json<{ principal: { id: string } }>();
  return { id: principal.id, cookie: response.headers.get("set-cookie")!.split(";")[0]! };
}

export function askTicket(worker: Worker, headers: Record<string, string>, body?: unknown, threadId = "thread"): Promise<Response> {
  return worker.fetch(`/chat/threads/${threadId}/ticket`, {
    method: "POST",
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
}

export function openSocket(worker: Worker, ticket: string, headers: Record<string, string> = {}, path = "/chat/threads/thread/socket") {
  return worker.fetch(path, {
    headers: { upgrade: "websocket", origin: ORIGIN, "sec-websocket-protocol": `chatcell.v1, ticket.${ticket}`, ...headers },
  });
}

/** Status and error body of a refusal; fails the test when it is none. */
export async function refusalOf(response: Response): Promise<ErrorBody & { status: number }> {
  const { error } = await response.json<{ error: ErrorBody }>();
  return { status: response.status, ...error };
}
