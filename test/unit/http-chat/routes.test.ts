// The addresses of the endpoint, and what the router holds for it as for every other.
import { afterEach, describe, expect, it, vi } from "vitest";
import { bearer } from "../../../src/auth/bearer.ts";
import { aiSdkEndpoint } from "../../../src/http-chat/ai-sdk-endpoint.ts";
import type { ChatNamespace } from "../../../src/router/namespace.ts";
import { routeChatRequest } from "../../../src/router/route-chat-request.ts";

const ORIGIN = "https://chat.example";
let touched = 0;
const namespace = {
  idFromName: () => touched++,
  get: () => {
    throw new Error("No object is to be touched");
  },
} as unknown as ChatNamespace;

function ask(path: string, init: RequestInit = {}, hasEndpoint = true) {
  return routeChatRequest(new Request(`${ORIGIN}/chat${path}`, init), {
    namespace,
    secret: "a secret of a test, which has 32 bytes",
    authenticate: bearer((token) => ({ id: token })),
    ...(hasEndpoint ? { aiSdk: aiSdkEndpoint() } : {}),
  }) as Promise<Response>;
}

describe("the addresses of the AI SDK's transport", () => {
  it.each(["/ai-sdk", "/ai-sdk/abc/stream", "/ai-sdk/abc/stop"])("%s is not there without the endpoint", async (path) => {
    expect((await ask(path, { method: path.endsWith("stream") ? "GET" : "POST" }, false)).status).toBe(404);
    expect((await ask(path, { method: "OPTIONS" }, false)).status).toBe(404);
  });

  it.each([
    ["/ai-sdk", "POST, OPTIONS"],
    ["/ai-sdk/abc/stream", "GET, OPTIONS"],
    ["/ai-sdk/abc/stop", "POST, OPTIONS"],
  ])("%s takes %s", async (path, allow) => {
    expect((await ask(path, { method: "OPTIONS", headers: { origin: ORIGIN } })).headers.get("allow")).toBe(allow);
    const refused = await ask(path, { method: "DELETE" });
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, allow]);
  });

  it.each(["/ai-sdk/", "/ai-sdk/abc", "/ai-sdk/a.b/stream", `/ai-sdk/${"x".repeat(65)}/stream`, "/ai-sdk/%61bc/stream", "/ai-sdk//stop"])(
    "%s is none of them",
    async (path) => expect((await ask(path)).status).toBe(404),
  );

  it("are closed to pages of other origins and to nobody in particular, before a body is read or an object touched", async () => {
    const body = JSON.stringify({ id: "abc", messages: [] });
    const headers = { "content-type": "application/json" };
    const foreign = await ask("/ai-sdk", { method: "POST", body, headers: { ...headers, origin: "https://evil.example" } });
    expect(foreign.status).toBe(403);
    const nobody = new Request(`${ORIGIN}/chat/ai-sdk`, { method: "POST", body, headers });
    expect((await ask("/ai-sdk", nobody)).status).toBe(401);
    expect(nobody.bodyUsed).toBe(false);
    expect((await ask("/ai-sdk/abc/stream")).status).toBe(401);
    expect((await ask("/ai-sdk/abc/stop", { method: "POST" })).status).toBe(401);
    expect(touched).toBe(0);
  });
});

describe("an object that cannot be reached", () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it.each(["/ai-sdk", "/ai-sdk/abc/stream", "/ai-sdk/abc/stop"])("is tried again for some seconds, then %s says so", async (path) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    vi.spyOn(console, "error").mockImplementation(() => {});
    const admit = vi.fn(() => Promise.reject(Object.assign(new Error("overloaded"), { overloaded: true })));
    const body = JSON.stringify({ id: "abc", messages: [{ id: "1", role: "user", parts: [{ type: "text", text: "Hi" }] }] });
    const isGet = path.endsWith("stream");
    const headers = { "content-type": "application/json", authorization: "Bearer me" };
    const answer = routeChatRequest(new Request(`${ORIGIN}/chat${path}`, { headers, ...(isGet ? {} : { method: "POST", body }) }), {
      namespace: { idFromName: () => 1, get: () => ({ admit }) } as unknown as ChatNamespace,
      secret: "a secret of a test, which has 32 bytes",
      authenticate: bearer((token) => ({ id: token })),
      aiSdk: aiSdkEndpoint(),
    });
    let status = 0;
    void answer.then((response) => (status = response!.status));
    const begin = Date.now();
    while (status === 0) {
      // What the platform does takes real time.
      await new Promise((resolve) => setImmediate(resolve));
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(status).toBe(503);
    expect(Date.now() - begin).toBeLessThan(10_000);
    expect(admit).toHaveBeenCalledTimes(4);
    expect(vi.getTimerCount()).toBe(0);
  });
});
