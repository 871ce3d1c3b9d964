import { describe, expect, it } from "vitest";
import { createSigner } from "../../../src/auth/secret.ts";
import { errorOf, OTHER_SECRET, SECRET } from "./support.ts";

describe("createSigner", () => {
  it("verifies what it signed and nothing else", async () => {
    const signer = createSigner(SECRET, "ticket");
    const signature = await signer.sign("text");
    expect(signature).toMatch(/^[\w-]{43}$/);
    expect(await signer.verify("text", signature)).toBe(true);
    expect(await signer.verify("texT", signature)).toBe(false);
    expect(await signer.verify("text", signature.slice(1))).toBe(false);
    expect(await signer.verify("text", "")).toBe(false);
    expect(await signer.verify("text", `${signature}=`)).toBe(false);
  });

  it("gives the same signature in every instance of a secret", async () => {
    expect(await createSigner(SECRET, "ticket").sign("text")).toBe(await createSigner([SECRET], "ticket").sign("text"));
  });

  it("does not take a signature made for another purpose", async () => {
    const signature = await createSigner(SECRET, "cookie").sign("text");
    expect(await createSigner(SECRET, "ticket").verify("text", signature)).toBe(false);
  });

  it("signs with the first secret and verifies with all while a secret is rotated", async () => {
    const old = await createSigner(OTHER_SECRET, "ticket").sign("text");
    const rotated = createSigner([SECRET, OTHER_SECRET], "ticket");
    expect(await rotated.verify("text", old)).toBe(true);
    expect(await createSigner(SECRET, "ticket").verify("text", await rotated.sign("text"))).toBe(true);
    expect(await createSigner(SECRET, "ticket").verify("text", old)).toBe(false);
  });

  it("refuses a signature whose last character differs only in bits that no byte uses", async () => {
    const signer = createSigner(SECRET, "ticket");
    const signature = await signer.sign("text");
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = alphabet.indexOf(signature.at(-1)!);
    expect(await signer.verify("text", signature.slice(0, -1) + alphabet[last ^ 1])).toBe(false);
  });

  it.each([
    ["missing", undefined],
    ["null", null],
    ["empty", ""],
    ["of 31 bytes", "x".repeat(31)],
    ["an empty list", []],
    ["a list with a missing one", [SECRET, undefined]],
    ["a list with a short one", [SECRET, "short-and-private"]],
  ])("refuses a secret that is %s, says how to mend it and never shows it", async (_, secret) => {
    const error = await errorOf(() => createSigner(secret as string, "ticket"));
    expect(error.code).toBe("configuration");
    expect(error.message).toContain("openssl rand -base64 32");
    expect(error.message).toContain("npx wrangler secret put CHATCELL_SECRET");
    expect(error.message).toContain(".dev.vars");
    expect(error.message).not.toContain("short-and-private");
    expect(error.message).not.toContain(SECRET);
  });

  it("counts bytes, not characters", () => {
    expect(() => createSigner("é".repeat(16), "cookie")).not.toThrow();
  });
});
