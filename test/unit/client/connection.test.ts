import { afterEach, describe, expect, it, vi } from "vitest";
import { SILENCE_MS } from "../../../src/client/connection-machine.ts";
import { isChatError } from "../../../src/errors.ts";
import { createWorld, texts } from "./client-world.ts";
import { quiet } from "./fake-server.ts";
import { textChunks } from "./model-thread.ts";

const answer = (status: number, body: unknown) => () =>
  typeof body === "string" ? new Response(body, { status }) : Response.json(body, { status });
const error = (code: string, retryable: boolean) => ({ error: { code, message: "Because.", retryable } });

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("connecting", () => {
  it("asks for a ticket, offers it as a subprotocol, and is live after the first view", async () => {
    const world = await createWorld();
    const [ticket] = world.server.requests;
    expect(ticket).toMatchObject({ url: "https://chat.example/chat/threads/thread/ticket", body: {}, init: { method: "POST" } });
    expect(new Headers(ticket!.init.headers).get("content-type")).toBe("application/json");
    expect(world.server.socket.url).toBe("wss://chat.example/chat/threads/thread/socket?cursor=");
    expect(world.server.socket.protocols).toEqual(["chatcell.v1", "ticket.ticket1"]);
    expect(world.snapshot).toMatchObject({
      connection: { kind: "live" },
      principal: { id: "me" },
      role: "owner",
      thread: { id: "thread" },
    });
    expect(world.clock.pending).toEqual([SILENCE_MS]);
  });

  it("does nothing before it is watched, connected or used", async () => {
    const world = await createWorld({ watch: false });
    expect(world.server.requests).toEqual([]);
    expect(world.client.getSnapshot().connection).toEqual({ kind: "idle" });
    world.client.connect();
    world.client.connect();
    await quiet();
    expect(world.server.sockets).toHaveLength(1);
  });

  it("takes headers and credentials as values, promises and functions, anew for each request", async () => {
    let count = 0;
    const headers = async () => ({ authorization: `Bearer ${++count}` });
    const world = await createWorld({ headers, credentials: Promise.resolve("include") });
    world.client.reconnect();
    await quiet();
    const sent = world.server.tickets.map(({ init }) => new Headers(init.headers).get("authorization"));
    expect(sent).toEqual(["Bearer 1", "Bearer 2"]);
    expect(world.server.tickets[0]!.init).toMatchObject({ credentials: "include" });
  });

  it("tries again when the headers function throws", async () => {
    const headers = vi
      .fn<() => Record<string, string>>(() => ({}))
      .mockImplementationOnce(() => {
        throw new Error("no token yet");
      });
    const world = await createWorld({ headers });
    expect(world.snapshot.connection.kind).toBe("waiting");
    await world.clock.advance(1_000);
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("tries again when the socket cannot be made", async () => {
    let count = 0;
    const world = await createWorld({
      prepare: (server) => server.answers.push(() => Response.json({ ticket: "a b" })),
      WebSocket: class {
        constructor() {
          count++;
          throw new SyntaxError("bad subprotocol");
        }
      } as never,
    });
    expect(world.snapshot.connection.kind).toBe("waiting");
    await world.clock.advance(600);
    expect(count).toBe(2);
  });

  it("throws at once for a relative address outside of a page", async () => {
    await expect(createWorld({ url: "/chat" })).rejects.toThrow(TypeError);
  });

  it("takes an address relative to the page", async () => {
    vi.stubGlobal("location", { href: "http://localhost:8787/app/page" });
    const world = await createWorld({ url: "/chat" });
    expect(world.server.requests[0]!.url).toBe("http://localhost:8787/chat/threads/thread/ticket");
    expect(world.server.socket.url).toMatch(/^ws:\/\/localhost:8787\/chat\/threads\/thread\/socket/);
  });
});

describe("ticket refusals", () => {
  it.each([
    [401, error("unauthenticated", false), "unauthenticated"],
    [401, error("reauthenticate", true), "reauthenticate"],
    [401, "<html>", "internal"],
    [403, error("bad_origin", false), "bad_origin"],
    [403, "", "internal"],
    [404, error("not_found", false), "not_found"],
    [404, "Not found", "internal"],
    [410, error("gone", false), "gone"],
    [400, error("bad_request", false), "bad_request"],
    [409, error("id_reused", false), "id_reused"],
    [426, error("unsupported_protocol", false), "unsupported_protocol"],
    [500, error("configuration", false), "configuration"],
    [404, { error: "Not found" }, "internal"],
  ])("%i %j stops with the reason %s", async (status, body, code) => {
    const world = await createWorld({ prepare: (server) => server.answers.push(answer(status, body)) });
    expect(world.snapshot).toMatchObject({ connection: { kind: "stopped", reason: { code } }, status: "error", error: { code } });
    await world.clock.advance(100_000);
    expect(world.server.requests).toHaveLength(1);
    expect(world.clock.pending).toEqual([]);
  });

  it.each([
    [429, error("rate_limited", true)],
    [429, "Too many"],
    [500, error("internal", true)],
    [500, "Worker threw exception"],
    [503, error("schema_ahead", true)],
    [502, "<html>"],
    [200, "<html>"],
    [200, {}],
    [200, null],
  ])("%i %j backs off and tries again", async (status, body) => {
    const world = await createWorld({ prepare: (server) => server.answers.push(answer(status, body)) });
    expect(world.snapshot).toMatchObject({ connection: { kind: "waiting", attempt: 1 }, status: "ready", error: null });
    await world.clock.advance(1_000);
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("backs off further with each failure, also of the network", async () => {
    const world = await createWorld({
      prepare: (server) => server.answers.push(...Array.from({ length: 8 }, () => () => Promise.reject(new TypeError("offline")))),
    });
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      waits.push(world.clock.pending[0]!);
      await world.clock.advance(waits.at(-1)!);
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("makes an identity once when it is told to, then asks again", async () => {
    const world = await createWorld({ prepare: (server) => server.answers.push(answer(401, error("identity_required", false))) });
    expect(world.server.requests.map(({ url }) => new URL(url).pathname)).toEqual([
      "/chat/threads/thread/ticket",
      "/chat/identity",
      "/chat/threads/thread/ticket",
    ]);
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("stops when the identity does not help", async () => {
    const required = answer(401, error("identity_required", false));
    const world = await createWorld({
      prepare: (server) => server.answers.push(required, () => Response.json({ principal: { id: "x" } }), required),
    });
    expect(world.snapshot.connection).toMatchObject({ kind: "stopped", reason: { code: "identity_required" } });
    expect(world.server.requests).toHaveLength(3);
  });

  it("tries again when making the identity fails for now", async () => {
    const required = answer(401, error("identity_required", false));
    const world = await createWorld({ prepare: (server) => server.answers.push(required, answer(500, "")) });
    expect(world.snapshot.connection.kind).toBe("waiting");
  });

  it("gives up a request without an answer after ten seconds, aborts it, and tries again", async () => {
    const world = await createWorld({ prepare: (server) => server.answers.push(() => new Promise<Response>(() => {})) });
    expect(world.snapshot.connection.kind).toBe("ticketing");
    await world.clock.advance(10_000);
    expect(world.server.requests[0]!.init.signal!.aborted).toBe(true);
    expect(world.snapshot.connection.kind).toBe("waiting");
    await world.clock.advance(1_000);
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("fails what waits for an answer, and a later send tries anew", async () => {
    const world = await createWorld({
      prepare: (server) => server.answers.push(answer(401, error("unauthenticated", false))),
      watch: false,
    });
    const refused = await world.client.send("a").catch((reason: unknown) => reason);
    expect(isChatError(refused, "unauthenticated")).toBe(true);
    await world.client.send("b");
    await quiet();
    expect(texts(world.snapshot).messages).toEqual(["b", "a"]);
  });
});

describe("the socket", () => {
  it("reconnects with a new ticket and the cursor of what it holds", async () => {
    const world = await createWorld();
    await world.client.send("a");
    world.server.thread.chunks(...textChunks("Re"));
    world.server.socket.drop();
    expect(world.snapshot.connection).toMatchObject({ kind: "waiting", attempt: 1 });
    world.server.thread.chunks({ type: "text-delta", id: "t", delta: "ply" });
    await world.clock.advance(1_000);
    expect(new URL(world.server.socket.url).searchParams.get("cursor")).toBe("epoch1.1.id1.4");
    expect(world.server.socket.protocols[1]).toBe("ticket.ticket2");
    expect(texts(world.snapshot).messages).toEqual(["a", "Reply"]);
  });

  it.each(["before it opens", "before the welcome", "before the first view"])("is given up when it hangs %s", async (when) => {
    const world = await createWorld({ prepare: (server) => (server.accepts = false) });
    const { socket } = world.server;
    if (when !== "before it opens") socket.open();
    if (when === "before the first view") {
      await world.clock.advance(9_000);
      socket.receive({ type: "welcome", connection: "c", principal: { id: "me" }, role: "owner", limits: {} as never, serverTime: 1 });
      expect(world.snapshot.connection.kind).toBe("syncing");
    }
    await world.clock.advance(11_000);
    expect(socket.readyState).toBe(3);
    expect(world.server.sockets.length).toBeGreaterThan(1);
  });

  it("is deaf once another one has taken its place", async () => {
    const world = await createWorld();
    const old = world.server.socket;
    world.client.reconnect();
    await quiet();
    expect(old.readyState).toBe(3);
    await world.client.send("a");
    const before = world.snapshot;
    const stale = world.server.thread.snapshot();
    old.receive({ ...stale, messages: [], session: { ...stale.session, rev: 0 } }, { type: "ack", ref: "id1", rev: 99 });
    old.drop(4410, "gone");
    expect(world.snapshot).toBe(before);
    expect(world.server.socket.sent).toHaveLength(1);
  });

  it("is deaf after close, and so is a ticket that comes late", async () => {
    const world = await createWorld();
    const old = world.server.socket;
    world.client.close();
    expect(world.snapshot.connection).toEqual({ kind: "idle" });
    const before = world.snapshot;
    old.receive({ type: "delta", from: 0, to: 1, turn: null });
    old.drop();
    expect(world.snapshot).toBe(before);
    world.client.connect();
    world.client.close();
    await quiet();
    expect(world.server.sockets).toHaveLength(1);
    expect(world.clock.pending).toEqual([]);
  });

  it("is not disturbed by the ticket request of an attempt before it, however that ends", async () => {
    let release = (_response: Response): void => {};
    const world = await createWorld({
      prepare: (server) => {
        server.accepts = false;
        server.answers.push(() => new Promise((resolve) => (release = resolve)));
      },
    });
    world.client.reconnect();
    release(Response.json({ ticket: "late" }));
    await quiet();
    expect(world.server.tickets).toHaveLength(2);
    expect(world.server.socket.protocols[1]).toBe("ticket.ticket2");
    expect(world.server.sockets).toHaveLength(1);
    expect(world.snapshot.connection).toEqual({ kind: "connecting", attempt: 0 });
  });

  it("keeps the view through close and connect", async () => {
    const world = await createWorld();
    await world.client.send("a");
    world.client.close();
    expect(texts(world.snapshot).messages).toEqual(["a"]);
    world.client.connect();
    await quiet();
    expect(new URL(world.server.socket.url).searchParams.get("cursor")).toBe("epoch1.1.id1.0");
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("fails what waits when it is closed, and sends it again with the same id on retry", async () => {
    const world = await createWorld();
    world.server.losesAnswers = true;
    const sending = world.client.send("a");
    world.client.close();
    const reason = await sending.catch((failure: unknown) => failure);
    expect(isChatError(reason, "interrupted")).toBe(true);
    expect(world.snapshot.messages).toMatchObject([{ delivery: "failed" }]);
    world.server.losesAnswers = false;
    await world.client.retry("id2");
    expect(world.server.thread.messages).toHaveLength(1);
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });

  it("shows a failed message no longer as failed once the thread holds it", async () => {
    const world = await createWorld();
    world.server.losesAnswers = true;
    void world.client.send("a").catch(() => {});
    world.client.close();
    world.server.losesAnswers = false;
    world.client.connect();
    await quiet();
    expect(world.snapshot.messages).toEqual(world.server.thread.messages);
  });

  it("leaves a stop by reconnect", async () => {
    const world = await createWorld();
    world.server.socket.drop(4403, "forbidden");
    world.client.reconnect();
    await quiet();
    expect(world.snapshot).toMatchObject({ connection: { kind: "live" }, status: "ready", error: null });
  });
});
