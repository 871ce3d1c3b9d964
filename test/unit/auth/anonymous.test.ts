import { describe, expect, it } from "vitest";
import { anonymous } from "../../../src/auth/anonymous.ts";
import type { AuthenticateContext } from "../../../src/auth/authenticate.ts";
import { createSigner } from "../../../src/auth/secret.ts";
import { authContext, codeOf, countedIds, DAY_MS, NOW, ORIGIN, OTHER_SECRET, SECRET } from "./support.ts";

const authenticator = anonymous();

function request(cookie?: string, url = `${ORIGIN}/chat/identity`): Request {
  return new Request(url, { method: "POST", headers: cookie === undefined ? {} : { cookie } });
}

async function issue(context: AuthenticateContext, cookie?: string, url?: string) {
  const { principal, setCookie } = await authenticator.issue!(request(cookie, url), context);
  return { id: principal.id, setCookie, cookie: setCookie?.split(";")[0] };
}

describe("anonymous", () => {
  it("authenticates as the identity that it issued", async () => {
    const context = authContext();
    const { id, cookie } = await issue(context);
    expect(id).toBe("anon:id-1");
    expect(await authenticator(request(`a=1; ${cookie}; b=2`), context)).toEqual({ id });
  });

  it("sets a cookie that only this host and no script can read", async () => {
    const { setCookie } = await issue(authContext());
    const signature = await createSigner(SECRET, "cookie").sign(`id-1.${NOW}`);
    expect(setCookie).toBe(`__Host-chatcell=id-1.${NOW}.${signature}; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure`);
  });

  it.each(["http://localhost:8787", "http://127.0.0.1:8787", "http://[::1]:8787"])("uses a plain name on %s", async (host) => {
    const context = authContext({ origin: host });
    const { id, cookie, setCookie } = await issue(context, undefined, `${host}/chat/identity`);
    expect(setCookie).toMatch(/^chatcell=[^;]+; Path=\/; Max-Age=34560000; HttpOnly; SameSite=Lax$/);
    expect(await authenticator(request(cookie, `${host}/chat`), context)).toEqual({ id });
    expect(await authenticator(request(cookie), context)).toBeUndefined();
  });

  it("keeps the secure name on https loopback", async () => {
    expect((await issue(authContext(), undefined, "https://localhost:5173/chat/identity")).setCookie).toMatch(
      /^__Host-chatcell=.*; Secure$/,
    );
  });

  it("says what to do where browsers would drop the cookie", async () => {
    const origin = "http://192.168.1.5:8787";
    expect(await codeOf(() => issue(authContext({ origin }), undefined, `${origin}/chat/identity`))).toBe("bad_request");
  });

  it("issues behind a proxy that ends TLS", async () => {
    expect((await issue(authContext(), undefined, "http://app.example/chat/identity")).setCookie).toMatch(/; Secure$/);
  });

  it("neither authenticates nor issues without an origin", async () => {
    const { cookie } = await issue(authContext());
    const context = authContext({ origin: "" });
    expect(await authenticator(request(cookie), context)).toBeUndefined();
    expect(await codeOf(() => issue(context, cookie))).toBe("bad_origin");
  });

  it("answers the same identity again, without a new cookie, until that is 30 days old", async () => {
    const { id, cookie } = await issue(authContext());
    expect(await issue(authContext({ now: NOW + 30 * DAY_MS }), cookie)).toEqual({ id, setCookie: undefined, cookie: undefined });
    const renewed = await issue(authContext({ now: NOW + 30 * DAY_MS + 1, newId: countedIds("new") }), cookie);
    expect(renewed.id).toBe(id);
    expect(await authenticator(request(renewed.cookie), authContext({ now: NOW + 410 * DAY_MS }))).toEqual({ id });
  });

  it("takes a cookie for 400 days", async () => {
    const { id, cookie } = await issue(authContext());
    expect(await authenticator(request(cookie), authContext({ now: NOW + 400 * DAY_MS - 1 }))).toEqual({ id });
    expect(await authenticator(request(cookie), authContext({ now: NOW + 400 * DAY_MS }))).toBeUndefined();
  });

  it("gives two requests that race with one cookie the same identity", async () => {
    const context = authContext();
    const { id, cookie } = await issue(context);
    const answers = await Promise.all([issue(context, cookie), issue(context, cookie)]);
    expect(answers.map((answer) => answer.id)).toEqual([id, id]);
  });

  it("gives two requests that race without a cookie two whole identities", async () => {
    const context = authContext();
    const answers = await Promise.all([issue(context), issue(context)]);
    expect(new Set(answers.map((answer) => answer.id)).size).toBe(2);
    for (const { id, cookie } of answers) expect(await authenticator(request(cookie), context)).toEqual({ id });
  });

  it("keeps people signed in while the secret is rotated", async () => {
    const { id, cookie } = await issue(authContext({ cookieSigner: createSigner(OTHER_SECRET, "cookie") }));
    const rotated = authContext({ cookieSigner: createSigner([SECRET, OTHER_SECRET], "cookie") });
    expect(await authenticator(request(cookie), rotated)).toEqual({ id });
    expect(await authenticator(request(cookie), authContext())).toBeUndefined();
  });

  it("takes a forged or broken cookie for no credential, and replaces it", async () => {
    const context = authContext();
    const cookie = (await issue(context)).cookie!;
    const [id, issuedAt, signature] = cookie.slice("__Host-chatcell=".length).split(".") as [string, string, string];
    const ticketSignature = await createSigner(SECRET, "ticket").sign(`${id}.${issuedAt}`);
    const forged = [
      `victim.${issuedAt}.${signature}`,
      `${id}.${NOW + 1}.${signature}`,
      `${id}.${issuedAt}.${"A".repeat(43)}`,
      `${id}.${issuedAt}.${ticketSignature}`,
      `${id}.${issuedAt}.${signature}=`,
      `${id}.${issuedAt}`,
      `"${id}.${issuedAt}.${signature}"`,
      "",
      "%00",
    ];
    for (const value of forged) {
      expect(await authenticator(request(`__Host-chatcell=${value}`), context)).toBeUndefined();
      const issued = await issue(context, `__Host-chatcell=${value}`);
      expect(issued.id).not.toBe("anon:id-1");
      expect(issued.setCookie).toBeDefined();
    }
    expect(await authenticator(request(cookie.replace("__Host-chatcell", "x__Host-chatcell")), context)).toBeUndefined();
    expect(await authenticator(request(cookie.replace("__Host-chatcell", "chatcell")), context)).toBeUndefined();
  });

  it("finds the good one among several cookies of its name", async () => {
    const context = authContext();
    const { id, cookie } = await issue(context);
    expect(await authenticator(request(`__Host-chatcell=a.1.b; ${cookie}`), context)).toEqual({ id });
  });
});
