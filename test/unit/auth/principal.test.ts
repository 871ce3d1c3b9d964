import { describe, expect, it } from "vitest";
import { validatePrincipal } from "../../../src/auth/principal.ts";
import { LIMITS } from "../../../src/protocol/limits.ts";
import { codeOf, errorOf, NOW } from "./support.ts";

describe("validatePrincipal", () => {
  it("keeps the known fields and drops the rest", () => {
    const full = {
      id: "user@example.com",
      tenant: "acme.eu_1-a",
      name: "Ann",
      expiresAt: NOW,
      claims: { plan: "pro", groups: ["a", { b: null }] },
    };
    expect(validatePrincipal({ ...full, passwordHash: "x", toJSON: () => "no" })).toEqual(full);
  });

  it.each([
    ["no object", null],
    ["a string", "user"],
    ["no id", {}],
    ["a number as id", { id: 7 }],
    ["an empty id", { id: "" }],
    ["an id of 257 characters", { id: "x".repeat(257) }],
    ["a line break in the id", { id: "a\nb" }],
    ["a NUL in the id", { id: "a\u0000" }],
    ["a zero-width character in the id", { id: "a\u200bb" }],
    ["a bidi override in the id", { id: "a\u202eb" }],
    ["a lone surrogate in the id", { id: "a\ud800" }],
    ["the system prefix", { id: "system:cron" }],
    ["an empty tenant", { id: "u", tenant: "" }],
    ["a slash in the tenant", { id: "u", tenant: "a/b" }],
    ["a tenant of 65 characters", { id: "u", tenant: "t".repeat(65) }],
    ["a line break after the tenant", { id: "u", tenant: "a\n" }],
    ["null as tenant", { id: "u", tenant: null }],
    ["a number as name", { id: "u", name: 1 }],
    ["seconds as expiry", { id: "u", expiresAt: NOW / 1_000 }],
    ["NaN as expiry", { id: "u", expiresAt: NaN }],
    ["text as expiry", { id: "u", expiresAt: "tomorrow" }],
    ["a list as claims", { id: "u", claims: [] }],
    ["claims with a bigint", { id: "u", claims: { n: 1n } }],
    ["claims over the limit", { id: "u", claims: { text: "é".repeat(LIMITS.maxClaimsBytes / 2) } }],
  ])("refuses %s as the app's mistake", async (_, value) => {
    expect(await codeOf(() => validatePrincipal(value))).toBe("configuration");
  });

  it("refuses claims that refer to themselves", async () => {
    const claims: Record<string, unknown> = {};
    claims["self"] = claims;
    expect(await codeOf(() => validatePrincipal({ id: "u", claims }))).toBe("configuration");
  });

  it("takes ids of 256 characters, of other scripts, and ones that only contain the system word", () => {
    for (const id of ["x".repeat(256), "ユーザー 1", "auth0|5f", "system", "subsystem:1"]) expect(validatePrincipal({ id }).id).toBe(id);
  });

  it("takes claims of exactly the limit", () => {
    const claims = { t: "x".repeat(LIMITS.maxClaimsBytes - '{"t":""}'.length) };
    expect(validatePrincipal({ id: "u", claims }).claims).toEqual(claims);
  });

  it("gives claims as the JSON that will be stored", () => {
    expect(validatePrincipal({ id: "u", claims: { at: new Date(0), none: undefined } }).claims).toEqual({ at: "1970-01-01T00:00:00.000Z" });
  });

  it("mends a name instead of locking its person out", () => {
    expect(validatePrincipal({ id: "u", name: `A\u0000nn\ud800 ${"😀".repeat(300)}` }).name).toBe(`Ann ${"😀".repeat(252)}`);
  });

  it("never quotes the value that it refuses", async () => {
    expect((await errorOf(() => validatePrincipal({ id: "system:private" }))).message).not.toContain("private");
  });

  it("tells who passes a JWT's seconds what to do", async () => {
    expect((await errorOf(() => validatePrincipal({ id: "u", expiresAt: 1_800_000_000 }))).message).toContain("multiply it by 1000");
  });
});
