import { describe, expect, it, vi } from "vitest";
import { anonymous } from "../../../src/auth/anonymous.ts";
import { type Authenticate, authenticateRequest, type Authenticator } from "../../../src/auth/authenticate.ts";
import { bearer } from "../../../src/auth/bearer.ts";
import { ChatError } from "../../../src/errors.ts";
import { authContext, codeOf, errorOf, NOW, ORIGIN } from "./support.ts";

const ann = { id: "ann" };
const byToken = bearer((token) => (token === "good" ? ann : null));

function request(headers: Record<string, string> = {}): Request {
  return new Request(`${ORIGIN}/chat/threads/t/ticket`, { method: "POST", headers });
}

function run(authenticate: Authenticate, headers: Record<string, string> = {}, change = {}) {
  return authenticateRequest(request(headers), authenticate, authContext(change));
}

describe("authenticateRequest", () => {
  it("takes a plain function of the app", async () => {
    expect(await run((from) => (from.headers.get("x-user") ? ann : null), { "x-user": "1" })).toEqual(ann);
    expect(await codeOf(() => run(() => null))).toBe("unauthenticated");
    expect(await codeOf(() => run(async () => undefined))).toBe("unauthenticated");
  });

  it("lets the first authenticator that finds its own credential decide", async () => {
    const absent: Authenticator = () => undefined;
    const never = vi.fn<Authenticator>();
    expect(await run([absent, () => ann, never])).toEqual(ann);
    expect(await codeOf(() => run([absent, () => null, never]))).toBe("unauthenticated");
    expect(never).not.toHaveBeenCalled();
  });

  it("asks for an identity when nobody finds a credential and there is a way to get one", async () => {
    expect(await codeOf(() => run([byToken, anonymous()]))).toBe("identity_required");
    expect(await codeOf(() => run(anonymous()))).toBe("identity_required");
    expect(await codeOf(() => run([byToken]))).toBe("unauthenticated");
  });

  it("passes on the app's own refusal and its own failure", async () => {
    const refuse: Authenticator = () => {
      throw new ChatError("forbidden", "Not in this country.");
    };
    expect(await codeOf(() => run([refuse, anonymous()]))).toBe("forbidden");
    await expect(run(() => Promise.reject(new Error("database down")))).rejects.toThrow("database down");
  });

  it("checks every principal, whoever made it", async () => {
    expect(await codeOf(() => run(() => ({ id: "system:root" })))).toBe("configuration");
    expect(await codeOf(() => run(bearer(() => ({ id: "" }))))).toBe("unauthenticated");
    expect(
      await codeOf(() =>
        run(
          bearer(() => ({ id: "system:x" })),
          { authorization: "Bearer t" },
        ),
      ),
    ).toBe("configuration");
    expect(await codeOf(() => run((() => "ann") as unknown as Authenticate))).toBe("configuration");
  });

  it("refuses a principal that has expired, at the millisecond", async () => {
    expect(await codeOf(() => run(() => ({ id: "u", expiresAt: NOW })))).toBe("unauthenticated");
    expect(await run(() => ({ id: "u", expiresAt: NOW + 1 }))).toEqual({ id: "u", expiresAt: NOW + 1 });
  });

  it("hides cookies from every authenticator when the request has no origin", async () => {
    const seen: (string | null)[] = [];
    const byCookie: Authenticator = (from) => {
      seen.push(from.headers.get("cookie"), from.headers.get("x-other"), from.method);
      return null;
    };
    await codeOf(() => run(byCookie, { cookie: "session=1", "x-other": "kept" }, { origin: "" }));
    await codeOf(() => run(byCookie, { cookie: "session=1", "x-other": "kept" }));
    expect(seen).toEqual([null, "kept", "POST", "session=1", "kept", "POST"]);
  });

  it("leaves the body of a request without an origin unread", async () => {
    const posted = new Request(`${ORIGIN}/`, { method: "POST", body: "{}", headers: { cookie: "a=1" } });
    await authenticateRequest(posted, () => ann, authContext({ origin: "" }));
    expect(await posted.text()).toBe("{}");
  });

  it.each([
    ["nothing", undefined],
    ["an empty list", []],
    ["a list with a hole", [anonymous(), undefined]],
    ["a name", "anonymous"],
  ])("calls %s instead of an authenticator a configuration error", async (_, authenticate) => {
    expect(await codeOf(() => run(authenticate as unknown as Authenticate))).toBe("configuration");
  });
});

describe("bearer", () => {
  it.each(["Bearer good", "bearer good", "BEARER   good "])("takes the header %j", async (authorization) => {
    expect(await run(byToken, { authorization })).toEqual(ann);
  });

  it("works without an origin", async () => {
    expect(await run([byToken, anonymous()], { authorization: "Bearer good" }, { origin: "" })).toEqual(ann);
  });

  it.each(["Bearer bad", "Bearer", "Bearer "])("refuses %.20j and never makes it anonymous", async (authorization) => {
    const context = authContext();
    const cookie = (await anonymous().issue!(request({ origin: ORIGIN }), context)).setCookie!.split(";")[0]!;
    expect(await codeOf(() => run([byToken, anonymous()], { authorization, cookie }))).toBe("unauthenticated");
  });

  it("refuses a token of more than 16,384 characters without asking", async () => {
    const verify = vi.fn<() => { id: string }>(() => ann);
    expect(await codeOf(() => run(bearer(verify), { authorization: `Bearer ${"x".repeat(16_385)}` }))).toBe("unauthenticated");
    expect(verify).not.toHaveBeenCalled();
    expect(await run(bearer(verify), { authorization: `Bearer ${"x".repeat(16_384)}` })).toEqual(ann);
  });

  it("leaves other schemes to the next authenticator", async () => {
    for (const authorization of ["Basic Z29vZA==", "Bearers good", "good"])
      expect(await codeOf(() => run([byToken, anonymous()], { authorization }))).toBe("identity_required");
  });

  it("turns a throwing verify into a 401 with the cause and without its text", async () => {
    const cause = new Error("JWS signature of private-key-7 invalid");
    const error = await errorOf(() => run([bearer(() => Promise.reject(cause)), anonymous()], { authorization: "Bearer t" }));
    expect(error.code).toBe("unauthenticated");
    expect(error.cause).toBe(cause);
    expect(error.message).not.toContain("private-key-7");
  });

  it("passes on a ChatError of verify", async () => {
    const verify = () => {
      throw new ChatError("forbidden", "Suspended.");
    };
    expect(await codeOf(() => run(bearer(verify), { authorization: "Bearer t" }))).toBe("forbidden");
  });

  it("takes a verify that returns nothing for a refusal", async () => {
    expect(await codeOf(() => run([bearer((() => undefined) as never), anonymous()], { authorization: "Bearer t" }))).toBe(
      "unauthenticated",
    );
  });
});
