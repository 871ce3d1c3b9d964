// A WebSocket of which the test decides how fast it reads: over a TCP socket that can be paused, so that the server meets the
// same back pressure as from a device that has stopped. As much of the protocol as workerd speaks to a client that offers
// no compression.
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

export class TcpWebSocket extends EventTarget {
  readyState = 0;
  /** Bytes read from the wire after the answer to the upgrade. */
  received = 0;
  /** Every text that was read. */
  readonly texts: string[] = [];
  closed: { code: number; reason: string } | null = null;
  readonly #socket: Socket;
  #buffer: Buffer[] = [];
  #length = 0;
  #needed = 2;
  #isPaused = false;
  #bytesPerSecond = Infinity;

  constructor(url: string, protocols: string[]) {
    super();
    const { hostname, port, pathname, search, host } = new URL(url);
    this.#socket = connect(Number(port), hostname, () => {
      this.#socket.write(
        `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Protocol: ${protocols.join(", ")}\r\n\r\n`,
      );
    });
    this.#socket.on("data", (data) => this.#read(data));
    this.#socket.on("error", () => this.#end(1006, ""));
    this.#socket.on("close", () => this.#end(1006, ""));
  }

  /** Stops reading: what comes stays with the system, and then with the server. */
  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** Reads no faster than this from now on. */
  throttle(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  send(text: string): void {
    if (this.readyState === 1) this.#write(TEXT, Buffer.from(text));
  }

  close(): void {
    if (this.readyState === 1) this.#write(CLOSE, Buffer.from([0x03, 0xe8]));
    this.#socket.end();
    this.#end(1005, "");
  }

  #write(opcode: number, payload: Buffer): void {
    const { length } = payload;
    const head = length < 126 ? Buffer.from([0x80 | opcode, 0x80 | length]) : Buffer.from([0x80 | opcode, 0xfe, length >> 8, length & 255]);
    // The mask of zeros leaves the payload as it is.
    this.#socket.write(Buffer.concat([head, Buffer.alloc(4), payload]));
  }

  #read(data: Buffer): void {
    this.#buffer.push(data);
    this.#length += data.length;
    if (this.#bytesPerSecond < Infinity) {
      this.#socket.pause();
      setTimeout(() => this.#isPaused || this.#socket.resume(), (data.length / this.#bytesPerSecond) * 1_000);
    }
    while (this.#length >= this.#needed && this.readyState < 2) {
      const all = Buffer.concat(this.#buffer);
      const used = this.readyState === 0 ? this.#takeAnswer(all) : this.#takeFrame(all);
      this.#buffer = [all.subarray(used)];
      this.#length -= used;
      if (used === 0) return;
    }
  }

  /** Bytes used; 0 when more are needed. */
  #takeAnswer(all: Buffer): number {
    const end = all.indexOf("\r\n\r\n");
    if (end < 0) {
      this.#needed = all.length + 1;
      return 0;
    }
    if (!all.toString("latin1", 0, 12).endsWith("101")) {
      this.#end(1006, "");
      return all.length;
    }
    this.readyState = 1;
    this.#needed = 2;
    this.dispatchEvent(new Event("open"));
    return end + 4;
  }

  #takeFrame(all: Buffer): number {
    const short = all[1]! & 127;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    this.#needed = head;
    if (all.length < head) return 0;
    const length = short < 126 ? short : short === 126 ? all.readUInt16BE(2) : Number(all.readBigUInt64BE(2));
    this.#needed = head + length;
    if (all.length < this.#needed) return 0;
    this.#needed = 2;
    this.received += head + length;
    this.#take(all[0]! & 15, all.subarray(head, head + length));
    return head + length;
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === PING) this.#write(PONG, payload);
    if (opcode === CLOSE) {
      this.#write(CLOSE, payload.subarray(0, 2));
      this.#socket.end();
      this.#end(payload.length < 2 ? 1005 : payload.readUInt16BE(0), payload.toString("utf8", 2));
    }
    if (opcode !== TEXT) return;
    const data = payload.toString("utf8");
    this.texts.push(data);
    this.dispatchEvent(new MessageEvent("message", { data }));
  }

  #end(code: number, reason: string): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.closed = { code, reason };
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}
