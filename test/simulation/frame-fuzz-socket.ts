// What a client takes for its socket: the real one of the virtual network, with a link between that sees every frame.
import { tryParseCursor } from "../../src/protocol/cursor.ts";
import type { VirtualWebSocket } from "../../src/testing/world/virtual-web-socket.ts";

/** So many frames of a socket are kept, to come again. */
const KEPT = 12;

/** What a socket asks of its link. */
export interface SocketLink {
  /** A frame of the server has come. */
  down(socket: FuzzSocket, text: string): void;
  /** A frame of the client leaves. */
  up(socket: FuzzSocket, text: string): void;
  /** The client has let go of it. */
  dropped(socket: FuzzSocket): void;
}

export class FuzzSocket extends EventTarget {
  readonly #link: SocketLink;
  readonly inner: VirtualWebSocket;
  /** The last frames that came, as the server sent them. */
  readonly past: string[] = [];
  readonly sent: string[] = [];
  /** Those of the cursors that it asked with, and got no answer for. */
  #asked: number[] = [];
  #held: string | null = null;
  isDropped = false;
  /** True until the first view has come, of whatever form. */
  isFirstView = true;

  constructor(link: SocketLink, inner: VirtualWebSocket) {
    super();
    this.#link = link;
    this.inner = inner;
    inner.addEventListener("message", (event) => link.down(this, (event as MessageEvent).data as string));
    inner.addEventListener("close", (event) => {
      const { code, reason } = event as CloseEvent;
      this.end(code, reason);
      this.close();
    });
  }

  get readyState(): number {
    return this.inner.readyState;
  }

  send(text: string): void {
    this.#link.up(this, text);
  }

  close(): void {
    this.inner.close();
    if (this.isDropped) return;
    this.isDropped = true;
    this.#link.dropped(this);
  }

  asks(cursor: string): void {
    this.#asked.push(tryParseCursor(cursor)?.rev ?? -1);
  }

  /** True for what may be the answer to a question for what is missing. */
  isAnswer(text: string): boolean {
    return this.#asked.length > 0 && /^{"type":"(delta|snapshot)"/.test(text);
  }

  /** A frame comes, as it was sent or as something else; one that waits for it comes after it, and after what `then` does. */
  take(text: string, damaged = text, then = (): void => {}): void {
    this.past.push(text);
    if (this.past.length > KEPT) this.past.shift();
    const { type, from } = (text.startsWith("{") ? JSON.parse(text) : {}) as { type?: string; from?: number };
    if (type === "snapshot") this.#asked = [];
    else if (type === "delta" && this.#asked[0] === from) this.#asked.shift();
    if (type === "snapshot" || type === "delta") this.isFirstView = false;
    this.deliver(damaged);
    then();
    this.release();
  }

  hold(text: string): void {
    this.release();
    this.#held = text;
  }

  release(): void {
    const text = this.#held;
    this.#held = null;
    if (text !== null) this.take(text);
  }

  deliver(text: string): void {
    this.dispatchEvent(new MessageEvent("message", { data: text }));
  }

  end(code: number, reason = ""): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}
