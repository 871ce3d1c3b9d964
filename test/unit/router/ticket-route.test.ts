import { describe, expect, it, vi } from "vitest";
import { anonymous } from "../../../src/auth/anonymous.ts";
import { bearer } from "../../../src/auth/bearer.ts";
import { tryReadTicket } from "../../../src/auth/ticket.ts";
import type { ErrorCode } from "../../../src/errors.ts";
import type { AckFrame, TicketResponse } from "../../../src/protocol/frames.ts";
import { LIMITS, PROTOCOL } from "../../../src/protocol/limits.ts";
import { NOW, ORIGIN } from "../auth/support.ts";
import { askTicket, makeWorker, refusalOf, visit } from "./support.ts";

const byToken = bearer((token) => (token === "bad" ? null : { id: token, tenant: "acme" }));
const ann = { authorization: "Bearer ann" };
const command = { type: "send", id: "turn-0001", messageId: "message-1", parts: [{ type: "text", text: "Hello" }] };

function bearerWorker() {
  return makeWorker({ authenticate: [byToken, anonymous()] });
}

describe("POST /threads/:id/ticket", () => {
  it("answers a ticket that says what the object noted and where it may be used", async () => {
    const worker = bearerWorker();
    const response = await askTicket(worker, { ...ann, origin: ORIGIN });
    const { ticket, ...rest } = await response.json<TicketResponse>();
    expect(rest).toEqual({ expiresAt: NOW + 30_000 });
    expect(tryReadTicket(ticket)).toEqual({
      nonce: "nonce",
      boot: "boot",
      thread: "thread",
      tenant: "acme",
      basePath: "/chat",
      origin: ORIGIN,
      version: PROTOCOL,
      expiresAt: NOW + 30_000,
    });
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  it("asks the object of the principal's tenant, whatever the request says", async () => {
    const worker = bearerWorker();
    await askTicket(worker, ann, { tenant: "evil", threadId: "other", principal: { id: "root" }, origin: "x" });
    expect(worker.namespace.calls).toEqual([
      { name: "acme/thread", admit: { principal: { id: "ann", tenant: "acme" }, tenant: "acme", threadId: "thread", origin: "" } },
    ]);
  });

  it("takes an empty body, with and without a content type", async () => {
    expect((await askTicket(bearerWorker(), ann)).status).toBe(200);
    expect((await askTicket(bearerWorker(), { ...ann, "content-type": "application/json; charset=utf-8" })).status).toBe(200);
  });

  it("passes create and the command on, and the ack back", async () => {
    const worker = bearerWorker();
    const ack: AckFrame = { type: "ack", ref: command.id, rev: 1, result: { turnId: command.id, position: 0 } };
    worker.namespace.answer = () => ({ ok: true, nonce: "n", boot: "b", expiresAt: NOW + 1, ack });
    const response = await askTicket(worker, ann, { create: true, command, futureField: 1 });
    expect(await response.json()).toMatchObject({ ack });
    const { create, command: passed } = worker.namespace.calls[0]!.admit!;
    expect({ create, passed }).toEqual({ create: true, passed: command });
  });

  it.each<[string, unknown]>([
    ["text instead of JSON", "hello"],
    ["half a JSON", '{"create":'],
    ["a list", []],
    ["null", "null"],
    ["a number", "1"],
    ["create as text", { create: "true" }],
    ["a command without create", { command }],
    ["a command with create false", { create: false, command }],
    ["a command of another type", { create: true, command: { ...command, type: "stop" } }],
    ["a command that is text", { create: true, command: "send" }],
    ["a command that is null", { create: true, command: null }],
    ["a command with an epoch", { create: true, command: { ...command, epoch: "e" } }],
    ["create on the prototype", '{"__proto__":{"create":true},"command":{"type":"send"}}'],
    ["200,000 levels", `{"create":true,"command":{"type":"send","parts":${"[".repeat(200_000)}${"]".repeat(200_000)}}}`],
  ])("refuses %s without touching the object", async (_, body) => {
    const worker = bearerWorker();
    expect(await refusalOf(await askTicket(worker, ann, body))).toMatchObject({ status: 400, code: "bad_request" });
    expect(worker.namespace.calls).toEqual([]);
  });

  it("does not count brackets inside strings as depth", async () => {
    const text = `\\"${"[{".repeat(100)}\\\\`;
    const worker = bearerWorker();
    expect((await askTicket(worker, ann, `{"create":true,"command":{"type":"send","text":"${text}"}}`)).status).toBe(200);
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", ""])(
    "refuses the content type %j",
    async (type) => {
      expect(await refusalOf(await askTicket(bearerWorker(), { ...ann, "content-type": type }, "{}"))).toMatchObject({
        code: "bad_request",
      });
    },
  );

  it("refuses a body without a content type", async () => {
    const worker = bearerWorker();
    const body = new Blob(["{}"]).stream();
    const response = await worker.fetch("/chat/threads/t/ticket", { method: "POST", headers: ann, body, duplex: "half" } as RequestInit);
    expect(await refusalOf(response)).toMatchObject({ code: "bad_request" });
  });

  it("refuses bytes that are not UTF-8", async () => {
    const headers = { ...ann, "content-type": "application/json" };
    const body = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
    expect(await refusalOf(await bearerWorker().fetch("/chat/threads/t/ticket", { method: "POST", headers, body }))).toMatchObject({
      code: "bad_request",
    });
  });

  it("takes a body of exactly the limit and refuses one byte more", async () => {
    const fill = (bytes: number) => `{"x":"${"x".repeat(bytes - '{"x":""}'.length)}"}`;
    expect((await askTicket(bearerWorker(), ann, fill(LIMITS.maxFrameBytes))).status).toBe(200);
    expect(await refusalOf(await askTicket(bearerWorker(), ann, fill(LIMITS.maxFrameBytes + 1)))).toMatchObject({
      status: 413,
      code: "too_large",
    });
  });

  it("stops reading a body without a length at the limit", async () => {
    let pulled = 0;
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
      cancel() {
        cancelled = true;
      },
    });
    const headers = { ...ann, "content-type": "application/json" };
    const response = await bearerWorker().fetch("/chat/threads/t/ticket", { method: "POST", headers, body, duplex: "half" } as RequestInit);
    expect(await refusalOf(response)).toMatchObject({ status: 413, code: "too_large" });
    expect(cancelled).toBe(true);
    expect(pulled).toBeLessThanOrEqual(LIMITS.maxFrameBytes + 4 * 65_536);
  });

  it("does not begin to read a body that says that it is too long", async () => {
    const pull = vi.fn<() => void>();
    const body = new ReadableStream({ pull }, { highWaterMark: 0 });
    const headers = { ...ann, "content-type": "application/json", "content-length": String(LIMITS.maxFrameBytes + 1) };
    const response = await bearerWorker().fetch("/chat/threads/t/ticket", { method: "POST", headers, body, duplex: "half" } as RequestInit);
    expect(response.status).toBe(413);
    expect(pull).not.toHaveBeenCalled();
  });

  it("does not read the body of a stranger", async () => {
    const pull = vi.fn<() => void>();
    const body = new ReadableStream({ pull }, { highWaterMark: 0 });
    const headers = { authorization: "Bearer bad", "content-type": "application/json" };
    const response = await bearerWorker().fetch("/chat/threads/t/ticket", { method: "POST", headers, body, duplex: "half" } as RequestInit);
    expect(response.status).toBe(401);
    expect(pull).not.toHaveBeenCalled();
  });

  it("never lets a bad bearer in as anonymous", async () => {
    const worker = bearerWorker();
    const { cookie } = await visit(worker);
    const response = await askTicket(worker, { authorization: "Bearer bad", origin: ORIGIN, cookie });
    expect(await refusalOf(response)).toMatchObject({ status: 401, code: "unauthenticated" });
    expect(worker.namespace.calls).toEqual([]);
  });

  it("counts a cookie only with an origin", async () => {
    const worker = bearerWorker();
    const { cookie } = await visit(worker);
    expect(await refusalOf(await askTicket(worker, { cookie }))).toMatchObject({ code: "identity_required" });
    expect((await askTicket(worker, ann)).status).toBe(200);
  });

  it("takes a forged cookie for none", async () => {
    const worker = makeWorker();
    const { cookie } = await visit(worker);
    const response = await askTicket(worker, { origin: ORIGIN, cookie: cookie.replace("id-1", "id-2") });
    expect(await refusalOf(response)).toMatchObject({ status: 401, code: "identity_required" });
  });

  it.each<[ErrorCode, number]>([
    ["not_found", 404],
    ["forbidden", 403],
    ["gone", 410],
    ["too_many_admissions", 429],
    ["bad_frame", 400],
    ["schema_ahead", 503],
  ])("maps the object's refusal %s to its status", async (code, status) => {
    const worker = bearerWorker();
    const error = { code, message: "Said by the object.", retryable: true, details: { n: 1 } };
    worker.namespace.answer = () => ({ ok: false, error });
    expect(await refusalOf(await askTicket(worker, ann))).toEqual({ status, ...error });
  });

  it("refuses a principal of the server itself", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const worker = makeWorker({ authenticate: () => ({ id: "system:cron" }) });
    expect(await refusalOf(await askTicket(worker, {}))).toMatchObject({ status: 500, code: "configuration" });
    expect(log.mock.calls.flat().join()).toContain("system:");
    expect(worker.namespace.calls).toEqual([]);
    log.mockRestore();
  });
});
