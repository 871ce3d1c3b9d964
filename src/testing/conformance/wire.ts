// The way between one client and the server: a link that can be cut, with a hand on each frame. It notes what went over it.
import type { ServerFrame } from "../../protocol/frames.ts";
import { createLink, type Link } from "../link.ts";
import type { ConformanceServer } from "./types.ts";

/** A frame of the client, as far as the suite looks at it. */
export interface UpFrame {
  type: string;
  id?: string;
  mark?: string;
  [field: string]: unknown;
}

export class Wire {
  readonly link: Link;
  /** Frames as they left the client, and as the server sent them, in order. `socket` counts from 1. */
  readonly up: (UpFrame & { socket: number })[] = [];
  readonly down: (ServerFrame & { socket: number })[] = [];
  /** Address and protocols of each socket. */
  readonly sockets: { url: string; protocols: readonly string[] }[] = [];
  /** What the client gets instead of a frame; none loses it. */
  onDown: (frame: ServerFrame) => readonly object[] = (frame) => [frame];
  /** False loses a frame of the client. */
  onUp: (frame: UpFrame) => boolean = () => true;
  #isOffline = false;

  constructor(server: ConformanceServer) {
    const request = server.fetch ?? ((...args: Parameters<typeof fetch>) => globalThis.fetch(...args));
    this.link = createLink({
      fetch: (...args) => (this.#isOffline ? Promise.reject(new TypeError("fetch failed: offline")) : request(...args)),
      WebSocket: this.#socket(server) as unknown as Link["WebSocket"],
    });
  }

  /** Every connection breaks, and none can be made, until {@link online}. */
  offline(): void {
    this.#isOffline = true;
    this.link.cut();
  }

  online(): void {
    this.#isOffline = false;
  }

  #socket(server: ConformanceServer) {
    const open = (url: string, protocols: string[]): EventTarget => {
      const Real = server.WebSocket ?? globalThis.WebSocket;
      const number = this.sockets.push({ url, protocols });
      const real = new Real(this.#isOffline ? "ws://127.0.0.1:9/offline" : url, protocols);
      return new HandledSocket(real, {
        up: (text) => this.#takeUp(text, number),
        down: (text) => this.#takeDown(text, number),
      });
    };
    // It is called with `new`, which an arrow function is not for.
    return function (url: string, protocols: string[]) {
      return open(url, protocols);
    };
  }

  #takeUp(text: string, socket: number): boolean {
    if (!text.startsWith("{")) return true;
    const frame = JSON.parse(text) as UpFrame;
    this.up.push({ ...frame, socket });
    return this.onUp(frame);
  }

  #takeDown(text: string, socket: number): readonly string[] {
    if (!text.startsWith("{")) return [text];
    const frame = JSON.parse(text) as ServerFrame;
    this.down.push({ ...frame, socket });
    return this.onDown(frame).map((one) => JSON.stringify(one));
  }
}

interface Hands {
  up: (text: string) => boolean;
  down: (text: string) => readonly string[];
}

/** A socket whose frames go through our hands. As much of a WebSocket as a link uses. */
class HandledSocket extends EventTarget {
  readonly #real: WebSocket;
  readonly #hands: Hands;
  binaryType = "arraybuffer";
  /** What still arrives is nobody's any more. */
  #isClosed = false;

  constructor(real: WebSocket, hands: Hands) {
    super();
    this.#real = real;
    this.#hands = hands;
    real.addEventListener("open", () => this.dispatchEvent(new Event("open")));
    real.addEventListener("error", () => this.dispatchEvent(new Event("error")));
    real.addEventListener("message", ({ data }) => {
      for (const text of typeof data === "string" && !this.#isClosed ? hands.down(data) : [])
        this.dispatchEvent(Object.assign(new Event("message"), { data: text }));
    });
    real.addEventListener("close", ({ code, reason, wasClean }) =>
      this.dispatchEvent(Object.assign(new Event("close"), { code, reason, wasClean })),
    );
  }

  get protocol(): string {
    return this.#real.protocol ?? "";
  }

  send(data: string | ArrayBuffer): void {
    if (typeof data !== "string" || this.#hands.up(data)) this.#real.send(data);
  }

  close(code?: number, reason?: string): void {
    this.#isClosed = true;
    this.#real.close(code, reason);
  }
}
