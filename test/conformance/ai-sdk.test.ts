// `useChat` without a framework: `AbstractChat` of the AI SDK over our transport, which other pages write to as well.
import type { UIMessage } from "ai";
import { afterAll, describe, vi } from "vitest";
import { createChatTransport } from "../../src/ai-sdk/create-chat-transport.ts";
import { createMemoryServer } from "../../src/testing/conformance/memory-server.ts";
import type { ClientAdapter, ClientUnderTest } from "../../src/testing/conformance/types.ts";
import { RELEASES } from "../unit/ai-sdk/chats.ts";
import { Chat } from "./app.ts";
import { testConformance } from "./run.ts";

const server = createMemoryServer(Chat);
afterAll(() => server.close());

const STATUS = { ready: "ready", submitted: "busy", streaming: "busy", error: "failed" } as const;

function adapterOf(make: (typeof RELEASES)[number][1]): ClientAdapter {
  return {
    capabilities: ["regenerate"],
    open: async ({ url, threadId, create, headers, fetch, WebSocket }): Promise<ClientUnderTest> => {
      const transport = createChatTransport<UIMessage>({ url, create, headers, fetch, WebSocket, deps: { random: () => 0.05 } });
      const messages = create ? [] : await transport.load(threadId);
      const chat = make({ id: threadId, transport, messages });
      const unwatch = transport.watch(threadId, (next) => {
        chat.messages = typeof next === "function" ? (next as (messages: UIMessage[]) => UIMessage[])(chat.messages) : next;
      });
      if (!create) void chat.resumeStream();
      return {
        view: () => ({
          connection: "live",
          status: STATUS[chat.status],
          messages: chat.messages.map(({ id, role, parts }) => ({ id, role, parts })),
          queue: [],
          error: (chat.error ?? null) as { code: string } | null,
        }),
        // The promise of `sendMessage` is kept when the reply is there; what was accepted is under way before that.
        send: async (text) => {
          let [hasBegun, isOver] = [false, false];
          void chat.sendMessage({ text }).finally(() => (isOver = true));
          const isUnderWay = (): boolean => {
            hasBegun ||= chat.status === "submitted";
            return isOver || (hasBegun && chat.status !== "submitted");
          };
          await vi.waitUntil(isUnderWay, { timeout: 20_000, interval: 4 });
          // A turn that was accepted, and has failed since, has its reply.
          if (isOver && chat.error && chat.messages.at(-1)?.role === "user") throw chat.error;
        },
        stop: () => transport.stop(threadId),
        regenerate: async () => {
          void chat.regenerate();
        },
        close: () => {
          unwatch();
          transport.close(threadId);
        },
      };
    },
  };
}

for (const [name, make] of RELEASES)
  describe(`over the transport, ${name}`, () => testConformance(() => server, { client: adapterOf(make), only: "client" }));
