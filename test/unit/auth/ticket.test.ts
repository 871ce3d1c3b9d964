import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeBase64url } from "../../../src/auth/base64url.ts";
import { createSigner } from "../../../src/auth/secret.ts";
import { signTicket, ticketOfUpgrade, type TicketPayload, tryReadTicket, verifyTicket } from "../../../src/auth/ticket.ts";
import { PROTOCOL } from "../../../src/protocol/limits.ts";
import { codeOf, errorOf, NOW, ORIGIN, OTHER_SECRET, SECRET } from "./support.ts";

const signer = createSigner(SECRET, "ticket");
const payload: TicketPayload = {
  nonce: "nonce",
  boot: "boot",
  thread: "thread",
  tenant: "acme",
  basePath: "/chat",
  origin: ORIGIN,
  version: PROTOCOL,
  expiresAt: NOW + 1,
};
const use = { thread: "thread", basePath: "/chat", origin: ORIGIN, now: NOW };

function encode(value: unknown): string {
  return encodeBase64url(new TextEncoder().encode(JSON.stringify(value)));
}

async function signRaw(body: string): Promise<string> {
  return `${body}.${await signer.sign(body)}`;
}

describe("verifyTicket", () => {
  it("gives back what was signed", async () => {
    const ticket = await signTicket(signer, payload);
    expect(ticket).toMatch(/^[\w-]+\.[\w-]{43}$/);
    expect(await verifyTicket(signer, ticket, use)).toEqual(payload);
  });

  it("binds the absence of an origin, too", async () => {
    const ticket = await signTicket(signer, { ...payload, origin: "" });
    expect(await verifyTicket(signer, ticket, { ...use, origin: "" })).toMatchObject({ origin: "" });
    expect(await codeOf(() => verifyTicket(signer, ticket, use))).toBe("bad_ticket");
  });

  it("takes tickets of an older secret while it is listed", async () => {
    const ticket = await signTicket(createSigner(OTHER_SECRET, "ticket"), payload);
    expect(await verifyTicket(createSigner([SECRET, OTHER_SECRET], "ticket"), ticket, use)).toEqual(payload);
    expect(await codeOf(() => verifyTicket(signer, ticket, use))).toBe("bad_ticket");
  });

  it.each<[string, Partial<TicketPayload>, Partial<typeof use>]>([
    ["an expired ticket", { expiresAt: NOW }, {}],
    ["a ticket of another thread", { thread: "other" }, {}],
    ["a ticket of another base path", { basePath: "/other" }, {}],
    ["a ticket of another origin", { origin: "https://evil.example" }, {}],
    ["a ticket used without an origin", {}, { origin: "" }],
    ["a ticket of another version", { version: "chatcell.v0" }, {}],
  ])("refuses %s with one and the same error", async (_, change, useChange) => {
    const ticket = await signTicket(signer, { ...payload, ...change });
    const error = await errorOf(() => verifyTicket(signer, ticket, { ...use, ...useChange }));
    expect(error).toMatchObject({ code: "bad_ticket", message: "The ticket does not open this socket: ask for a new one." });
  });

  it("refuses a ticket that was cut anywhere", async () => {
    const ticket = await signTicket(signer, payload);
    for (let length = 0; length < ticket.length; length++) {
      expect(await codeOf(() => verifyTicket(signer, ticket.slice(0, length), use))).toBe("bad_ticket");
    }
  });

  it("reads no ticket of more than 4,096 characters, even a signed one", async () => {
    const basePath = `/${"x".repeat(3_000)}`;
    const ticket = await signTicket(signer, { ...payload, basePath });
    expect(ticket.length).toBeGreaterThan(4_096);
    expect(await codeOf(() => verifyTicket(signer, ticket, { ...use, basePath }))).toBe("bad_ticket");
  });

  it("refuses a signature that was made as a cookie", async () => {
    const body = encode(payload);
    const ticket = `${body}.${await createSigner(SECRET, "cookie").sign(body)}`;
    expect(await codeOf(() => verifyTicket(signer, ticket, use))).toBe("bad_ticket");
  });

  it.each([
    ["nothing", ""],
    ["dots", "..."],
    ["three parts", "e30.e30.e30"],
    ["padding", "e30=.AAAA"],
    ["other characters", "é.é"],
    ["no signature", `${encode(payload)}.`],
    ["an unsigned ticket", `${encode(payload)}.${"A".repeat(43)}`],
  ])("refuses %s", async (_, ticket) => {
    expect(await codeOf(() => verifyTicket(signer, ticket, use))).toBe("bad_ticket");
  });

  it.each([
    ["text", "text"],
    ["null", null],
    ["a list", []],
    ["no expiry", { ...payload, expiresAt: undefined }],
    ["an expiry as text", { ...payload, expiresAt: "9999999999999" }],
    ["a number as tenant", { ...payload, tenant: 1 }],
  ])("refuses a payload that is %s, even when it is signed", async (_, value) => {
    const ticket = await signRaw(encode(value ?? null));
    expect(await codeOf(() => verifyTicket(signer, ticket, use))).toBe("bad_ticket");
  });

  it("refuses a signed body that is not JSON", async () => {
    const ticket = await signRaw(encodeBase64url(new Uint8Array([0xff, 0x7b])));
    expect(await codeOf(() => verifyTicket(signer, ticket, use))).toBe("bad_ticket");
  });

  it("never takes a ticket that differs by any change of its characters", async () => {
    const ticket = await signTicket(signer, payload);
    const character = fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ é".split(""));
    const change = fc.record({ at: fc.nat(ticket.length), remove: fc.nat(3), insert: fc.array(character, { maxLength: 3 }) });
    const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      let mutated = ticket;
      for (const { at, remove, insert } of changes) mutated = mutated.slice(0, at) + insert.join("") + mutated.slice(at + remove);
      fc.pre(mutated !== ticket);
      expect(await codeOf(() => verifyTicket(signer, mutated, use))).toBe("bad_ticket");
    });
    await fc.assert(property, { numRuns: 500 });
  });
});

describe("tryReadTicket", () => {
  it("reads the nonce without the secret", async () => {
    expect(tryReadTicket(await signTicket(signer, payload))).toEqual(payload);
    expect(tryReadTicket(`${encode(payload)}.forged`)).toEqual(payload);
  });

  it("gives null for what is no ticket", () => {
    for (const text of ["", "a", "a.b", ".", `${encode({})}.x`]) expect(tryReadTicket(text)).toBeNull();
  });
});

describe("ticketOfUpgrade", () => {
  function upgrade(protocol: string | null, upgradeHeader: string | null = "websocket"): Request {
    const headers = new Headers();
    if (protocol !== null) headers.set("sec-websocket-protocol", protocol);
    if (upgradeHeader !== null) headers.set("upgrade", upgradeHeader);
    return new Request("https://app.example/chat/threads/t/socket", { headers });
  }

  it("finds the ticket in any place and with any spaces", () => {
    expect(ticketOfUpgrade(upgrade("chatcell.v1, ticket.a.b"))).toBe("a.b");
    expect(ticketOfUpgrade(upgrade("ticket.a.b,chatcell.v1", "WebSocket"))).toBe("a.b");
    expect(ticketOfUpgrade(upgrade("chatcell.v2, chatcell.v1,  ticket.a.b"))).toBe("a.b");
  });

  it.each([
    ["no upgrade", upgrade("chatcell.v1, ticket.a.b", null), "unsupported_protocol"],
    ["another upgrade", upgrade("chatcell.v1, ticket.a.b", "h2c"), "unsupported_protocol"],
    ["no subprotocol", upgrade(null), "unsupported_protocol"],
    ["another version", upgrade("chatcell.v2, ticket.a.b"), "unsupported_protocol"],
    ["another case", upgrade("CHATCELL.V1, ticket.a.b"), "unsupported_protocol"],
    ["no ticket", upgrade("chatcell.v1"), "bad_ticket"],
    ["two tickets", upgrade("chatcell.v1, ticket.a.b, ticket.c.d"), "bad_ticket"],
  ])("refuses %s", async (_, request, code) => {
    expect(await codeOf(() => ticketOfUpgrade(request))).toBe(code);
  });
});
