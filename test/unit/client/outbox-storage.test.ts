import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isChatError } from "../../../src/errors.ts";
import { storedOutbox } from "../../../src/client/outbox-storage.ts";
import type { OutboxStorage } from "../../../src/client/types.ts";
import { createWorld, failure, refuseWith, texts, type World } from "./client-world.ts";
import { FakeServer, quiet, WELCOME } from "./fake-server.ts";
import { END_OF_TEXT, textChunks } from "./model-thread.ts";

const KEY = "chatcell https://chat.example/chat thread";
const DAY_MS = 86_400_000;

class MemoryStorage implements OutboxStorage {
  readonly items = new Map<string, string>();

  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);
}

/** As React Native has it. */
class AsyncStorage implements OutboxStorage {
  readonly memory = new MemoryStorage();

  getItem = async (key: string) => (await quiet(), this.memory.getItem(key));
  setItem = async (key: string, value: string) => (await quiet(), this.memory.setItem(key, value));
  removeItem = async (key: string) => (await quiet(), this.memory.removeItem(key));
}

const offline = (server: FakeServer) => (server.accepts = false);

/** A page that has written something and was closed by its browser. */
async function left(storage: OutboxStorage, server = new FakeServer(), prefix = "a-"): Promise<World> {
  const world = await createWorld({ server, prefix, storage: storedOutbox(() => storage), prepare: offline });
  void world.client.send("Hello").catch(() => {});
  await quiet();
  await quiet();
  return world;
}

const reload = async (world: World, storage: OutboxStorage, prefix = "b-") => {
  const reloaded = await createWorld({
    server: world.server,
    prefix,
    storage: storedOutbox(() => storage),
    prepare: (server) => (server.accepts = true),
  });
  for (let i = 0; i < 8; i++) await quiet();
  return reloaded;
};

const unhandled = vi.fn();
beforeEach(() => void process.on("unhandledRejection", unhandled));
afterEach(() => {
  process.off("unhandledRejection", unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

describe("a stored outbox", () => {
  it.each([
    ["a synchronous storage", new MemoryStorage()],
    ["an asynchronous one", new AsyncStorage()],
  ])("sends what was not sent before a reload, once, under the same ids: %s", async (_, storage) => {
    const world = await left(storage);
    const [message] = world.snapshot.messages;
    const reloaded = await reload(world, storage);
    expect(reloaded.server.thread.messages).toMatchObject([{ id: message!.id, parts: [{ text: "Hello" }] }]);
    expect(reloaded.server.thread.turn!.id).toBe(message!.turnId);
    expect(reloaded.snapshot.messages).toEqual(reloaded.server.thread.messages);
    const again = await reload(world, storage, "c-");
    expect(again.server.thread.messages).toHaveLength(1);
    expect(again.server.socket.sent).toEqual([]);
  });

  it("is empty when all is acked", async () => {
    const storage = new MemoryStorage();
    await reload(await left(storage), storage);
    expect([...storage.items]).toEqual([]);
  });

  it("does not send again what was taken and not acked", async () => {
    const storage = new MemoryStorage();
    const world = await createWorld({ storage: storedOutbox(() => storage) });
    world.server.losesAnswers = true;
    void world.client.send("Hello");
    await quiet();
    world.server.losesAnswers = false;
    world.server.socket.drop();
    const reloaded = await reload(world, storage);
    expect(texts(reloaded.snapshot).messages).toEqual(["Hello"]);
    expect(world.server.thread.rows).toHaveLength(1);
    expect([...storage.items]).toEqual([]);
  });

  it("keeps an edit, and nothing that nobody wrote: a regenerate or a stop after a reload would surprise", async () => {
    const storage = new MemoryStorage();
    const world = await createWorld({ storage: storedOutbox(() => storage) });
    await world.client.send("Question");
    world.server.thread.chunks(...textChunks("Answer"), ...END_OF_TEXT);
    world.server.thread.end();
    world.server.losesRequests = true;
    void world.client.regenerate().catch(() => {});
    void world.client.setTitle("Title").catch(() => {});
    void world.client.edit({ messageId: world.snapshot.messages[0]!.id, text: "Better" }).catch(() => {});
    await quiet();
    world.server.socket.drop();
    world.server.losesRequests = false;
    const reloaded = await reload(world, storage);
    expect(reloaded.server.socket.sent.map(({ type }) => type)).toEqual(["edit"]);
    expect(texts(reloaded.snapshot).messages).toEqual(["Better"]);
  });

  it("makes the thread after a reload", async () => {
    const storage = new MemoryStorage();
    const server = new FakeServer();
    const refuse = () => Response.json({ error: { code: "internal", message: "Down.", retryable: true } }, { status: 503 });
    server.answers.push(refuse);
    const world = await createWorld({ server, create: true, storage: storedOutbox(() => storage) });
    void world.client.send("Hello").catch(() => {});
    await quiet();
    expect(server.thread.rows).toHaveLength(0);
    const reloaded = await createWorld({ server, create: true, prefix: "b-", storage: storedOutbox(() => storage) });
    await quiet();
    expect(server.tickets.at(-1)!.body).toMatchObject({ create: true, command: { type: "send", id: "id1", messageId: "id2" } });
    expect(texts(reloaded.snapshot).messages).toEqual(["Hello"]);
    expect(server.thread.rows).toHaveLength(1);
  });

  it("opens nothing by itself", async () => {
    const storage = new MemoryStorage();
    const { server } = await left(storage);
    const requests = server.requests.length;
    const getItem = vi.spyOn(storage, "getItem");
    await createWorld({ server, watch: false, storage: storedOutbox(() => storage) });
    await quiet();
    expect(server.requests).toHaveLength(requests);
    expect(getItem).not.toHaveBeenCalled();
  });

  it("shows what it holds before there is a connection", async () => {
    const storage = new MemoryStorage();
    const world = await left(storage);
    const reloaded = await createWorld({ server: world.server, prefix: "b-", storage: storedOutbox(() => storage) });
    await quiet();
    expect(reloaded.snapshot.messages).toMatchObject([{ delivery: "sending", parts: [{ text: "Hello" }] }]);
  });

  it("keeps what failed as failed, to be sent again by hand, and forgets what is cancelled", async () => {
    const storage = new MemoryStorage();
    const world = await createWorld({ storage: storedOutbox(() => storage) });
    refuseWith(world, "queue_full");
    await failure(world.client.send("a"));
    await failure(world.client.send("b"));
    delete world.server.refuse;
    await quiet();
    const reloaded = await reload(world, storage);
    expect(reloaded.snapshot.messages).toMatchObject([
      { delivery: "failed", error: { code: "queue_full" } },
      { delivery: "failed", error: { code: "queue_full" } },
    ]);
    const [a, b] = reloaded.snapshot.messages;
    await reloaded.client.cancel(a!.turnId!);
    await reloaded.client.retry(b!.id);
    expect(texts(reloaded.snapshot).messages).toEqual(["b"]);
    await quiet();
    expect([...storage.items]).toEqual([]);
  });

  it("sends what only a closed client has failed", async () => {
    const storage = new MemoryStorage();
    const world = await left(storage);
    world.client.close();
    expect(world.snapshot.messages).toMatchObject([{ delivery: "failed" }]);
    await quiet();
    const reloaded = await reload(world, storage);
    expect(reloaded.snapshot.messages).toEqual(reloaded.server.thread.messages);
    expect(reloaded.server.thread.messages).toHaveLength(1);
  });

  it("fails what is older than 6 days instead of sending it", async () => {
    const storage = new MemoryStorage();
    const world = await left(storage);
    const stored = JSON.parse(storage.getItem(KEY)!) as { createdAt: number }[];
    stored[0]!.createdAt -= 6 * DAY_MS + 1;
    storage.setItem(KEY, JSON.stringify(stored));
    const reloaded = await reload(world, storage);
    expect(reloaded.snapshot.messages).toMatchObject([{ delivery: "failed", error: { code: "interrupted", retryable: false } }]);
    expect(reloaded.server.thread.rows).toHaveLength(0);
  });

  it("does not send for another principal", async () => {
    const storage = new MemoryStorage();
    const world = await createWorld({ storage: storedOutbox(() => storage) });
    world.server.losesRequests = true;
    void world.client.send("Mine").catch(() => {});
    await quiet();
    world.server.losesRequests = false;
    world.server.accepts = false;
    const other = await createWorld({ server: world.server, prefix: "b-", storage: storedOutbox(() => storage) });
    await quiet();
    world.server.socket.open();
    world.server.socket.receive({ ...WELCOME, principal: { id: "you" } } as typeof WELCOME, ...world.server.thread.sync(""));
    expect(other.snapshot.messages).toMatchObject([{ delivery: "failed", error: { code: "forbidden" } }]);
    expect(world.server.socket.sent).toEqual([]);
  });

  it("is shared by two pages: neither drops what is the other's", async () => {
    const storage = new MemoryStorage();
    const server = new FakeServer();
    const options = { server, storage: storedOutbox(() => storage), prepare: offline };
    const [first, second] = [await createWorld({ ...options, prefix: "a-" }), await createWorld({ ...options, prefix: "b-" })];
    await quiet();
    for (const { client } of [first, second]) {
      void client.send("Hello").catch(() => {});
      await quiet();
    }
    expect(JSON.parse(storage.getItem(KEY)!)).toMatchObject([{ request: { id: "a-id1" } }, { request: { id: "b-id1" } }]);
    // The server has the first one's; what is left is the second one's.
    server.sockets[0]!.accept();
    await quiet();
    expect(JSON.parse(storage.getItem(KEY)!)).toMatchObject([{ request: { id: "b-id1" } }]);
  });

  it("is sent by two pages at once without harm", async () => {
    const storage = new MemoryStorage();
    const world = await left(storage);
    await left(storage, world.server, "b-");
    const reloaded = await reload(world, storage, "c-");
    const { rows, queue } = reloaded.server.thread;
    expect([...rows.map(({ message }) => message.id), ...queue.map(({ messageId }) => messageId)].sort()).toEqual(["a-id2", "b-id2"]);
    for (const socket of world.server.sockets) if (socket.readyState === 0) socket.accept();
    await quiet();
    expect(reloaded.server.thread.rows.length + reloaded.server.thread.queue.length).toBe(2);
    expect([...storage.items]).toEqual([]);
  });

  it("does not take its own entry for that of another, however late it is read", async () => {
    const { getItem, setItem, removeItem } = new MemoryStorage();
    const late: (() => void)[] = [];
    let reads = 0;
    // The first read is that of the store, the second that of the load.
    const storage: OutboxStorage = {
      getItem: (key) => (++reads === 2 ? new Promise((resolve) => late.push(() => resolve(getItem(key)))) : getItem(key)),
      setItem,
      removeItem,
    };
    const world = await createWorld({ watch: false, storage: storedOutbox(() => storage), prepare: offline });
    void world.client.send("Hello").catch(() => {});
    await quiet();
    expect(getItem(KEY)).not.toBeNull();
    for (const read of late) read();
    await quiet();
    expect(late).toHaveLength(1);
    expect(texts(world.snapshot)).toEqual({ messages: ["Hello"], queue: [] });
  });
});

describe("a storage that fails", () => {
  const broken: [string, () => OutboxStorage][] = [
    ["cannot be had", () => raise("SecurityError")],
    ["cannot be read", () => ({ getItem: () => raise("read"), setItem: () => {}, removeItem: () => {} })],
    [
      "rejects",
      () => ({ getItem: () => Promise.reject(new Error("read")), setItem: () => Promise.reject(new Error("full")), removeItem: () => {} }),
    ],
    ["is full", () => ({ getItem: () => null, setItem: () => raise("QuotaExceededError"), removeItem: () => raise("no") })],
    ...["{", "null", "7", '{"a":1}', '[null,1,"a",[],{}]', '[{"request":null}]', '[{"request":{"parts":1}}]'].map(
      (text): [string, () => OutboxStorage] => [`holds ${text}`, () => ({ getItem: () => text, setItem: () => {}, removeItem: () => {} })],
    ),
  ];

  it.each(broken)("and %s breaks no send", async (_, storage) => {
    const world = await createWorld({ storage: storedOutbox(storage) });
    await expect(world.client.send("Hello")).resolves.toMatchObject({ position: 0 });
    expect(texts(world.snapshot).messages).toEqual(["Hello"]);
    refuseWith(world, "queue_full");
    expect(isChatError(await failure(world.client.send("More")), "queue_full")).toBe(true);
    await quiet();
  });
});

function raise(name: string): never {
  throw new DOMException("No storage.", name);
}
