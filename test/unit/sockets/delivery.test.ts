// What a hub of sockets sends to clients that read, and to one that does not.
import { describe, expect, it } from "vitest";
import type { ServerFrame } from "../../../src/protocol/frames.ts";
import { LIMITS } from "../../../src/protocol/limits.ts";
import type { SocketConnection, ServerSocket } from "../../../src/sockets/connection.ts";
import { SocketHub } from "../../../src/sockets/hub.ts";

class FakeSocket implements ServerSocket {
  readonly texts: string[] = [];
  closed: { code: number | undefined; reason: string | undefined } | null = null;
  #attachment: unknown = null;

  send(text: string): void {
    if (this.closed) throw new TypeError("Can't call WebSocket send() after close().");
    this.texts.push(text);
  }

  close(code?: number, reason?: string): void {
    this.closed = { code, reason };
  }

  serializeAttachment(value: unknown): void {
    this.#attachment = value;
  }

  deserializeAttachment(): unknown {
    return this.#attachment;
  }

  get frames(): ServerFrame[] {
    return this.texts.map((text) => JSON.parse(text) as ServerFrame);
  }

  get bytes(): number {
    return this.texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  }
}

function createHub() {
  const sockets: FakeSocket[] = [];
  let ids = 0;
  let time = 0;
  const hub = new SocketHub<FakeSocket>(
    { acceptWebSocket: (socket) => void sockets.push(socket), getWebSockets: () => sockets },
    { parseState: (value) => value, now: () => ++time, newId: () => `random-${++ids}` },
  );
  const open = (id: string): { socket: FakeSocket; connection: SocketConnection } => {
    const socket = new FakeSocket();
    return { socket, connection: hub.accept(socket, { id, principal: { id: "user" } }) };
  };
  return { hub, open };
}

/** What an honest client does with its last frame. */
function echo({ socket, connection }: { socket: FakeSocket; connection: SocketConnection }): void {
  const last = socket.frames.at(-1);
  if (last?.type === "mark") connection.confirm({ type: "window", mark: last.mark });
}

const chunks = (from: number, length: number, text = "x"): ServerFrame => ({
  type: "chunks",
  turnId: "turn",
  from,
  items: [{ type: "text-delta", id: "t", delta: text.repeat(length) }],
});

describe("a hub", () => {
  it("closes the client that stopped reading and goes on for the others", () => {
    const { hub, open } = createHub();
    const reader = open("reader");
    const stopped = open("stopped");
    for (let from = 1; from <= 500; from++) {
      hub.broadcast(chunks(from, 8_000));
      echo(reader);
    }
    expect(reader.socket.closed).toBeNull();
    expect(reader.socket.frames.filter(({ type }) => type === "chunks")).toHaveLength(500);
    expect(stopped.socket.closed).toEqual({ code: 4529, reason: "too_slow" });
    expect(stopped.socket.bytes).toBeLessThanOrEqual(LIMITS.maxBehindBytes + 10_000);
    expect(stopped.socket.bytes).toBeGreaterThan(LIMITS.maxBehindBytes - 10_000);
    expect(hub.connections().map(({ id }) => id)).toEqual(["reader"]);
  });

  it("sends the frames of one change all or not at all", () => {
    const { hub, open } = createHub();
    const { socket } = open("stopped");
    for (let from = 1; socket.closed === null; from += 2) hub.broadcast(chunks(from, 9_000), chunks(from + 1, 9_000));
    expect(socket.frames.filter(({ type }) => type === "chunks").length % 2).toBe(0);
    const before = socket.texts.length;
    hub.broadcast(chunks(1, 1));
    expect(socket.texts).toHaveLength(before);
  });

  it("counts bytes, not characters", () => {
    const { hub, open } = createHub();
    const { socket } = open("stopped");
    for (let from = 1; socket.closed === null; from++) hub.broadcast(chunks(from, 3_000, "語"));
    expect(socket.bytes).toBeLessThanOrEqual(LIMITS.maxBehindBytes + 10_000);
  });

  it("starts from zero with a socket that outlived the last incarnation, and takes none of its marks", () => {
    const { hub, open } = createHub();
    const { socket } = open("sleeper");
    for (let from = 1; from <= 100; from++) hub.broadcast(chunks(from, 8_000));
    const mark = socket.frames.find((frame) => frame.type === "mark")!;
    let time = 0;
    const next = new SocketHub<FakeSocket>(
      { acceptWebSocket: () => {}, getWebSockets: () => [socket] },
      { parseState: (value) => value, now: () => ++time, newId: () => "another" },
    );
    const connection = next.connectionOf(socket)!;
    connection.confirm({ type: "window", mark: (mark as { mark: string }).mark });
    for (let from = 101; from <= 200; from++) next.broadcast(chunks(from, 8_000));
    expect(socket.closed).toBeNull();
  });

  it("sends a stub for a large payload to every socket, and no part of it", () => {
    const { hub, open } = createHub();
    const [one, other] = [open("one"), open("other")];
    const output = "x".repeat(300_000);
    hub.broadcast({ type: "chunks", turnId: "turn", from: 1, items: [{ type: "tool-output-available", toolCallId: "c", output }] });
    expect(one.socket.frames).toEqual([
      {
        type: "chunks",
        turnId: "turn",
        from: 1,
        items: [{ type: "tool-output-available", toolCallId: "c", output: { truncated: true, bytes: 300_002 } }],
      },
    ]);
    expect(other.socket.texts[0]).toBe(one.socket.texts[0]);
  });
});
