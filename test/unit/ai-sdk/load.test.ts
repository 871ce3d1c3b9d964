import { describe, expect, it } from "vitest";
import { createChatTransport } from "../../../src/ai-sdk/create-chat-transport.ts";

const options = (status: number, body: unknown, requests: unknown[] = []) => ({
  url: "https://chat.example/chat/",
  fetch: (async (url: string, { headers, credentials }: RequestInit) => {
    requests.push([url, Object.fromEntries(headers as Headers), credentials]);
    return typeof body === "string" ? new Response(body, { status }) : Response.json(body, { status });
  }) as typeof globalThis.fetch,
});

describe("what is loaded without a page around", () => {
  it("comes in one request, with the headers and credentials of the moment", async () => {
    const requests: unknown[] = [];
    const messages = [{ id: "message-1", role: "user", parts: [{ type: "text", text: "Hello" }] }];
    let token = 0;
    const headers = async () => ({ authorization: `Bearer ${++token}` });
    const transport = createChatTransport({ ...options(200, { messages, hasEarlier: false }, requests), headers, credentials: "include" });
    expect(await transport.load("thread-1")).toEqual(messages);
    await transport.load("thread-1");
    const url = "https://chat.example/chat/threads/thread-1/messages";
    expect(requests).toEqual([
      [url, { authorization: "Bearer 1" }, "include"],
      [url, { authorization: "Bearer 2" }, "include"],
    ]);
  });

  it.each(["not_found", "identity_required"])("is empty where the answer is %s: nobody has such a thread yet", async (code) => {
    const error = { code, message: "No.", retryable: false };
    expect(await createChatTransport(options(404, { error })).load("thread-1")).toEqual([]);
  });

  it.each([
    [403, { error: { code: "forbidden", message: "No.", retryable: false } }, { code: "forbidden", message: "No." }],
    [502, "<html>", { code: "internal", retryable: true }],
    [200, "<html>", { code: "internal", retryable: false }],
    [200, null, { code: "internal" }],
    [400, { error: "no" }, { code: "internal", retryable: false }],
  ])("rejects for an answer of %d %j", async (status, body, error) => {
    await expect(createChatTransport(options(status, body)).load("thread-1")).rejects.toMatchObject({ name: "ChatError", ...error });
  });

  it("can be made, with a relative address too, where nothing can be opened", async () => {
    const transport = createChatTransport({ url: "/chat" });
    await expect(transport.load("thread-1")).rejects.toThrow(TypeError);
    transport.close("thread-1");
  });
});
