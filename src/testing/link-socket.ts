// The client's end of a socket that runs over a link: a WebSocket to the client, in front of a real one.
import { Lane, type LinkState } from "./lane.ts";

export type SocketConstructor = new (url: string, protocols: string[]) => WebSocket;

/** What a socket tells its link. */
export interface SocketHooks {
  /** A frame is on its way out. */
  up(data: string | ArrayBuffer): void;
  /** A frame is about to be given to the client. */
  down(data: string | ArrayBuffer): void;
  /** The client has handled it. */
  handled(): void;
  closed(): void;
}

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** Close code of a connection that was lost without a handshake; no peer can send it. */
const LOST = 1006;

/** As much of the WebSocket interface as clients use, with both forms of listeners. */
export class LinkSocket extends EventTarget {
  static readonly CONNECTING = CONNECTING;
  static readonly OPEN = OPEN;
  static readonly CLOSING = CLOSING;
  static readonly CLOSED = CLOSED;
  readonly url: string;
  readonly extensions = "";
  readonly bufferedAmount = 0;
  binaryType = "arraybuffer";
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: Event) => void) | null = null;
  onclose: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  #readyState = CONNECTING;
  #real: WebSocket | null = null;
  readonly #up: Lane;
  readonly #down: Lane;
  readonly #hooks: SocketHooks;

  constructor(real: () => WebSocket, url: string, state: LinkState, hooks: SocketHooks) {
    super();
    this.url = url;
    this.#up = new Lane(state);
    this.#down = new Lane(state);
    this.#hooks = hooks;
    // The handshake travels too: it goes out by one lane and comes back by the other. Without a delay it starts in here,
    // so that an address which is refused throws as it does with a plain WebSocket.
    let isConstructing = true;
    this.#up.push(() => {
      try {
        this.#connect(real());
      } catch (error) {
        if (isConstructing) throw error;
        this.cut();
      }
    });
    isConstructing = false;
  }

  get readyState(): number {
    return this.#readyState;
  }

  get protocol(): string {
    return this.#readyState === CONNECTING ? "" : (this.#real?.protocol ?? "");
  }

  send(data: string | ArrayBuffer): void {
    if (this.#readyState === CONNECTING) throw new Error("The socket is not open yet.");
    if (this.#readyState !== OPEN) return;
    this.#up.push(() => {
      this.#hooks.up(data);
      this.#real!.send(data);
    });
  }

  close(code?: number, reason?: string): void {
    if (this.#readyState >= CLOSING) return;
    this.#readyState = CLOSING;
    this.#up.push(() => this.#real?.close(code, reason));
  }

  /** Lets out what the link has held back. */
  pump(): void {
    this.#up.pump();
    this.#down.pump();
  }

  /** The connection is gone, without a word to the client. The real one is closed behind its back. */
  cut(): void {
    if (this.#readyState === CLOSED) return;
    this.#up.clear();
    this.#down.clear();
    this.#real?.close();
    this.#end({ code: LOST, reason: "", wasClean: false });
  }

  #connect(real: WebSocket): void {
    this.#real = real;
    real.binaryType = "arraybuffer";
    real.addEventListener("open", () => this.#arrive(() => this.#opened()));
    real.addEventListener("message", ({ data }) => this.#arrive(() => this.#message(data as string | ArrayBuffer)));
    real.addEventListener("close", ({ code, reason, wasClean }) => this.#arrive(() => this.#end({ code, reason, wasClean })));
  }

  #arrive(run: () => void): void {
    if (this.#readyState !== CLOSED) this.#down.push(run);
  }

  #opened(): void {
    if (this.#readyState !== CONNECTING) return;
    this.#readyState = OPEN;
    this.#emit(new Event("open"));
  }

  #message(data: string | ArrayBuffer): void {
    if (this.#readyState !== OPEN) return;
    this.#hooks.down(data);
    this.#emit(Object.assign(new Event("message"), { data }));
    this.#hooks.handled();
  }

  #end(how: { code: number; reason: string; wasClean: boolean }): void {
    if (this.#readyState === CLOSED) return;
    this.#readyState = CLOSED;
    this.#hooks.closed();
    if (!how.wasClean) this.#emit(new Event("error"));
    // Not every Node has `CloseEvent`.
    this.#emit(Object.assign(new Event("close"), how));
  }

  #emit(event: Event): void {
    this.dispatchEvent(event);
    this[`on${event.type as "open" | "message" | "close" | "error"}`]?.(event);
  }
}
