import { describe, expect, it } from "vitest";
import { corsHeaders, isLoopback, preflightResponse, requireOrigin } from "../../../src/auth/origin.ts";
import { codeOf, errorOf, ORIGIN } from "./support.ts";

function request(origin?: string, headers: Record<string, string> = {}): Request {
  return new Request(`${ORIGIN}/chat/identity`, { method: "POST", headers: origin === undefined ? headers : { ...headers, origin } });
}

describe("requireOrigin", () => {
  it("takes the request's own origin, a listed one, and none", () => {
    expect(requireOrigin(request(ORIGIN), [])).toBe(ORIGIN);
    expect(requireOrigin(request("https://other.example"), ["https://other.example"])).toBe("https://other.example");
    expect(requireOrigin(request("capacitor://localhost"), ["capacitor://localhost"])).toBe("capacitor://localhost");
    expect(requireOrigin(request("null"), ["null"])).toBe("null");
    expect(requireOrigin(request(), [])).toBe("");
  });

  it.each([
    "http://app.example",
    "https://app.example:8443",
    "https://app.example.evil.example",
    "https://evil.example/https://app.example",
    "https://APP.example",
    "https://app.example/",
    "https://sub.app.example",
    "https://app.example, https://evil.example",
    "https://listed.example.evil.example",
    "null",
    "",
  ])("refuses the origin %j", async (origin) => {
    expect(await codeOf(() => requireOrigin(request(origin), ["https://listed.example"]))).toBe("bad_origin");
  });

  it("shows no more than 200 characters of a refused origin", async () => {
    const error = await errorOf(() => requireOrigin(request(`https://${"x".repeat(5_000)}.example`), []));
    expect(error.message.length).toBeLessThan(400);
  });

  it.each([
    "*",
    "https://*.example",
    "https://a.example/",
    "https://a.example/chat",
    "a.example",
    "https://A.example",
    "",
    " https://a.example",
  ])("calls the entry %j a configuration error", async (entry) => {
    const error = await errorOf(() => requireOrigin(request(ORIGIN), [entry]));
    expect(error.code).toBe("configuration");
    expect(error.message).toContain(JSON.stringify(entry));
  });
});

describe("corsHeaders", () => {
  it("echoes the one origin with credentials", () => {
    expect(corsHeaders(ORIGIN)).toEqual({
      vary: "Origin",
      "access-control-allow-origin": ORIGIN,
      "access-control-allow-credentials": "true",
    });
  });

  it("varies by origin also without one", () => {
    expect(corsHeaders("")).toEqual({ vary: "Origin" });
  });
});

describe("preflightResponse", () => {
  it("allows the methods of the address and the headers that were asked for", () => {
    const asked = request(ORIGIN, { "access-control-request-headers": "content-type, x-csrf" });
    const response = preflightResponse(asked, ORIGIN, ["POST"]);
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "access-control-allow-origin": ORIGIN,
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": "content-type, x-csrf",
      "access-control-max-age": "7200",
      vary: "Origin, Access-Control-Request-Headers",
    });
  });

  it("does not echo what is no list of header names", () => {
    const asked = request(ORIGIN, { "access-control-request-headers": 'a"b;c' });
    expect(preflightResponse(asked, ORIGIN, ["POST"]).headers.get("access-control-allow-headers")).toBe("content-type, authorization");
  });

  it("allows a page nothing when there is no page", () => {
    const { headers } = preflightResponse(request(), "", ["GET"]);
    expect(headers.get("allow")).toBe("GET, OPTIONS");
    expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });
});

describe("isLoopback", () => {
  it("knows the three names and nothing that looks like them", () => {
    for (const host of ["localhost:1", "127.0.0.1", "[::1]:80"]) expect(isLoopback(new URL(`http://${host}/`))).toBe(true);
    for (const host of ["localhost.evil.example", "127.0.0.1.evil.example", "evil.example", "0.0.0.0", "localhost.", "[::2]"])
      expect(isLoopback(new URL(`http://${host}/`))).toBe(false);
  });
});
