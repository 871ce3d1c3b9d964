// `fetch` and `WebSocket` of a server in memory, with a network that a test can cut in either direction. No assertions.
import type { ClientFrame, ServerFrame, TicketRequest } from "../../../src/protocol/frames.ts";
import type { ChatClientOptions, ClientDeps } from "../../../src/client/types.ts";
import { PING, PONG } from "../../../src/protocol/limits.ts";
import { ModelThread } from "./model-thread.ts";

/** A socket as the client sees it, with the server's end of it. */
export class FakeSocket extends EventTarget {
  readyState = 0;
  readonly sent: ClientFrame[] = [];
  /** Pings that the client sent; they are not among the frames. */
  pings = 0;
  readonly url: string;
  readonly protocols: string[];
  readonly server: FakeServer;
  /** Of the connection, as the server names it. */
  readonly id: string;

  constructor(server: FakeServer, url: string, protocols: string[]) {
    super();
    this.server = server;
    this.id = `connection${server.sockets.length + 1}`;
    this.url = url;
    this.protocols = protocols;
  }

  send(text: string): void {
    if (this.readyState === 0) throw new DOMException("Still connecting", "InvalidStateError");
    if (this.readyState !== 1) return;
    if (text === PING) return this.ping();
    const frame = JSON.parse(text) as ClientFrame;
    this.sent.push(frame);
    if (this.server.losesRequests) return;
    if (this.server.held) return void this.server.held.push(() => this.handle(frame));
    this.handle(frame);
  }

  /** As the runtime answers: nothing else hears of it. */
  private ping(): void {
    this.pings++;
    if (!this.server.losesRequests && !this.server.losesAnswers) queueMicrotask(() => this.receive(PONG));
  }

  private handle(frame: ClientFrame): void {
    const answers = this.server.refuse?.(frame) ?? this.server.thread.handle(frame, this.id);
    if (!this.server.losesAnswers) this.receive(...answers);
  }

  /** Client code closes it. */
  close(): void {
    if (this.readyState < 2) this.readyState = 3;
    this.server.thread.release(this.id);
  }

  open(): void {
    this.readyState = 1;
  }

  /** Frames come from the server, also on a socket that the client has closed already. */
  receive(...frames: (ServerFrame | string)[]): void {
    for (const frame of frames) {
      this.dispatchEvent(new MessageEvent("message", { data: typeof frame === "string" ? frame : JSON.stringify(frame) }));
    }
  }

  /** The connection ends. */
  drop(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.server.thread.release(this.id);
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }

  /** The server lets the client in and sends what it lacks. */
  accept(): void {
    this.open();
    this.receive(WELCOME, ...this.server.thread.sync(new URL(this.url).searchParams.get("cursor") ?? ""));
  }
}

export const WELCOME: ServerFrame = {
  type: "welcome",
  connection: "connection",
  principal: { id: "me" },
  role: "owner",
  limits: { maxFrameBytes: 1, maxParts: 1, maxQueue: 1, commandsPerSecond: 1, commandBurst: 1 },
  serverTime: 0,
};

export interface FakeRequest {
  url: string;
  init: RequestInit;
  body: TicketRequest;
}

export class FakeServer {
  readonly thread: ModelThread;
  readonly sockets: FakeSocket[] = [];
  readonly requests: FakeRequest[] = [];
  /** Answers of the next HTTP requests, before the usual one. */
  readonly answers: ((request: FakeRequest) => Response | Promise<Response>)[] = [];
  losesRequests = false;
  losesAnswers = false;
  /** While it is a list, frames of clients wait in it. */
  held: (() => void)[] | null = null;
  /** Sockets open by themselves. */
  accepts = true;
  refuse?: (frame: ClientFrame) => ServerFrame[] | undefined;

  constructor(thread = new ModelThread()) {
    this.thread = thread;
    this.thread.onFrame = (frame) => {
      if (!this.losesAnswers) for (const socket of this.sockets) if (socket.readyState === 1) socket.receive(frame);
    };
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  get tickets(): FakeRequest[] {
    return this.requests.filter(({ url }) => url.endsWith("/ticket"));
  }

  /** Handles the frames that wait. */
  release(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const handle of held) handle();
  }

  readonly fetch: typeof globalThis.fetch = async (url, init = {}) => {
    const request: FakeRequest = { url: url as string, init, body: JSON.parse(init.body as string) as TicketRequest };
    this.requests.push(request);
    const answer = this.answers.shift();
    const response = answer ? await answer(request) : this.answer(request);
    if (init.signal?.aborted) throw init.signal.reason;
    return response;
  };

  answer({ url, body }: FakeRequest): Response {
    if (url.endsWith("/identity")) return Response.json({ principal: { id: "me" } });
    const ack = body.command && this.thread.send(body.command);
    return Response.json({ ticket: `ticket${this.requests.length}`, expiresAt: 1, ...(ack ? { ack } : {}) });
  }

  /** The constructor to give to a client. */
  get WebSocket(): NonNullable<ChatClientOptions["WebSocket"]> {
    const make = (url: string, protocols: string[]) => {
      const socket = new FakeSocket(this, url, protocols);
      this.sockets.push(socket);
      if (this.accepts) queueMicrotask(() => socket.readyState === 0 && socket.accept());
      return socket;
    };
    // An arrow function makes no objects, so a plain one stands in front.
    return function (url: string, protocols: string[]) {
      return make(url, protocols);
    } as unknown as NonNullable<ChatClientOptions["WebSocket"]>;
  }
}

/** Time that a test moves. */
export class FakeClock {
  time = 1_000_000;
  private timers: { at: number; run: () => void }[] = [];

  readonly deps: Partial<ClientDeps> = {
    now: () => this.time,
    random: () => 0.5,
    setTimer: (run, delayMs) => {
      const timer = { at: this.time + delayMs, run };
      this.timers.push(timer);
      return () => (this.timers = this.timers.filter((other) => other !== timer));
    },
  };

  get pending(): number[] {
    return this.timers.map(({ at }) => at - this.time);
  }

  /** Time goes on and no timer does, as in a machine that sleeps: each is late by `ms` when it runs. */
  sleep(ms: number): void {
    this.time += ms;
    for (const timer of this.timers) timer.at += ms;
  }

  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await quiet();
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.time = next.at;
      next.run();
      await quiet();
    }
    this.time = end;
  }
}

/** After everything that is under way without a timer. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
