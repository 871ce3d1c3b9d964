import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeBase64url, tryDecodeBase64url } from "../../../src/auth/base64url.ts";

describe("base64url", () => {
  it("agrees with Node's own for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = encodeBase64url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString("base64url"));
        expect(tryDecodeBase64url(text)).toEqual(new Uint8Array(bytes));
      }),
    );
  });

  it("accepts one spelling only", () => {
    for (const text of ["QQ==", "QQ=", "QR", "Q", "QQ\n", " QQ", "+/+/", "QQQQQ", "é"]) expect(tryDecodeBase64url(text)).toBeNull();
    expect(tryDecodeBase64url("QQ")).toEqual(new Uint8Array([65]));
    expect(tryDecodeBase64url("")).toEqual(new Uint8Array());
  });
});
