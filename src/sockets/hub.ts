// Every socket of one object. The only user of the hibernation API: sockets outlive the object's memory, so nothing here is
// the only copy of anything. A socket is known by its attachment, and again by its identity while this incarnation lives.
import type { ErrorCode } from "../errors.ts";
import type { ServerFrame } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import { encode, SocketConnection, type ConnectionDeps, type ServerSocket } from "./connection.ts";

/** The part of `DurableObjectState` that owns sockets. */
export interface SocketPlatform<Socket extends ServerSocket> {
  acceptWebSocket(socket: Socket): void;
  getWebSockets(): Socket[];
}

export class SocketHub<Socket extends ServerSocket = ServerSocket> {
  readonly #platform: SocketPlatform<Socket>;
  readonly #deps: ConnectionDeps;
  /** HIBERNATION: a cache of attachments, rebuilt by `connectionOf`. */
  readonly #known = new Map<Socket, SocketConnection>();
  readonly #closed = new WeakSet<Socket>();

  /** Why a principal may not be served any more. Whoever knows the roles sets it, before the first socket. */
  refusalOf: (principal: Principal) => ErrorCode | null = () => null;

  constructor(platform: SocketPlatform<Socket>, deps: ConnectionDeps) {
    this.#platform = platform;
    this.#deps = deps;
  }

  /** Makes a socket live. From here on it gets every broadcast, and it survives hibernation. */
  accept(socket: Socket, identity: { id: string; principal: Principal }): SocketConnection {
    this.#platform.acceptWebSocket(socket);
    const connection = SocketConnection.create(socket, identity, this.#deps);
    this.#known.set(socket, connection);
    return connection;
  }

  /** The connection of a socket; null when it is not one of ours, or gone. */
  connectionOf(socket: Socket): SocketConnection | null {
    if (this.#closed.has(socket)) return null;
    const known = this.#known.get(socket);
    if (known) return known;
    const restored = SocketConnection.tryRestore(socket, this.#deps);
    if (restored) this.#known.set(socket, restored);
    return restored;
  }

  /** Forgets a socket that the platform reported as closed. */
  remove(socket: Socket): SocketConnection | null {
    const connection = this.connectionOf(socket);
    this.#known.delete(socket);
    this.#closed.add(socket);
    return connection;
  }

  /** Every connection that is open: none that this side has closed. */
  connections(): SocketConnection[] {
    return this.#platform
      .getWebSockets()
      .flatMap((socket) => this.connectionOf(socket) ?? [])
      .filter(({ isClosing }) => !isClosing);
  }

  get count(): number {
    return this.#platform.getWebSockets().length;
  }

  /** Sends the frames of one change to every connection, stringified once. One whose principal may not have them is closed and gets nothing. */
  broadcast(...frames: ServerFrame[]): void {
    if (frames.length === 0) return;
    const connections = this.connections().filter((connection) => {
      const refusal = this.refusalOf(connection.principal);
      if (refusal) connection.close(refusal);
      return !refusal;
    });
    if (connections.length === 0) return;
    const encoded = frames.map(encode);
    for (const connection of connections) connection.deliverEncoded(encoded);
  }
}
