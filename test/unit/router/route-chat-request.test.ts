import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { anonymous } from "../../../src/auth/anonymous.ts";
import type { ChatNamespace } from "../../../src/router/namespace.ts";
import type { RouteChatRequestOptions } from "../../../src/router/options.ts";
import { handleChatRequest, routeChatRequest } from "../../../src/router/route-chat-request.ts";
import { bearer } from "../../../src/auth/bearer.ts";
import { ORIGIN, SECRET } from "../auth/support.ts";
import { askTicket, FakeNamespace, makeWorker, refusalOf, visit } from "./support.ts";

const log = vi.spyOn(console, "error");
beforeEach(() => void log.mockReset().mockImplementation(() => {}));
afterEach(() => void log.mockReset());

const asAnn = { authenticate: () => ({ id: "ann" }) };
const post = { method: "POST", headers: { origin: ORIGIN } };

function route(path: string, change: Partial<RouteChatRequestOptions> = {}): Promise<Response | null> {
  const options = { namespace: new FakeNamespace(), secret: SECRET, authenticate: anonymous(), ...change };
  return routeChatRequest(new Request(ORIGIN + path), options);
}

describe("routeChatRequest", () => {
  it.each(["/", "/chats", "/chatroom/threads/t/ticket", "/Chat/identity", "/api/chat/identity", "//chat/identity"])(
    "leaves %s to the app, also when nothing is set up",
    async (path) => {
      expect(await route(path, { secret: undefined as unknown as string, namespace: undefined as unknown as ChatNamespace })).toBeNull();
      expect(log).not.toHaveBeenCalled();
    },
  );

  it.each([
    "/chat",
    "/chat/",
    "/chat/threads",
    "/chat/threads/t",
    "/chat/threads/t/",
    "/chat/threads/t/ticket/",
    "/chat/identity/",
    "/chat/x",
  ])("answers 404 at %s", async (path) => {
    expect(await refusalOf((await route(path))!)).toMatchObject({ status: 404, code: "not_found", retryable: false });
  });

  it.each(["a".repeat(65), "a.b", "a%2Fb", "a%00", "ä", "a%20b", "a:b", "a+b", "%2e%2e", "..", "", "a//b", "<script>"])(
    "answers 404 for the thread id %j and touches no object",
    async (threadId) => {
      const worker = makeWorker(asAnn);
      expect((await askTicket(worker, {}, undefined, threadId)).status).toBe(404);
      expect(worker.namespace.calls).toEqual([]);
    },
  );

  it.each(["__proto__", "constructor", "toString", "hasOwnProperty", "-", "_", "a".repeat(64)])(
    "takes %j as an ordinary thread id",
    async (threadId) => {
      const worker = makeWorker(asAnn);
      expect((await askTicket(worker, {}, undefined, threadId)).status).toBe(200);
      expect(worker.namespace.calls.map((call) => call.name)).toEqual([`/${threadId}`]);
    },
  );

  it.each([
    ["GET", "/chat/identity", "POST, OPTIONS"],
    ["DELETE", "/chat/threads/t/ticket", "POST, OPTIONS"],
    ["POST", "/chat/threads/t/socket", "GET, OPTIONS"],
    ["HEAD", "/chat/threads/t/socket", "GET, OPTIONS"],
  ])("answers 405 to %s %s and says what goes", async (method, path, allow) => {
    const response = await makeWorker().fetch(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
  });

  it.each(["/", "/api/v1/chat"])("serves below the base path %s", async (basePath) => {
    const prefix = basePath === "/" ? "" : basePath;
    const worker = makeWorker({ basePath });
    expect((await worker.fetch(`${prefix}/identity`, post)).status).toBe(200);
    expect((await worker.fetch(`${prefix}/nothing`, post)).status).toBe(404);
  });

  it("works with its own clock and ids", async () => {
    const options = { namespace: new FakeNamespace(), secret: SECRET, authenticate: anonymous() };
    const response = await routeChatRequest(new Request(`${ORIGIN}/chat/identity`, post), options);
    expect(await response!.json()).toEqual({ principal: { id: expect.stringMatching(/^anon:[\w-]{22}$/) as string } });
  });
});

describe("CORS", () => {
  const other = "https://other.example";

  it("lets a listed page read answers and errors", async () => {
    const worker = makeWorker({ allowedOrigins: [other] });
    const responses = [
      await worker.fetch("/chat/identity", { method: "POST", headers: { origin: other } }),
      await askTicket(worker, { origin: other }),
      await worker.fetch("/chat/nothing", { headers: { origin: other } }),
      await worker.fetch("/chat/identity", { headers: { origin: other } }),
    ];
    expect(responses.map((response) => response.status)).toEqual([200, 401, 404, 405]);
    for (const { headers } of responses) {
      expect(headers.get("access-control-allow-origin")).toBe(other);
      expect(headers.get("access-control-allow-credentials")).toBe("true");
      expect(headers.get("vary")).toBe("Origin");
      expect(headers.get("cache-control")).toBe("no-store");
    }
  });

  it("lets a foreign page read nothing and touches no object", async () => {
    const worker = makeWorker({ ...asAnn, allowedOrigins: [other] });
    for (const origin of ["https://evil.example", "null", `${other}.evil.example`]) {
      const response = await askTicket(worker, { origin });
      expect(response.headers.has("access-control-allow-origin")).toBe(false);
      expect(await refusalOf(response)).toMatchObject({ status: 403, code: "bad_origin" });
    }
    expect(worker.namespace.calls).toEqual([]);
  });

  it("answers a preflight without asking who it is", async () => {
    const authenticate = vi.fn<() => null>(() => null);
    const worker = makeWorker({ authenticate, allowedOrigins: [other] });
    const headers = {
      origin: other,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type",
    };
    const response = await worker.fetch("/chat/threads/t/ticket", { method: "OPTIONS", headers });
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-methods")).toBe("POST");
    expect(response.headers.get("access-control-allow-headers")).toBe("authorization,content-type");
    expect(authenticate).not.toHaveBeenCalled();
  });

  it("refuses a foreign preflight", async () => {
    const response = await makeWorker().fetch("/chat/identity", { method: "OPTIONS", headers: { origin: "https://evil.example" } });
    expect(response.status).toBe(403);
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });
});

describe("configuration errors", () => {
  const broken: [string, Partial<Record<keyof RouteChatRequestOptions, unknown>>, string][] = [
    ["a missing binding", { namespace: undefined }, '"migrations": [{ "tag": "v1", "new_sqlite_classes": ["Chat"] }]'],
    ["another kind of binding", { namespace: { fetch: () => null } }, '"durable_objects": { "bindings": [{ "name": "CHAT"'],
    ["a missing secret", { secret: undefined }, "npx wrangler secret put CHATCELL_SECRET"],
    ["a short secret", { secret: "private" }, "openssl rand -base64 32"],
    ["no authenticator", { authenticate: undefined }, "bearer(verify)"],
    ["a wildcard origin", { allowedOrigins: ["*"] }, "no wildcard"],
    ["a base path without a slash", { basePath: "chat" }, "must begin with"],
    ["a base path with a slash at its end", { basePath: "/chat/" }, "not end with one"],
  ];

  it.each(broken)("reports %s in full to the log and to the developer's machine", async (_, change, text) => {
    const worker = makeWorker(change as Partial<RouteChatRequestOptions>);
    const origin = "http://localhost:8787";
    const error = await refusalOf(await worker.fetch("/chat/identity", { method: "POST", headers: { origin } }, origin));
    expect(error).toMatchObject({ status: 500, code: "configuration", retryable: false });
    expect(error.message).toContain(text);
    expect(log).toHaveBeenCalledTimes(1);
    expect(log.mock.calls[0]![0]).toContain(text);
    expect(log.mock.calls[0]![0]).not.toContain("private");
  });

  it.each(broken)("tells the public nothing about %s", async (_, change, text) => {
    const worker = makeWorker(change as Partial<RouteChatRequestOptions>);
    const error = await refusalOf(await worker.fetch("/chat/identity", post));
    expect(error).toEqual({
      status: 500,
      code: "configuration",
      message: "The server is not set up correctly. Its log says how to mend it.",
      retryable: false,
    });
    expect(log.mock.calls[0]![0]).toContain(text);
  });

  it("hides what an object says about its configuration, too", async () => {
    const worker = makeWorker(asAnn);
    worker.namespace.answer = () => ({ ok: false, error: { code: "configuration", message: "table x", retryable: false, details: "y" } });
    const error = await refusalOf(await askTicket(worker, {}));
    expect(JSON.stringify(error)).not.toMatch(/table x|"y"/);
    expect(log).toHaveBeenCalledTimes(1);
  });
});

describe("failures", () => {
  it("answers 500 without the text of what nobody expected, and reports it once", async () => {
    const cause = new Error("SELECT secret FROM users");
    const worker = makeWorker({ authenticate: () => Promise.reject(cause) });
    const error = await refusalOf(await askTicket(worker, { origin: ORIGIN }));
    expect(error).toEqual({ status: 500, code: "internal", message: "Something went wrong on the server.", retryable: true });
    expect(log.mock.calls).toEqual([["chatcell: a request failed", cause]]);
  });

  it.each(["overloaded", "retryable", "durableObjectReset"])("answers 503 when the object cannot be reached (%s)", async (flag) => {
    const worker = makeWorker(asAnn);
    worker.namespace.answer = () => {
      throw Object.assign(new Error("Durable Object reset because its code was updated."), { [flag]: true });
    };
    const error = await refusalOf(await askTicket(worker, {}));
    expect(error).toMatchObject({ status: 503, code: "internal", retryable: true });
    expect(error.message).not.toContain("reset");
    expect(log).toHaveBeenCalledTimes(1);
  });

  it("answers 503 when the object goes during the upgrade", async () => {
    const worker = makeWorker(asAnn);
    const { ticket } = await (await askTicket(worker, {})).json<{ ticket: string }>();
    worker.namespace.respond = () => {
      throw Object.assign(new Error("Network connection lost."), { retryable: true });
    };
    const headers = { upgrade: "websocket", "sec-websocket-protocol": `chatcell.v1, ticket.${ticket}` };
    expect((await worker.fetch("/chat/threads/thread/socket", { headers })).status).toBe(503);
  });

  it.each([
    ["throws", () => Promise.reject(new TypeError("admit is not a function"))],
    ["answers nothing", () => undefined as never],
    ["answers a code of a later version", () => ({ ok: false, error: { code: "toString", message: "m", retryable: false } }) as never],
  ])("answers 500 when the object %s", async (_, answer) => {
    const worker = makeWorker(asAnn);
    worker.namespace.answer = answer as never;
    expect(await refusalOf(await askTicket(worker, {}))).toMatchObject({ status: 500, code: "internal" });
  });

  it("shows why a token was refused on the developer's machine only", async () => {
    const cause = new Error("JWKS unreachable");
    const worker = makeWorker({ authenticate: bearer(() => Promise.reject(cause)) });
    const init = { method: "POST", headers: { authorization: "Bearer t" } };
    expect(await refusalOf(await worker.fetch("/chat/threads/t/ticket", init))).toMatchObject({ status: 401, code: "unauthenticated" });
    expect(log).not.toHaveBeenCalled();
    await worker.fetch("/chat/threads/t/ticket", init, "http://localhost:8787");
    expect(log.mock.calls).toEqual([["chatcell: unauthenticated", cause]]);
  });

  it("does not log what any visitor can provoke", async () => {
    const worker = makeWorker();
    await worker.fetch("/chat/nothing");
    await askTicket(worker, { origin: "https://evil.example" });
    await askTicket(worker, { origin: ORIGIN, cookie: (await visit(worker)).cookie }, "{");
    expect(log).not.toHaveBeenCalled();
  });

  it("rejects for nothing that a request can hold", async () => {
    const worker = makeWorker();
    const request = new Request(`${ORIGIN}/chat/threads/t/ticket?${"%".repeat(100)}`, {
      method: "POST",
      headers: { cookie: "=;;=;chatcell", origin: "é" },
    });
    await expect(handleChatRequest(request, worker.options, worker.deps)).resolves.toBeInstanceOf(Response);
  });
});
