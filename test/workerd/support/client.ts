// A bare client for tests: one socket, every frame in order, and a way to wait for one. No logic of the real client.
import { exports } from "cloudflare:workers";
import type { AckFrame, ServerFrame, TicketRequest, TicketResponse } from "../../../src/protocol/frames.ts";
import { newId } from "../../../src/protocol/ids.ts";

export const ORIGIN = "https://chat.test";

/** The Worker under test. */
export function call(path: string, init?: RequestInit): Promise<Response> {
  return (exports as unknown as { default: Fetcher }).default.fetch(new Request(`${ORIGIN}${path}`, init));
}

export function askTicket(
  threadId: string,
  user: string,
  body: TicketRequest = {},
  headers: Record<string, string> = {},
): Promise<Response> {
  return call(`/chat/threads/${threadId}/ticket`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${user}`, ...headers },
    body: JSON.stringify(body),
  });
}

export async function getTicket(threadId: string, user: string, body: TicketRequest = {}): Promise<TicketResponse> {
  const response = await askTicket(threadId, user, body);
  if (!response.ok) throw new Error(`ticket: ${response.status} ${await response.text()}`);
  return response.json();
}

export function upgrade(threadId: string, ticket: string, cursor?: string, headers: Record<string, string> = {}): Promise<Response> {
  return call(`/chat/threads/${threadId}/socket${cursor === undefined ? "" : `?cursor=${cursor}`}`, {
    headers: { upgrade: "websocket", "sec-websocket-protocol": `chatcell.v1, ticket.${ticket}`, ...headers },
  });
}

type FrameOf<Type extends ServerFrame["type"]> = Extract<ServerFrame, { type: Type }>;

/** One socket that remembers all it got. */
export class TestSocket {
  readonly frames: ServerFrame[] = [];
  readonly texts: string[] = [];
  closed: { code: number; reason: string } | null = null;
  readonly #socket: WebSocket;
  #wakers: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", (event) => {
      const text = String(event.data);
      this.texts.push(text);
      const frame = text === "pong" ? null : (JSON.parse(text) as ServerFrame);
      // All before a mark has been processed: this client is never behind.
      if (frame?.type === "mark") socket.send(JSON.stringify({ type: "window", mark: frame.mark }));
      else if (frame) this.frames.push(frame);
      this.#wake();
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.closed = { code, reason };
      this.#wake();
    });
    socket.accept();
  }

  static async open(threadId: string, user: string, options: { cursor?: string; create?: boolean } = {}): Promise<TestSocket> {
    const { ticket } = await getTicket(threadId, user, options.create ? { create: true } : {});
    const response = await upgrade(threadId, ticket, options.cursor);
    return TestSocket.of(response);
  }

  /** The socket of an accepted upgrade, when it has got what its cursor lacked. */
  static async of(response: Response): Promise<TestSocket> {
    if (!response.webSocket) throw new Error(`upgrade: ${response.status} ${await response.text()}`);
    const socket = new TestSocket(response.webSocket);
    await socket.until(({ frames }) => frames.some(({ type }) => type === "snapshot" || type === "delta"));
    return socket;
  }

  of<Type extends ServerFrame["type"]>(type: Type): FrameOf<Type>[] {
    return this.frames.filter((frame): frame is FrameOf<Type> => frame.type === type);
  }

  /** Waits until something that this socket received makes `isTrue` true. */
  async until(isTrue: (socket: TestSocket) => boolean): Promise<void> {
    while (!isTrue(this)) await new Promise<void>((resolve) => this.#wakers.push(resolve));
  }

  async next<Type extends ServerFrame["type"]>(type: Type, count = 1): Promise<FrameOf<Type>> {
    await this.until(() => this.of(type).length >= count);
    return this.of(type)[count - 1]!;
  }

  sendText(text: string): void {
    this.#socket.send(text);
  }

  sendBinary(bytes: ArrayBuffer): void {
    this.#socket.send(bytes);
  }

  /** Sends a frame and returns what answers it. */
  async ask(frame: { id: string } & Record<string, unknown>): Promise<ServerFrame> {
    const isAnswer = (answer: ServerFrame): boolean => "ref" in answer && answer.ref === frame.id;
    const before = this.frames.filter(isAnswer).length;
    this.sendText(JSON.stringify(frame));
    await this.until(({ frames }) => frames.filter(isAnswer).length > before);
    return this.frames.filter(isAnswer)[before]!;
  }

  /** The epoch of the snapshot that this socket began with. */
  get epoch(): string {
    return this.of("snapshot")[0]!.session.epoch;
  }

  async send(text: string, ids = { id: newId(), messageId: newId() }): Promise<AckFrame> {
    const answer = await this.ask({ type: "send", ...ids, epoch: this.epoch, parts: [{ type: "text", text }] });
    if (answer.type !== "ack") throw new Error(`send: ${JSON.stringify(answer)}`);
    return answer;
  }

  close(): void {
    this.#socket.close(1000);
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }
}
