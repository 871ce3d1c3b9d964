import { describe, expect, it } from "vitest";
import { anonymous } from "../../../src/auth/anonymous.ts";
import { bearer } from "../../../src/auth/bearer.ts";
import { ORIGIN } from "../auth/support.ts";
import { askTicket, makeWorker, refusalOf, visit } from "./support.ts";

const post = { method: "POST", headers: { origin: ORIGIN } };

describe("POST /identity", () => {
  it("gives a visitor an identity with which it gets a ticket", async () => {
    const worker = makeWorker();
    expect(await refusalOf(await askTicket(worker, { origin: ORIGIN }))).toMatchObject({ status: 401, code: "identity_required" });
    const { id, cookie } = await visit(worker);
    expect((await askTicket(worker, { origin: ORIGIN, cookie })).status).toBe(200);
    expect(worker.namespace.calls).toMatchObject([{ name: "/thread", admit: { principal: { id }, tenant: "", origin: ORIGIN } }]);
  });

  it("is idempotent for a visitor that has one", async () => {
    const worker = makeWorker();
    const { id, cookie } = await visit(worker);
    const again = { method: "POST", headers: { origin: ORIGIN, cookie } };
    for (const response of await Promise.all([worker.fetch("/chat/identity", again), worker.fetch("/chat/identity", again)])) {
      expect(await response.json()).toEqual({ principal: { id } });
      expect(response.headers.has("set-cookie")).toBe(false);
    }
  });

  it("gives two first requests that race one whole identity each", async () => {
    const worker = makeWorker();
    const [first, second] = await Promise.all([visit(worker), visit(worker)]);
    expect(first.id).not.toBe(second.id);
    for (const { id, cookie } of [first, second]) {
      worker.namespace.calls.length = 0;
      await askTicket(worker, { origin: ORIGIN, cookie });
      expect(worker.namespace.calls[0]?.admit?.principal).toEqual({ id });
    }
  });

  it("is not cached and is readable by the page", async () => {
    const { headers } = await makeWorker().fetch("/chat/identity", post);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("access-control-allow-origin")).toBe(ORIGIN);
  });

  it("answers 403 without an origin and from a foreign one, and sets no cookie", async () => {
    for (const headers of [[], [["origin", "https://evil.example"]]]) {
      const response = await makeWorker().fetch("/chat/identity", { method: "POST", headers });
      expect(response.headers.has("set-cookie")).toBe(false);
      expect(await refusalOf(response)).toMatchObject({ status: 403, code: "bad_origin" });
    }
  });

  it("exists only with anonymous()", async () => {
    const response = await makeWorker({ authenticate: bearer(() => null) }).fetch("/chat/identity", post);
    expect(await refusalOf(response)).toMatchObject({ status: 404, code: "not_found" });
    expect((await makeWorker({ authenticate: [bearer(() => null), anonymous()] }).fetch("/chat/identity", post)).status).toBe(200);
  });

  it("touches no object", async () => {
    const worker = makeWorker();
    await visit(worker);
    expect(worker.namespace.calls).toEqual([]);
  });
});
