// Credentials, requests and answers that go wrong in every way that code of an app, a proxy or a network can think of.
import { describe, expect, it, vi } from "vitest";
import type { ChatClientOptions } from "../../../src/client/types.ts";
import { createWorld } from "./client-world.ts";
import { type FakeServer, quiet } from "./fake-server.ts";

type Headers = Record<string, string>;
const json = (body: unknown, status = 200) => Response.json(body, { status });
const never = <Value>() => new Promise<Value>(() => {});

/** Ways for a function of the app to fail. */
const FAILURES: Record<string, () => never> = {
  "throws an error": () => {
    throw new Error("no token");
  },
  "throws no error": () => {
    throw "no token";
  },
  "throws undefined": () => {
    throw undefined;
  },
  "rejects with an error": () => Promise.reject(new Error("no token")) as never,
  "rejects with no error": () => Promise.reject("no token") as never,
  "rejects with undefined": () => Promise.reject() as never,
  "rejects with null": () => Promise.reject(null) as never,
};

describe.each(["headers", "credentials", "fetch"] as const)("a %s function", (name) => {
  it.each(Object.entries(FAILURES))("that %s is asked again after a while", async (_, fail) => {
    let server!: FakeServer;
    const usual = name === "fetch" ? (...args: Parameters<typeof fetch>) => server.fetch(...args) : () => undefined;
    const given = vi.fn<(...args: never) => unknown>(usual).mockImplementationOnce(fail);
    const world = await createWorld({ prepare: (made) => (server = made), [name]: given });
    expect(world.snapshot).toMatchObject({ connection: { kind: "waiting", attempt: 1 }, error: null });
    await world.clock.advance(1_000);
    expect(world.snapshot.connection.kind).toBe("live");
    expect(given).toHaveBeenCalledTimes(2);
  });
});

describe("a step that never ends", () => {
  const HANGS: [string, (release: Promise<never>) => Partial<ChatClientOptions>][] = [
    ["a headers function", (release) => ({ headers: vi.fn<() => Promise<Headers>>(async () => ({})).mockReturnValueOnce(release) })],
    ["a promise of headers", (release) => ({ headers: release })],
    [
      "a credentials function",
      (release) => ({ credentials: vi.fn<() => Promise<"omit">>(async () => "omit").mockReturnValueOnce(release) }),
    ],
  ];

  it.each(HANGS)("%s is given up after ten seconds and asked anew; what it gives later asks for no ticket", async (what, make) => {
    let release = (_value: unknown): void => {};
    const held = new Promise<unknown>((resolve) => (release = resolve)) as Promise<never>;
    const world = await createWorld(make(held));
    await world.clock.advance(9_999);
    expect([world.snapshot.connection.kind, world.server.requests.length]).toEqual(["ticketing", 0]);
    await world.clock.advance(1);
    expect(world.snapshot.connection).toMatchObject({ kind: "waiting", attempt: 1 });
    await world.clock.advance(1_000);
    if (what === "a promise of headers") expect(world.snapshot.connection.kind).toBe("ticketing");
    else expect(world.snapshot.connection.kind).toBe("live");
    const requests = world.server.requests.length;
    release(what === "a credentials function" ? "omit" : {});
    await quiet();
    // Only the attempt that still waits for the same promise goes on.
    expect(world.server.requests.length - requests).toBe(what === "a promise of headers" ? 1 : 0);
    expect([world.snapshot.connection.kind, world.server.sockets.length]).toEqual(["live", 1]);
  });

  it("a body that never ends is given up after ten seconds", async () => {
    const world = await createWorld({ prepare: ({ answers }) => answers.push(() => ({ ok: true, status: 200, json: never }) as never) });
    await world.clock.advance(10_000);
    expect(world.server.requests[0]!.init.signal!.aborted).toBe(true);
    await world.clock.advance(1_000);
    expect(world.snapshot.connection.kind).toBe("live");
  });

  it("a request that looks at no signal is without effect when it is answered late", async () => {
    let server!: FakeServer;
    let answer = (_response: Response): void => {};
    const fetch = vi
      .fn<typeof globalThis.fetch>((...args) => server.fetch(...args))
      .mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
    const world = await createWorld({ prepare: (made) => (server = made), fetch });
    world.client.reconnect();
    await quiet();
    expect(world.snapshot.connection.kind).toBe("live");
    const before = world.snapshot;
    answer(json({ error: { code: "gone", message: "It is gone.", retryable: false } }, 410));
    await quiet();
    expect(world.snapshot).toBe(before);
    expect([fetch.mock.calls.length, server.sockets.length]).toEqual([2, 1]);
  });

  it("an identity that comes late asks for no ticket", async () => {
    let release = (_response: Response): void => {};
    const world = await createWorld({
      prepare: ({ answers }) =>
        answers.push(
          () => json({ error: { code: "identity_required", message: "Who?", retryable: false } }, 401),
          () => new Promise((resolve) => (release = resolve)),
        ),
    });
    await world.clock.advance(11_000);
    expect(world.snapshot.connection.kind).toBe("live");
    release(json({ principal: { id: "me" } }));
    await quiet();
    expect(world.server.requests.map(({ url }) => url.split("/").at(-1))).toEqual(["ticket", "identity", "ticket"]);
  });

  it("is left at once by close and by reconnect, without an unhandled rejection", async () => {
    const headers = vi.fn<() => Promise<Headers>>(async () => ({})).mockImplementationOnce(never);
    const world = await createWorld({ headers });
    world.client.close();
    expect([world.snapshot.connection, world.clock.pending]).toEqual([{ kind: "idle" }, []]);
    world.client.reconnect();
    await quiet();
    expect(world.snapshot.connection.kind).toBe("live");
  });
});

describe("an answer that is no ticket", () => {
  const retried: [string, () => unknown][] = [
    ["200 with a page", () => new Response("<!doctype html><p>Log in</p>", { headers: { "content-type": "text/html" } })],
    ["200 with nothing", () => new Response(null)],
    ["200 with half a body", () => new Response('{"ticket":"abc')],
    ["200 without a ticket", () => json({ ok: true })],
    ["200 with an empty ticket", () => json({ ticket: "" })],
    ["200 with a list", () => json([])],
    ["200 with a text", () => json("ticket")],
    ["200 with a number", () => json(7)],
    ["200 with an error of another kind", () => json({ error: "Not found" })],
    ["204", () => new Response(null, { status: 204 })],
    ["408", () => new Response("", { status: 408 })],
    ["425", () => new Response("", { status: 425 })],
    ["502 with an error of another kind", () => json({ error: { code: "502", message: "Bad gateway" } }, 502)],
    ["429 with an error of another kind", () => json({ error: { message: "Slow down" } }, 429)],
    ["500 with null", () => json({ error: null }, 500)],
    ["no response at all", () => undefined],
  ];
  it.each(retried)("%s backs off and asks again", async (_, answer) => {
    const world = await createWorld({ prepare: ({ answers }) => answers.push(answer as () => Response) });
    expect(world.snapshot).toMatchObject({ connection: { kind: "waiting", attempt: 1 }, error: null });
    await world.clock.advance(1_000);
    expect([world.snapshot.connection.kind, world.server.tickets.length]).toEqual(["live", 2]);
  });

  it.each([{}, "a b", "ä", "a,b"])("a ticket %j that no socket can carry backs off too", async (ticket) => {
    const world = await createWorld({
      prepare: ({ answers }) => answers.push(() => json({ ticket })),
      WebSocket: globalThis.WebSocket,
      url: "http://127.0.0.1:1/chat",
    });
    expect(world.snapshot.connection).toMatchObject({ kind: "waiting", attempt: 1 });
    world.client.close();
  });
});
