// Who gets a socket: a ticket opens one, here, now, from where it was asked for; everything else opens nothing.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createSigner } from "../../src/auth/secret.ts";
import { signTicket, tryReadTicket, type TicketPayload } from "../../src/auth/ticket.ts";
import { bearer, routeChatRequest } from "../../src/entries/index.ts";
import type { ErrorBody } from "../../src/errors.ts";
import type { TicketResponse } from "../../src/protocol/frames.ts";
import { newId } from "../../src/protocol/ids.ts";
import { withClock } from "./support/clock.ts";
import { askTicket, getTicket, ORIGIN, TestSocket, upgrade } from "./support/client.ts";
import { CHATCELL_SECRET, constructionsOf, evict, stubOf } from "./support/objects.ts";
import type { Env } from "./worker.ts";

const signer = createSigner(CHATCELL_SECRET, "ticket");
const resign = (ticket: string, change: Partial<TicketPayload>): Promise<string> =>
  signTicket(signer, { ...tryReadTicket(ticket)!, ...change });

async function expectRefused(response: Response, status: number, code: string): Promise<void> {
  expect(response.webSocket ?? null).toBeNull();
  const { error } = await response.json<{ error: ErrorBody }>();
  expect([response.status, error.code]).toEqual([status, code]);
  expect(response.headers.get("cache-control")).toBe("no-store");
}

/** A thread of user-1 that exists, and a ticket for it that nobody has used. */
async function threadWithTicket(): Promise<{ threadId: string; ticket: string }> {
  const threadId = newId();
  const { ticket } = await getTicket(threadId, "user-1", { create: true });
  return { threadId, ticket };
}

function socketsOf(threadId: string): Promise<number> {
  return runInDurableObject(stubOf(threadId), (_puppet, state) => state.getWebSockets().length);
}

/** How many sockets the object has while the one of this answer is held: an unheld one may be collected at any time. */
async function opened(threadId: string, response: Response): Promise<number> {
  expect(response.status).toBe(101);
  const socket = new TestSocket(response.webSocket!);
  await socket.next("welcome");
  const count = await socketsOf(threadId);
  socket.close();
  return count;
}

const swapLast = (text: string): string => text.slice(0, -2) + (text.at(-2) === "A" ? "B" : "A") + text.at(-1);

const SPOILT: Record<string, (ticket: string) => string | Promise<string>> = {
  "with one changed character in its signature": swapLast,
  "with another nonce under the same signature": async (ticket) =>
    `${(await resign(ticket, { nonce: newId() })).split(".")[0]}.${ticket.split(".")[1]}`,
  "signed with another secret": (ticket) =>
    signTicket(createSigner("another secret, also of thirty-two bytes", "ticket"), tryReadTicket(ticket)!),
  "signed with the key of identity cookies": (ticket) => signTicket(createSigner(CHATCELL_SECRET, "cookie"), tryReadTicket(ticket)!),
  "that has expired": (ticket) => resign(ticket, { expiresAt: Date.now() }),
  "for another thread": (ticket) => resign(ticket, { thread: newId() }),
  "for another base path": (ticket) => resign(ticket, { basePath: "/other" }),
  "for another origin": (ticket) => resign(ticket, { origin: "https://app.example" }),
  "for another protocol version": (ticket) => resign(ticket, { version: "chatcell.v0" }),
  "without a signature": (ticket) => ticket.split(".")[0]!,
  "with a third piece": (ticket) => `${ticket}.x`,
  "that is empty": () => "",
  "that is no ticket": () => "aGVsbG8.aGVsbG8",
  "of 100,000 characters": () => "A".repeat(100_000),
};

describe("a ticket", () => {
  it.each(Object.entries(SPOILT))("%s opens nothing, and the object is not asked", async (_name, spoil) => {
    const { threadId, ticket } = await threadWithTicket();
    await expectRefused(await upgrade(threadId, await spoil(ticket)), 401, "bad_ticket");
    expect(await opened(threadId, await upgrade(threadId, ticket))).toBe(1);
  });

  it("of one thread opens nothing in another thread of the same owner", async () => {
    const { ticket } = await threadWithTicket();
    const other = await threadWithTicket();
    await expectRefused(await upgrade(other.threadId, ticket), 401, "bad_ticket");
  });

  it("of one base path opens nothing under another", async () => {
    const { threadId } = await threadWithTicket();
    const options = {
      namespace: (env as unknown as Env).PUPPET,
      secret: CHATCELL_SECRET,
      authenticate: bearer((id) => ({ id })),
      basePath: "/other",
    };
    const headers = { authorization: "Bearer user-1", "content-type": "application/json" };
    const request = new Request(`${ORIGIN}/other/threads/${threadId}/ticket`, { method: "POST", headers, body: "{}" });
    const { ticket } = await (await routeChatRequest(request, options))!.json<TicketResponse>();
    await expectRefused(await upgrade(threadId, ticket), 401, "bad_ticket");
  });

  it.each([
    ["a listed origin", "https://app.example", undefined],
    ["a listed origin", "https://app.example", ORIGIN],
    ["its own origin", ORIGIN, undefined],
    ["no origin", undefined, ORIGIN],
  ])("asked for from %s opens a socket only from there (%s, %s)", async (_name, asked, used) => {
    const headersOf = (origin: string | undefined): Record<string, string> => (origin === undefined ? {} : { origin });
    const { threadId } = await threadWithTicket();
    const { ticket } = await (await askTicket(threadId, "user-1", {}, headersOf(asked))).json<TicketResponse>();
    await expectRefused(await upgrade(threadId, ticket, undefined, headersOf(used)), 401, "bad_ticket");
    expect((await upgrade(threadId, ticket, undefined, headersOf(asked))).status).toBe(101);
  });

  it("cannot be shown from an origin that is not listed", async () => {
    const { threadId, ticket } = await threadWithTicket();
    await expectRefused(await upgrade(threadId, ticket, undefined, { origin: "https://evil.example" }), 403, "bad_origin");
  });

  it("opens one socket and no second one", async () => {
    const { threadId, ticket } = await threadWithTicket();
    expect((await upgrade(threadId, ticket)).headers.get("sec-websocket-protocol")).toBe("chatcell.v1");
    await expectRefused(await upgrade(threadId, ticket), 401, "bad_ticket");
  });

  it("shown 50 times at once opens exactly one socket", async () => {
    const { threadId, ticket } = await threadWithTicket();
    const answers = await Promise.all(Array.from({ length: 50 }, () => upgrade(threadId, ticket)));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(49);
    const [opening, ...more] = answers.filter(({ status }) => status === 101);
    expect(more).toEqual([]);
    expect(await opened(threadId, opening!)).toBe(1);
  });

  it("from before an eviction is refused, and a new one opens", async () => {
    const { threadId, ticket } = await threadWithTicket();
    await evict(threadId);
    await expectRefused(await upgrade(threadId, ticket), 401, "bad_ticket");
    await TestSocket.open(threadId, "user-1");
    expect(constructionsOf(threadId)).toBe(2);
  });

  it("lives 30 s by the object's own clock, whatever it says itself", async () => {
    const { threadId, ticket } = await threadWithTicket();
    await withClock(async (move) => {
      const lasting = await resign(ticket, { expiresAt: Date.now() + 3_600_000 });
      move(30_001);
      await expectRefused(await upgrade(threadId, lasting), 401, "bad_ticket");
    });
  });

  it("ends with its principal when that expires earlier", async () => {
    const threadId = newId();
    const until = Date.now() + 10_000;
    const { ticket, expiresAt } = await getTicket(threadId, `user-1.until.${until}`, { create: true });
    expect(expiresAt).toBe(until);
    await withClock(async (move) => {
      move(10_001);
      await expectRefused(await upgrade(threadId, await resign(ticket, { expiresAt: Date.now() + 1_000 })), 401, "bad_ticket");
    });
  });
});

describe("an upgrade that was handed to the object by mistake", () => {
  const raw = (threadId: string, protocols: string): Promise<Response> =>
    stubOf(threadId).fetch(`${ORIGIN}/chat/threads/${threadId}/socket`, {
      headers: { upgrade: "websocket", "sec-websocket-protocol": protocols },
    });

  it.each<[string, (ticket: string) => string | Promise<string>]>([
    ["a made-up ticket", () => "bWFkZQ.dXA"],
    ["a nonce that the object does not know, in a payload signed with the secret", (ticket) => resign(ticket, { nonce: newId() })],
    ["a nonce of another object", async () => (await threadWithTicket()).ticket],
  ])("with %s opens nothing", async (_name, make) => {
    const { threadId, ticket } = await threadWithTicket();
    await expectRefused(await raw(threadId, `chatcell.v1, ticket.${await make(ticket)}`), 401, "bad_ticket");
    expect(await socketsOf(threadId)).toBe(0);
  });

  it("with a principal in headers opens nothing", async () => {
    const { threadId } = await threadWithTicket();
    const headers = {
      upgrade: "websocket",
      "sec-websocket-protocol": "chatcell.v1",
      authorization: "Bearer user-1",
      "x-principal": "user-1",
    };
    await expectRefused(await stubOf(threadId).fetch(`${ORIGIN}/chat/threads/${threadId}/socket`, { headers }), 401, "bad_ticket");
  });

  it("is refused as a plain request or for another protocol", async () => {
    const { threadId, ticket } = await threadWithTicket();
    await expectRefused(await stubOf(threadId).fetch(`${ORIGIN}/`), 426, "unsupported_protocol");
    await expectRefused(await raw(threadId, `graphql-ws, ticket.${ticket}`), 426, "unsupported_protocol");
  });
});
