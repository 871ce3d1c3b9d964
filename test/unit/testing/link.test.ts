import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLink, type LinkOptions } from "../../../src/testing/link.ts";
import { FakeSocket, listen } from "./support.ts";

const LOST = { code: 1006, reason: "", wasClean: false };

beforeEach(() => {
  FakeSocket.opened = [];
  vi.useFakeTimers();
});
afterEach(() => void vi.useRealTimers());

function linkOf(options: LinkOptions = {}) {
  return createLink({ WebSocket: FakeSocket as unknown as NonNullable<LinkOptions["WebSocket"]>, ...options });
}

function connect(link: ReturnType<typeof createLink>) {
  const socket = new link.WebSocket("ws://server.test/chat/threads/t/socket", ["chatcell.v1"]);
  const heard = listen(socket);
  const real = FakeSocket.opened.at(-1)!;
  return { socket, heard, real };
}

function open(link: ReturnType<typeof createLink>) {
  const connection = connect(link);
  connection.real.open();
  connection.heard.length = 0;
  return connection;
}

describe("the sockets of a link", () => {
  it("pass open, frames and close through at once, both ways, to listeners of both kinds", () => {
    const { socket, heard, real } = connect(linkOf());
    const on: unknown[] = [];
    Object.assign(socket, {
      onmessage: ({ data }: MessageEvent) => on.push(data),
      onclose: ({ code }: { code: number }) => on.push(code),
    });
    expect([socket.readyState, socket.protocol, socket.url]).toEqual([0, "", "ws://server.test/chat/threads/t/socket"]);
    real.open();
    expect([socket.readyState, socket.protocol]).toEqual([1, "chatcell.v1"]);
    socket.send("up");
    real.give("down 1", "down 2");
    real.end(4404, "not_found");
    expect(real.sent).toEqual(["up"]);
    expect(heard).toEqual(["open", "down 1", "down 2", { code: 4404, reason: "not_found", wasClean: true }]);
    expect(on).toEqual(["down 1", "down 2", 4404]);
    expect(socket.readyState).toBe(3);
  });

  it("behave like a WebSocket before they are open and after they are closed", () => {
    const { socket, heard, real } = connect(linkOf());
    expect(() => socket.send("too early")).toThrow();
    real.open();
    socket.close(1000, "done");
    socket.close(1001, "again");
    expect([socket.readyState, real.closedWith]).toEqual([2, [1000, "done"]]);
    socket.send("too late");
    real.give("not heard any more");
    real.end(1000, "done");
    real.end(1000, "done");
    real.give("from a dead socket");
    expect(real.sent).toEqual([]);
    expect(heard).toEqual(["open", { code: 1000, reason: "done", wasClean: true }]);
  });

  it("throw from the constructor what the real one throws", () => {
    const link = linkOf();
    expect(() => new link.WebSocket("ws://refused", [])).toThrow(SyntaxError);
  });

  it("close with 1006 when the constructor throws later", () => {
    const link = linkOf();
    link.delay(10);
    const heard = listen(new link.WebSocket("ws://refused", []));
    vi.advanceTimersByTime(10);
    expect(heard).toEqual(["error", LOST]);
  });

  it("tell of an unclean end by an error first", () => {
    const { heard, real } = open(linkOf());
    real.end(1006, "", false);
    expect(heard).toEqual(["error", LOST]);
  });
});

describe("cut", () => {
  it("closes every socket with 1006 at once, and the real one behind its back", () => {
    const link = linkOf();
    const [first, second] = [open(link), connect(link)];
    link.cut();
    expect([first.heard, second.heard]).toEqual([
      ["error", LOST],
      ["error", LOST],
    ]);
    expect([first.real.closedWith, second.real.closedWith]).toEqual([[], []]);
    first.real.give("late");
    first.real.end(1000);
    second.real.open();
    expect([first.heard.length, second.heard.length, first.socket.readyState]).toEqual([2, 2, 3]);
  });

  it("lets later sockets through", () => {
    const link = linkOf();
    open(link);
    link.cut();
    const { heard, real } = open(link);
    real.give("hello");
    expect(heard).toEqual(["hello"]);
  });

  it("fails pending requests and lets later ones through", async () => {
    const answers: ((response: Response) => void)[] = [];
    const link = linkOf({ fetch: () => new Promise((resolve) => answers.push(resolve)) });
    const lost = link.fetch("https://server.test/a");
    link.cut();
    await expect(lost).rejects.toThrow(TypeError);
    const answered = link.fetch("https://server.test/b");
    answers[1]!(new Response("b"));
    expect(await (await answered).text()).toBe("b");
  });
});

describe("cutAfter", () => {
  it("gives exactly so many more frames, though more arrive at the same moment", () => {
    const link = linkOf();
    const { heard, real } = open(link);
    real.give("1");
    link.cutAfter(2);
    real.give("2", "3", "4");
    expect(heard).toEqual(["1", "2", "3", "error", LOST]);
    expect(link.counts.framesDown).toBe(3);
  });

  it("gives exactly so many of the frames that were held back", () => {
    const link = linkOf();
    const { heard, real } = open(link);
    link.delay(10);
    real.give("1", "2", "3");
    link.cutAfter(2);
    vi.advanceTimersByTime(10);
    expect(heard).toEqual(["1", "2", "error", LOST]);
  });

  it("happens once, and not after restore", () => {
    const link = linkOf();
    open(link).real.give("0");
    link.cutAfter(1);
    open(link).real.give("1");
    const next = open(link);
    next.real.give("2", "3");
    link.cutAfter(1);
    link.restore();
    next.real.give("4");
    expect(next.heard).toEqual(["2", "3", "4"]);
  });
});

describe("delay", () => {
  it("keeps the order, in each direction, and stretches the handshake", () => {
    const link = linkOf();
    link.delay(100);
    const socket = new link.WebSocket("ws://server.test/", []);
    const heard = listen(socket);
    expect(FakeSocket.opened).toEqual([]);
    vi.advanceTimersByTime(100);
    const real = FakeSocket.opened[0]!;
    real.open();
    vi.advanceTimersByTime(99);
    expect(heard).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(heard).toEqual(["open"]);
    socket.send("a");
    real.give("1");
    link.delay(0);
    socket.send("b");
    real.give("2");
    expect([real.sent, heard]).toEqual([[], ["open"]]);
    vi.advanceTimersByTime(100);
    expect([real.sent, heard]).toEqual([
      ["a", "b"],
      ["open", "1", "2"],
    ]);
  });

  it("delays requests and answers", async () => {
    const real = vi.fn(() => Promise.resolve(new Response("ok")));
    const link = linkOf({ fetch: real });
    link.delay(50);
    let answer: Response | undefined;
    void link.fetch("https://server.test/").then((response) => (answer = response));
    await vi.advanceTimersByTimeAsync(49);
    expect(real).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(real).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(49);
    expect(answer).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(answer).toBeInstanceOf(Response);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("blackHole", () => {
  it("holds frames of both directions while the socket looks open, and restore gives them in order", () => {
    const link = linkOf();
    const { socket, heard, real } = open(link);
    link.blackHole();
    socket.send("a");
    real.give("1");
    real.end(1001, "gone");
    vi.advanceTimersByTime(3_600_000);
    expect([real.sent, heard, socket.readyState]).toEqual([[], [], 1]);
    link.restore();
    expect([real.sent, heard]).toEqual([["a"], ["1", { code: 1001, reason: "gone", wasClean: true }]]);
  });

  it("opens nothing and answers nothing until restore", async () => {
    const real = vi.fn(() => Promise.resolve(new Response("ok")));
    const link = linkOf({ fetch: real });
    link.blackHole();
    new link.WebSocket("ws://server.test/", []);
    const answer = link.fetch("https://server.test/");
    expect([FakeSocket.opened.length, real.mock.calls.length]).toEqual([0, 0]);
    link.restore();
    expect([FakeSocket.opened.length, real.mock.calls.length]).toEqual([1, 1]);
    expect(await (await answer).text()).toBe("ok");
  });

  it("drops what waits when the connection is cut", () => {
    const link = linkOf();
    const { socket, heard, real } = open(link);
    link.blackHole();
    socket.send("a");
    real.give("1");
    link.cut();
    link.restore();
    expect([real.sent, heard]).toEqual([[], ["error", LOST]]);
  });

  it("leaves a request that is aborted by its owner aborted, and never sends it", async () => {
    const real = vi.fn(() => Promise.resolve(new Response("ok")));
    const link = linkOf({ fetch: real });
    link.blackHole();
    const owner = new AbortController();
    const answer = link.fetch("https://server.test/", { signal: owner.signal });
    owner.abort(new Error("no patience"));
    await expect(answer).rejects.toThrow("no patience");
    link.restore();
    expect(real).not.toHaveBeenCalled();
    await expect(link.fetch("https://server.test/", { signal: owner.signal })).rejects.toThrow("no patience");
    expect(real).not.toHaveBeenCalled();
  });
});

describe("what a link counts", () => {
  it("is tickets, requests, sockets, and the frames and UTF-8 bytes that went through", async () => {
    const link = linkOf({ fetch: () => Promise.resolve(new Response("{}")) });
    await link.fetch("https://server.test/chat/threads/t/ticket", { method: "POST" });
    await link.fetch("https://server.test/chat/identity", { method: "POST" });
    const { socket, real } = open(link);
    socket.send("é");
    real.give("12345", new ArrayBuffer(3));
    link.blackHole();
    socket.send("held");
    real.give("held");
    link.cut();
    expect(link.counts).toEqual({ tickets: 1, requests: 2, sockets: 1, framesUp: 1, bytesUp: 2, framesDown: 2, bytesDown: 8 });
  });

  it("is shown frame by frame, before the client gets them", () => {
    const seen: unknown[] = [];
    const link = linkOf({ onFrame: (direction, text) => seen.push([direction, text]) });
    const { socket, real } = open(link);
    socket.addEventListener("message", () => seen.push("client"));
    real.give("1");
    socket.send("a");
    expect(seen).toEqual([["down", "1"], "client", ["up", "a"]]);
  });
});
