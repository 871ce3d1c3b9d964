import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TicketResponse } from "../../../src/protocol/frames.ts";
import { DAY_MS, NOW, ORIGIN, OTHER_SECRET, SECRET } from "../auth/support.ts";
import { askTicket, makeWorker, openSocket, refusalOf, visit, type Worker } from "./support.ts";

async function ticketOf(worker: Worker, threadId = "thread"): Promise<string> {
  const { cookie } = await visit(worker);
  const response = await askTicket(worker, { origin: ORIGIN, cookie }, undefined, threadId);
  const { ticket } = await response.json<TicketResponse>();
  worker.namespace.calls.length = 0;
  return ticket;
}

async function expectRefused(worker: Worker, response: Response, code = "bad_ticket", status = 401): Promise<void> {
  expect(await refusalOf(response)).toMatchObject({ status, code });
  expect(worker.namespace.calls).toEqual([]);
}

describe("GET /threads/:id/socket", () => {
  it("hands the upgrade to the object as it came and its answer back as it is", async () => {
    const worker = makeWorker();
    const opened = new Response("opened");
    worker.namespace.respond = () => opened;
    const ticket = await ticketOf(worker);
    expect(await openSocket(worker, ticket, {}, "/chat/threads/thread/socket?cursor=e.1")).toBe(opened);
    const [call] = worker.namespace.calls;
    expect(call?.name).toBe("/thread");
    expect(call?.fetch?.url).toBe(`${ORIGIN}/chat/threads/thread/socket?cursor=e.1`);
    expect(call?.fetch?.headers.get("sec-websocket-protocol")).toBe(`chatcell.v1, ticket.${ticket}`);
  });

  it("finds the object of the tenant that the ticket names", async () => {
    const worker = makeWorker({ authenticate: () => ({ id: "ann", tenant: "acme" }) });
    const response = await askTicket(worker, { origin: ORIGIN });
    const { ticket } = await response.json<TicketResponse>();
    await openSocket(worker, ticket);
    expect(worker.namespace.calls.map((call) => call.name)).toEqual(["acme/thread", "acme/thread"]);
  });

  it("opens without an origin what was asked for without one", async () => {
    const worker = makeWorker({ authenticate: () => ({ id: "ann" }) });
    const { ticket } = await (await askTicket(worker, {})).json<TicketResponse>();
    const headers = { upgrade: "websocket", "sec-websocket-protocol": `chatcell.v1, ticket.${ticket}` };
    expect((await worker.fetch("/chat/threads/thread/socket", { headers })).status).toBe(200);
    worker.namespace.calls.length = 0;
    await expectRefused(worker, await openSocket(worker, ticket));
  });

  it("refuses a ticket of another thread", async () => {
    const worker = makeWorker();
    await expectRefused(worker, await openSocket(worker, await ticketOf(worker, "other")));
  });

  it("refuses a ticket from its expiry on", async () => {
    const worker = makeWorker();
    const ticket = await ticketOf(worker);
    worker.clock.now = NOW + 29_999;
    expect((await openSocket(worker, ticket)).status).toBe(200);
    worker.namespace.calls.length = 0;
    worker.clock.now = NOW + 30_000;
    await expectRefused(worker, await openSocket(worker, ticket));
    worker.clock.now = NOW + DAY_MS;
    await expectRefused(worker, await openSocket(worker, ticket));
  });

  it("refuses a ticket at another allowed origin", async () => {
    const worker = makeWorker({ allowedOrigins: ["https://other.example"] });
    await expectRefused(worker, await openSocket(worker, await ticketOf(worker), { origin: "https://other.example" }));
  });

  it("refuses an origin that is not allowed, whatever the ticket", async () => {
    const worker = makeWorker();
    await expectRefused(worker, await openSocket(worker, await ticketOf(worker), { origin: "https://evil.example" }), "bad_origin", 403);
  });

  it("refuses a ticket of another base path", async () => {
    const ticket = await ticketOf(makeWorker());
    const worker = makeWorker({ basePath: "/support" });
    await expectRefused(worker, await openSocket(worker, ticket, {}, "/support/threads/thread/socket"));
  });

  it("refuses a ticket signed with another secret, and takes it while that is listed", async () => {
    const ticket = await ticketOf(makeWorker({ secret: OTHER_SECRET }));
    const worker = makeWorker();
    await expectRefused(worker, await openSocket(worker, ticket));
    expect((await openSocket(makeWorker({ secret: [SECRET, OTHER_SECRET] }), ticket)).status).toBe(200);
  });

  it("never touches the object for a changed ticket", async () => {
    const worker = makeWorker();
    const ticket = await ticketOf(worker);
    const character = fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.".split(""));
    const property = fc.asyncProperty(fc.nat(ticket.length - 1), character, fc.boolean(), async (at, char, replace) => {
      const changed = ticket.slice(0, at) + char + ticket.slice(replace ? at + 1 : at);
      fc.pre(changed !== ticket);
      await expectRefused(worker, await openSocket(worker, changed));
    });
    await fc.assert(property, { numRuns: 200 });
  });

  it.each([
    ["a plain GET", { "sec-websocket-protocol": "chatcell.v1, ticket.a.b" }],
    ["an upgrade without our protocol", { upgrade: "websocket", "sec-websocket-protocol": "ticket.a.b" }],
    ["an upgrade to another version", { upgrade: "websocket", "sec-websocket-protocol": "chatcell.v9, ticket.a.b" }],
    ["an upgrade without subprotocols", { upgrade: "websocket" }],
  ])("answers 426 to %s", async (_, headers) => {
    const worker = makeWorker();
    await expectRefused(worker, await worker.fetch("/chat/threads/thread/socket", { headers }), "unsupported_protocol", 426);
  });

  it("answers 401 to an upgrade without a ticket", async () => {
    const worker = makeWorker();
    const headers = { upgrade: "websocket", "sec-websocket-protocol": "chatcell.v1" };
    await expectRefused(worker, await worker.fetch("/chat/threads/thread/socket", { headers }));
  });
});
