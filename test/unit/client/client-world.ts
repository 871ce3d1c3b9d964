// A client, its server and its clock, and everything that a subscriber was ever shown. No assertions.
import { createChatClient } from "../../../src/client/chat-client.ts";
import { runClientTools } from "../../../src/client/client-tools.ts";
import type { ChatClient, ChatClientOptions, ChatSnapshot, ClientTools } from "../../../src/client/types.ts";
import type { ErrorCode } from "../../../src/errors.ts";
import { FakeClock, FakeServer, quiet } from "./fake-server.ts";

export interface World {
  server: FakeServer;
  clock: FakeClock;
  client: ChatClient;
  /** Every snapshot that the first subscriber saw. */
  seen: ChatSnapshot[];
  snapshot: ChatSnapshot;
}

/** A client with a subscriber, as far as it comes without time passing. */
export async function createWorld(
  options: Partial<ChatClientOptions> & {
    prepare?: (server: FakeServer) => void;
    watch?: boolean;
    clientTools?: ClientTools;
    /** Of another world, for a second page. */
    server?: FakeServer;
    /** Begins the ids of this page. */
    prefix?: string;
  } = {},
): Promise<World> {
  const { prepare, watch = true, clientTools, server = new FakeServer(), prefix = "", ...rest } = options;
  const clock = new FakeClock();
  prepare?.(server);
  let ids = 0;
  const client = createChatClient({
    url: "https://chat.example/chat/",
    threadId: "thread",
    fetch: server.fetch,
    WebSocket: server.WebSocket,
    ...rest,
    deps: { ...clock.deps, newId: () => `${prefix}id${++ids}`, ...rest.deps },
  });
  const seen: ChatSnapshot[] = [];
  if (clientTools) runClientTools(client, clientTools);
  if (watch) client.subscribe((snapshot) => seen.push(snapshot));
  await quiet();
  return {
    server,
    clock,
    client,
    seen,
    get snapshot() {
      return client.getSnapshot();
    },
  };
}

/** The text of each message of a snapshot, and of each one in its queue. */
export function texts({ messages, queue }: ChatSnapshot): { messages: string[]; queue: string[] } {
  const text = (parts: ChatSnapshot["messages"][number]["parts"]) => parts.map((part) => ("text" in part ? part.text : "")).join("");
  return { messages: messages.map(({ parts }) => text(parts)), queue: queue.map(({ parts }) => text(parts)) };
}

/** How often each of our own messages is in each snapshot, in the messages or in the queue. */
export function countsOf(messageId: string, seen: readonly ChatSnapshot[]): number[] {
  return seen.map(
    ({ messages, queue }) =>
      messages.filter(({ id }) => id === messageId).length + queue.filter((item) => item.messageId === messageId).length,
  );
}

/** Why a promise was broken. */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error,
  );
}

/** From now on the server refuses what this world's pages ask. */
export function refuseWith({ server }: World, code: ErrorCode): void {
  server.refuse = (frame) => [{ type: "error", ref: "id" in frame ? frame.id : "?", code, message: "No.", retryable: true }];
}
