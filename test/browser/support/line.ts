// The line between a browser and a server: a TCP relay that can be cut, so that sockets die and new ones are refused.
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export class Line {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  #isCut = false;

  private constructor(server: Server, sockets: Set<Socket>) {
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#sockets = sockets;
    server.prependListener("connection", (socket) => this.#isCut && socket.destroy());
  }

  /** A whole line to a port of this machine. */
  static async open(to: number): Promise<Line> {
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      if (near.destroyed) return;
      const far = connect(to, "127.0.0.1");
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(one);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => (sockets.delete(one), other.destroy()));
      }
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return new Line(server, sockets);
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((done) => this.#server.close(done));
  }
}
