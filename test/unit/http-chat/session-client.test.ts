import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createSessionClient } from "../../../src/http-chat/session-client.ts";
import type { RouteContext } from "../../../src/router/options.ts";

const SESSION = { threadId: "abc", epoch: "e", rev: 1, status: "active", title: null, metaRev: 0, stateRev: 0 };
const FRAMES = [
  { type: "welcome", connection: "c", principal: { id: "me" }, role: "owner", limits: {}, serverTime: 0 },
  { type: "snapshot", session: SESSION, messages: [], hasEarlier: false, queue: [], turn: null },
];

/** Whether the object of the thread can be reached, and how often that was tried. */
const object = vi.hoisted(() => ({ isUp: true, admissions: 0, drop: () => {} }));

// Its signature is made in real time.
vi.mock("../../../src/router/admit.ts", () => ({
  admit: async () => {
    object.admissions++;
    if (!object.isUp) throw new Error("overloaded");
    return { ticket: "ticket", expiresAt: Date.now() + 30_000 };
  },
}));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  Object.assign(object, { isUp: true, admissions: 0 });
});

afterEach(() => void vi.useRealTimers());

function upgrade() {
  const socket = new EventTarget();
  const say = (data: string) => socket.dispatchEvent(new MessageEvent("message", { data }));
  object.drop = () => void socket.dispatchEvent(Object.assign(new Event("close"), { code: 1006, reason: "" }));
  const webSocket = Object.assign(socket, {
    readyState: 1,
    accept: () => queueMicrotask(() => FRAMES.forEach((frame) => say(JSON.stringify(frame)))),
    send: (text: string) => text === "ping" && queueMicrotask(() => say("pong")),
    close: () => {},
  });
  return { webSocket };
}

function open() {
  const namespace = { idFromName: () => 1, get: () => ({ fetch: async () => upgrade() }) };
  const context = { namespace, auth: { origin: "" } } as unknown as RouteContext;
  const client = createSessionClient({ context, principal: { id: "me" }, threadId: "abc", onFailure: () => {} });
  client.connect();
  return client;
}

async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 50) {
    // A body is read in real time.
    await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(50);
  }
}

it.each([1_000, 8_000])("gives up after some attempts in a row, also when its line was lost after %d ms", async (livedMs) => {
  const client = open();
  await pass(1_000);
  expect(client.getSnapshot().connection.kind).toBe("live");
  await pass(livedMs);
  object.isUp = false;
  object.admissions = 0;
  object.drop();
  await pass(60_000);
  expect([client.getSnapshot().connection.kind, vi.getTimerCount()]).toEqual(["stopped", 0]);
  expect(object.admissions).toBeLessThanOrEqual(4);
});

it("has all its attempts again after each line that lived for some time", async () => {
  const client = open();
  for (let lines = 0; lines < 6; lines++) {
    await pass(40_000); // Longer than every backoff.
    expect(client.getSnapshot().connection.kind).toBe("live");
    object.drop();
  }
  client.close();
});
