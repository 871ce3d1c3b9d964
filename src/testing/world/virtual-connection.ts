// One socket between a client and an object: a browser's end, an object's end, and a lane for each direction. Either end may
// die without the other knowing it. The object's end outlives the object's memory, with its attachment.
import { deserialize, serialize } from "node:v8";
import { PING, PONG, PROTOCOL } from "../../protocol/limits.ts";
import type { ServerSocket } from "../../sockets/connection.ts";
import type { VirtualClock } from "./virtual-clock.ts";
import { VirtualLane } from "./virtual-lane.ts";
import type { VirtualWebSocket } from "./virtual-web-socket.ts";

/** Source: Durable Objects docs, "WebSocket attachment", measured after structured clone. */
const MAX_ATTACHMENT_BYTES = 16_384;
const MAX_REASON_BYTES = 123;

/** What travels: the answer to the upgrade, a frame, or the end. */
type Item = "open" | { data: string | ArrayBuffer } | { code: number; reason: string };

/** The object that a connection leads to. */
export interface ConnectionHost {
  message(connection: VirtualConnection, data: string | ArrayBuffer): void;
  closed(connection: VirtualConnection, code: number): void;
}

export interface ConnectionPorts {
  clock: VirtualClock;
  latencyMs: () => number;
  /** Sees every frame of the client that arrives at the object. */
  onClientFrame?: (connection: VirtualConnection, data: string) => void;
}

export class VirtualConnection {
  readonly id: number;
  readonly client: VirtualWebSocket;
  /** The object that accepted it. */
  host: ConnectionHost | null = null;
  /** Of the object's end: `closing` when the object has closed it, and until its client has answered. */
  serverState: "none" | "open" | "closing" | "closed" = "none";
  #attachment: Buffer | null = null;
  #isBroken = false;
  #losing = { count: 0, isMeant: (_data: string) => false };
  readonly #ports: ConnectionPorts;
  readonly #up: VirtualLane<Item>;
  readonly #down: VirtualLane<Item>;

  constructor(id: number, client: VirtualWebSocket, ports: ConnectionPorts) {
    this.id = id;
    this.client = client;
    this.#ports = ports;
    this.#up = new VirtualLane(ports.clock, ports.latencyMs, (item) => this.#arriveUp(item));
    this.#down = new VirtualLane(ports.clock, ports.latencyMs, (item) => this.#arriveDown(item));
  }

  /** An object takes the upgrade: from here on its end is open, and the answer goes ahead of every frame. */
  accept(host: ConnectionHost): void {
    this.host = host;
    this.serverState = "open";
    this.#down.send("open");
  }

  /** A frame of the client leaves. */
  clientSend(data: string | ArrayBuffer): void {
    this.#up.send({ data });
  }

  /** The client closes its end. */
  clientClose(code: number, reason: string): void {
    this.#up.send({ code, reason });
  }

  /** The next so many frames of the object that `isMeant` says so of never arrive, though those after them do. */
  loseNext(count: number, isMeant: (data: string) => boolean): void {
    this.#losing = { count, isMeant };
  }

  /** A frame of the object leaves. @throws {TypeError} on a closing socket, as in workerd */
  serverSend(data: string): void {
    if (this.serverState !== "open") throw new TypeError("Can't call WebSocket send() after close().");
    if (this.#losing.count > 0 && this.#losing.isMeant(data)) this.#losing.count--;
    else this.#down.send({ data });
  }

  /** The object closes its end. @throws {TypeError} for what cannot be sent */
  serverClose(code = 1005, reason = ""): void {
    if (code !== 1005 && (code < 1000 || code === 1006 || code === 1015)) throw new TypeError("Invalid WebSocket close code.");
    if (Buffer.byteLength(reason) > MAX_REASON_BYTES) throw new TypeError("WebSocket close reason is too long.");
    if (this.serverState !== "open") return;
    this.serverState = "closing";
    this.#down.send({ code, reason });
  }

  get attachment(): unknown {
    return this.#attachment && deserialize(this.#attachment);
  }

  set attachment(value: unknown) {
    const bytes = serialize(value);
    if (bytes.byteLength > MAX_ATTACHMENT_BYTES) throw new Error("WebSocket attachment exceeds 16384 bytes.");
    this.#attachment = bytes;
  }

  /** The line is dead from now on; each end learns so after its time, or not before {@link end}. */
  cut({ clientAfterMs, serverAfterMs }: { clientAfterMs?: number | undefined; serverAfterMs?: number | undefined }): void {
    this.#isBroken = true;
    this.#up.cut();
    this.#down.cut();
    if (clientAfterMs !== undefined) this.#ports.clock.setTimer(clientAfterMs, () => this.client.lose());
    if (serverAfterMs !== undefined) this.#ports.clock.setTimer(serverAfterMs, () => this.#serverLoses(1006));
  }

  /** The object's end has died with its machine. What it sent still arrives when `isFlushed`. */
  die({ clientAfterMs, isFlushed }: { clientAfterMs?: number | undefined; isFlushed: boolean }): void {
    this.serverState = "closed";
    this.host = null;
    this.#isBroken = true;
    this.#up.cut();
    if (!isFlushed) this.#down.cut();
    if (clientAfterMs === undefined) return;
    if (isFlushed) this.#ports.clock.setTimer(clientAfterMs, () => this.#down.send({ code: 1006, reason: "" }));
    else this.#ports.clock.setTimer(clientAfterMs, () => this.client.lose());
  }

  /** Frames that are on their way, in either direction. */
  get underWay(): number {
    return this.#up.underWay + this.#down.underWay;
  }

  /** True when the line is dead, whoever knows. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Both ends learn now that the line is dead. */
  end(): void {
    this.cut({});
    this.client.lose();
    this.#serverLoses(1006);
  }

  #arriveUp(item: Item): void {
    if (item === "open") return;
    if ("code" in item) return this.#serverLoses(item.code);
    if (this.serverState !== "open") return;
    // The runtime answers by itself: the object neither wakes nor hears of it.
    if (item.data === PING) return this.#down.send({ data: PONG });
    if (typeof item.data === "string") this.#ports.onClientFrame?.(this, item.data);
    this.host?.message(this, item.data);
  }

  #arriveDown(item: Item): void {
    if (item === "open") {
      // A client that has given up meanwhile leaves a socket that is closed as soon as it opens.
      if (!this.client.open(PROTOCOL)) this.#up.send({ code: 1006, reason: "" });
      return;
    }
    if ("data" in item) return this.client.receive(item.data);
    // The client's end answers a close by itself.
    if (this.client.end(item.code, item.reason)) this.#up.send(item);
  }

  #serverLoses(code: number): void {
    if (this.serverState === "closed" || this.serverState === "none") return;
    const wasOpen = this.serverState === "open";
    this.host?.closed(this, code);
    this.serverState = "closed";
    // The answer to a client that closed.
    if (wasOpen) this.#down.send({ code, reason: "" });
  }
}

/** The incarnation that holds a socket. */
export interface SocketOwner {
  readonly isDead: boolean;
  readonly onSend: (connection: VirtualConnection, data: string) => void;
}

/** The object's end of a connection, as one incarnation holds it: after its death nothing that it does counts. */
export class VirtualServerSocket implements ServerSocket {
  readonly connection: VirtualConnection;
  readonly #owner: SocketOwner;

  constructor(connection: VirtualConnection, owner: SocketOwner) {
    this.connection = connection;
    this.#owner = owner;
  }

  send(data: string): void {
    if (this.#owner.isDead) return;
    this.connection.serverSend(data);
    this.#owner.onSend(this.connection, data);
  }

  close(code?: number, reason?: string): void {
    if (!this.#owner.isDead) this.connection.serverClose(code, reason);
  }

  serializeAttachment(value: unknown): void {
    if (!this.#owner.isDead) this.connection.attachment = value;
  }

  deserializeAttachment(): unknown {
    return this.connection.attachment;
  }
}
