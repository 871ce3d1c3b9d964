// The network of one tab: `fetch` and `WebSocket` over the Worker under test, and the ways in which it can fail. What it carried
// is kept. No assertions.
import type { ClientFrame, ServerFrame } from "../../../src/protocol/frames.ts";
import { newId } from "../../../src/protocol/ids.ts";
import { PING } from "../../../src/protocol/limits.ts";
import { call, ORIGIN } from "./client.ts";

/** A frame that a tab got, with the number of the socket (from 1) that it came by. */
export type Received = ServerFrame & { socket: number };

export class Link {
  readonly user: string;
  /** Every frame that the client was given, in order. A frame that a cut swallowed is not among them. */
  readonly received: Received[] = [];
  /** The same as texts. */
  readonly texts: string[] = [];
  /** Every frame that the client wrote, also those that were lost. */
  readonly sent: { text: string; frame: ClientFrame; isLost: boolean }[] = [];
  /** Body of each ticket request. */
  readonly ticketBodies: string[] = [];
  /** Everything that the client writes is lost, until a cut: nothing says so, and no later frame arrives in its place. */
  isMuted = false;
  /** So many upgrades are refused from now on. */
  refusals = 0;
  /** Sockets that were opened. */
  sockets = 0;
  /** Carries each frame, in either direction: at once, unless a test has another idea of time. Must keep the order. */
  delay: (carry: () => void) => void = (carry) => carry();
  /** Called after the client has taken a frame. */
  afterReceive: (frame: Received) => void = () => {};
  /** Called before a frame leaves. False loses it. */
  onSend: (frame: ClientFrame) => boolean | void = () => {};
  #isOnline = true;
  #socket: TabSocket | null = null;
  readonly #held: (() => void)[] = [];
  readonly #questions = new Map<string, () => void>();

  constructor(user: string) {
    this.user = user;
  }

  get isOnline(): boolean {
    return this.#isOnline;
  }

  /** Offline, the socket is cut, requests fail, and timers wait until the tab is online again. */
  set isOnline(isOnline: boolean) {
    this.#isOnline = isOnline;
    if (!isOnline) this.cut();
    else for (const run of this.#held.splice(0)) run();
  }

  /** Ends the socket at once, as a lost connection: what is under way in either direction is gone. */
  cut(): void {
    this.isMuted = false;
    this.#socket?.end(1006);
  }

  /** Cuts after the `count`-th frame from now, once. `then` runs right before. */
  cutAfter(count: number, then: () => void = () => {}): void {
    let left = count;
    this.afterReceive = () => {
      if (--left > 0) return;
      this.afterReceive = () => {};
      then();
      this.cut();
    };
  }

  /**
   * Waits until everything that the object has sent by now has come: it answers a question that changes nothing, and the
   * client hears of neither. Also resolves when the socket ends.
   */
  async answer(): Promise<void> {
    const socket = this.#socket;
    if (socket?.readyState !== 1) return;
    const id = newId();
    await new Promise<void>((resolve) => {
      this.#questions.set(id, resolve);
      socket.addEventListener("close", () => resolve());
      socket.ask(JSON.stringify({ type: "page", id, before: newId() }));
    });
    this.#questions.delete(id);
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    if (!this.#isOnline) throw new TypeError("Failed to fetch");
    const headers = new Headers(init?.headers);
    headers.set("authorization", `Bearer ${this.user}`);
    headers.set("origin", ORIGIN);
    if (typeof init?.body === "string") this.ticketBodies.push(init.body);
    const { pathname, search } = new URL(input as string);
    const response = await call(pathname + search, { method: init?.method, headers, body: init?.body });
    if (!this.#isOnline) throw new TypeError("Failed to fetch");
    return response;
  };

  /** Timers without waiting: what is due later comes next, and the limits on steps never come. */
  readonly setTimer = (run: () => void, delayMs: number): (() => void) => {
    let isOver = delayMs > 0;
    const due = (): void => {
      if (isOver) return;
      if (this.#isOnline) run();
      else this.#held.push(due);
    };
    setTimeout(due, 0);
    return () => (isOver = true);
  };

  open(url: string, protocols: string[]): TabSocket {
    const socket = new TabSocket(this, ++this.sockets);
    this.#socket = socket;
    const { pathname, search } = new URL(url);
    void this.#upgrade(pathname + search, protocols).then(
      (server) => socket.opened(server),
      () => socket.end(1006),
    );
    return socket;
  }

  async #upgrade(path: string, protocols: string[]): Promise<WebSocket> {
    if (!this.#isOnline || this.refusals-- > 0) throw new TypeError("refused");
    this.refusals = Math.max(this.refusals, 0);
    const headers = { upgrade: "websocket", "sec-websocket-protocol": protocols.join(", "), origin: ORIGIN };
    const { webSocket, status } = await call(path, { headers });
    if (!webSocket) throw new TypeError(`upgrade: ${status}`);
    return webSocket;
  }

  take(socket: number, text: string, give: () => void): void {
    const frame: Received = { ...(JSON.parse(text) as ServerFrame), socket };
    const answered = "ref" in frame && this.#questions.get(frame.ref ?? "");
    if (answered) return answered();
    this.received.push(frame);
    this.texts.push(text);
    give();
    this.afterReceive(frame);
  }
}

/** A socket as a page sees it. */
export class TabSocket extends EventTarget {
  readyState = 0;
  readonly #link: Link;
  readonly #number: number;
  #server: WebSocket | null = null;

  constructor(link: Link, number: number) {
    super();
    this.#link = link;
    this.#number = number;
  }

  opened(server: WebSocket): void {
    server.accept();
    if (this.readyState > 1) return server.close(1000);
    this.#server = server;
    this.readyState = 1;
    server.addEventListener("message", ({ data }) => {
      const give = (): void => void this.dispatchEvent(new MessageEvent("message", { data: String(data) }));
      this.#link.delay(() => {
        if (this.readyState === 1) this.#link.take(this.#number, String(data), give);
      });
    });
    server.addEventListener("close", ({ code, reason }) => this.end(code, reason));
    this.dispatchEvent(new Event("open"));
  }

  send(text: string): void {
    if (this.readyState === 0) throw new DOMException("Still connecting", "InvalidStateError");
    if (this.readyState !== 1) return;
    // Time does not pass for a tab, so that its line is never silent for long: an answer would mean nothing.
    if (text === PING) return;
    const frame = JSON.parse(text) as ClientFrame;
    const isLost = this.#link.isMuted || this.#link.onSend(frame) === false;
    this.#link.sent.push({ text, frame, isLost });
    if (isLost) return;
    this.#link.delay(() => {
      if (this.readyState === 1) this.#server!.send(text);
    });
  }

  /** Sends past the client. */
  ask(text: string): void {
    this.#server!.send(text);
  }

  close(): void {
    this.end(1000);
  }

  /** Closed: nothing is heard of it after its close event. */
  end(code: number, reason = ""): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#server?.close(1000);
    this.dispatchEvent(new CloseEvent("close", { code, reason, wasClean: code !== 1006 }));
  }
}
