import { describe, expect, it } from "vitest";
import type { ServerFrame } from "../../../src/protocol/frames.ts";
import { tryParseServerFrame } from "../../../src/protocol/server-frames.ts";

const session = { threadId: "t", epoch: "e", rev: 1, status: "active", title: null, metaRev: 0, stateRev: 0 } as const;
const facts = { outcome: "completed", startedAt: 1, endedAt: 2, attempts: 1 } as const;
const limits = { maxFrameBytes: 1, maxParts: 1, maxQueue: 1, commandsPerSecond: 1, commandBurst: 1 };

const FRAMES: { [Type in ServerFrame["type"]]: Extract<ServerFrame, { type: Type }> } = {
  welcome: { type: "welcome", connection: "c", principal: { id: "p" }, role: "owner", limits, serverTime: 1 },
  snapshot: { type: "snapshot", session, messages: [], hasEarlier: false, queue: [], turn: null },
  delta: { type: "delta", from: 1, to: 2, turn: null },
  chunks: { type: "chunks", turnId: "t", from: 1, items: [] },
  turn: { type: "turn", from: 1, to: 2, ended: { turnId: "t", messageId: "t", seq: 1, facts }, turn: null },
  ack: { type: "ack", ref: "r", rev: 1 },
  error: { type: "error", code: "internal", message: "m", retryable: true },
  page: { type: "page", ref: "r", messages: [], hasEarlier: false },
  event: { type: "event", event: "e" },
  mark: { type: "mark", mark: "m" },
};

describe("tryParseServerFrame", () => {
  it.each(Object.values(FRAMES))("reads $type, with fields that it does not know", (frame) => {
    expect(tryParseServerFrame(JSON.stringify(frame))).toEqual(frame);
    expect(tryParseServerFrame(JSON.stringify({ ...frame, later: [1] }))).toEqual({ ...frame, later: [1] });
  });

  it.each(Object.values(FRAMES))("reads no $type that was cut anywhere", (frame) => {
    const text = JSON.stringify(frame);
    for (let end = 0; end < text.length; end++) expect(tryParseServerFrame(text.slice(0, end))).toBeNull();
  });

  it.each(["later", "__proto__", "constructor", "toString", ""])("calls a frame of type %j unknown", (type) => {
    expect(tryParseServerFrame(JSON.stringify({ type }))).toEqual({ type: "unknown", frameType: type });
  });

  it.each(["", "ping", "null", "7", "true", "[]", '"x"', "{}", '{"type":7}', '{"type":null}', '[{"type":"ack"}]', "\u0000"])(
    "reads nothing in %j",
    (text) => {
      expect(tryParseServerFrame(text)).toBeNull();
    },
  );
});
