// A browser's end of a socket: the part of the standard `WebSocket` that a chat client uses, over the virtual network.
import type { VirtualConnection } from "./virtual-connection.ts";

export class VirtualWebSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;

  readonly url: string;
  readonly protocols: readonly string[];
  protocol = "";
  readyState: number = VirtualWebSocket.CONNECTING;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  /** Set by the network that makes it. */
  connection: VirtualConnection | null = null;

  constructor(url: string, protocols: readonly string[]) {
    super();
    this.url = url;
    this.protocols = protocols;
  }

  /** @throws {DOMException} while connecting */
  send(data: string | ArrayBuffer): void {
    if (this.readyState === VirtualWebSocket.CONNECTING) throw new DOMException("Still connecting.", "InvalidStateError");
    if (this.readyState === VirtualWebSocket.OPEN) this.connection?.clientSend(data);
  }

  close(code = 1000, reason = ""): void {
    if (this.readyState >= VirtualWebSocket.CLOSING) return;
    const wasOpen = this.readyState === VirtualWebSocket.OPEN;
    this.readyState = VirtualWebSocket.CLOSING;
    if (wasOpen) this.connection?.clientClose(code, reason);
    else this.lose();
  }

  /** The server has taken the upgrade. False when the client has given up before. */
  open(protocol: string): boolean {
    if (this.readyState !== VirtualWebSocket.CONNECTING) return false;
    this.readyState = VirtualWebSocket.OPEN;
    this.protocol = protocol;
    this.#tell("open", new Event("open"));
    return true;
  }

  /** A frame arrives, also after the client has closed its end. */
  receive(data: string | ArrayBuffer): void {
    if (this.readyState !== VirtualWebSocket.CLOSED) this.#tell("message", new MessageEvent("message", { data }));
  }

  /** The other side's close arrives. True when this end has to answer it. */
  end(code: number, reason: string): boolean {
    if (this.readyState === VirtualWebSocket.CLOSED) return false;
    const answers = this.readyState === VirtualWebSocket.OPEN;
    this.readyState = VirtualWebSocket.CLOSED;
    this.#tell("close", Object.assign(new Event("close"), { code, reason, wasClean: code !== 1006 }));
    return answers;
  }

  /** The line is dead, and this end has found out. */
  lose(): void {
    if (this.readyState === VirtualWebSocket.CLOSED) return;
    this.#tell("error", new Event("error"));
    this.end(1006, "");
  }

  #tell(type: "open" | "message" | "close" | "error", event: Event): void {
    this.dispatchEvent(event);
    (this[`on${type}`] as ((event: Event) => void) | null)?.(event);
  }
}
