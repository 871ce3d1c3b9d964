// The suite's own end of a socket: every frame in order, and not a rule of a client. What a server does is seen through it.
import type { AckFrame, ServerFrame, TicketRequest, TicketResponse } from "../../protocol/frames.ts";
import { newId } from "../../protocol/ids.ts";
import { PROTOCOL, TICKET_PROTOCOL_PREFIX } from "../../protocol/limits.ts";
import { holds, until } from "./check.ts";
import type { ConformanceServer } from "./types.ts";

type FrameOf<Type extends ServerFrame["type"]> = Extract<ServerFrame, { type: Type }>;

/** A request to the server as `user`. */
export async function ask(
  server: ConformanceServer,
  user: string | null,
  path: string,
  body?: object,
): Promise<{ status: number; body: unknown }> {
  const request = server.fetch ?? globalThis.fetch;
  const { headersOf = bearerOf } = server;
  const response = await request(`${server.url}${path}`, {
    method: body ? "POST" : "GET",
    headers: { "content-type": "application/json", ...(user === null ? {} : headersOf(user)) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: response.status, body: await response.json().catch(() => null) };
}

export const bearerOf = (user: string): Record<string, string> => ({ authorization: `Bearer ${user}` });

export async function ticketOf(
  server: ConformanceServer,
  user: string,
  threadId: string,
  wish: TicketRequest = {},
): Promise<TicketResponse> {
  const { status, body } = await ask(server, user, `/threads/${threadId}/ticket`, wish);
  holds(status === 200, `a ticket is given (status ${status}: ${JSON.stringify(body)})`);
  return body as TicketResponse;
}

export interface PeerOptions {
  server: ConformanceServer;
  threadId: string;
  ticket: string;
  cursor?: string | undefined;
  timeoutMs: number;
}

export class Peer {
  readonly frames: ServerFrame[] = [];
  readonly texts: string[] = [];
  closed: { code: number; reason: string } | null = null;
  readonly socket: WebSocket;
  readonly #timeoutMs: number;

  constructor({ server, threadId, ticket, cursor, timeoutMs }: PeerOptions) {
    this.#timeoutMs = timeoutMs;
    const Socket = server.WebSocket ?? globalThis.WebSocket;
    const query = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
    const url = `${server.url.replace(/^http/, "ws")}/threads/${threadId}/socket${query}`;
    this.socket = new Socket(url, [PROTOCOL, TICKET_PROTOCOL_PREFIX + ticket]);
    this.socket.addEventListener("message", ({ data }) => this.#take(String(data)));
    this.socket.addEventListener("close", ({ code, reason }) => (this.closed = { code, reason }));
    this.socket.addEventListener("error", () => {}); // A `close` follows.
  }

  of<Type extends ServerFrame["type"]>(type: Type): FrameOf<Type>[] {
    return this.frames.filter((frame): frame is FrameOf<Type> => frame.type === type);
  }

  /** Waits for something that came over this socket. */
  async until(is: (peer: Peer) => boolean, what: string): Promise<this> {
    await until(
      () => this.frames.at(-1) ?? null,
      () => is(this) || this.closed !== null,
      what,
      this.#timeoutMs,
    );
    holds(is(this), `${what} (the socket closed with ${this.closed?.code} ${this.closed?.reason})`);
    return this;
  }

  /** Waits for the view that a connection begins with. */
  synced(): Promise<this> {
    return this.until(({ frames }) => frames.some(({ type }) => type === "snapshot" || type === "delta"), "the server sends the view");
  }

  sendText(text: string): void {
    this.socket.send(text);
  }

  /** Sends a frame, and gives what answers it. */
  async ask(frame: { id: string; [field: string]: unknown }): Promise<ServerFrame> {
    const answers = (): ServerFrame[] => this.frames.filter((answer) => "ref" in answer && answer.ref === frame.id);
    const before = answers().length;
    this.sendText(JSON.stringify(frame));
    await this.until(() => answers().length > before, `the server answers ${String(frame.type)}`);
    return answers()[before]!;
  }

  /** A command with a new id, in the present epoch. @throws {Error} when it is refused */
  async command(type: string, fields: object = {}): Promise<AckFrame> {
    const answer = await this.ask({ type, id: newId(), epoch: this.epoch, ...fields });
    holds(answer.type === "ack", `${type} is acked (and not ${JSON.stringify(answer)})`);
    return answer;
  }

  send(text: string): Promise<AckFrame> {
    return this.command("send", { messageId: newId(), parts: [{ type: "text", text }] });
  }

  /** The turn that runs or waits, as the last frame that says so has it. */
  get turn(): { id: string; state: string } | null {
    const last = this.frames.findLast((frame) => "turn" in frame);
    return last && "turn" in last ? last.turn : null;
  }

  get epoch(): string {
    const snapshot = this.of("snapshot")[0];
    holds(snapshot, "the server has sent a snapshot");
    return snapshot.session.epoch;
  }

  /** The revision that this end has come to. */
  get rev(): number {
    return this.frames.reduce(
      (rev, frame) => (frame.type === "snapshot" ? frame.session.rev : frame.type === "delta" || frame.type === "turn" ? frame.to : rev),
      0,
    );
  }

  close(): void {
    this.socket.close(1000);
  }

  #take(text: string): void {
    this.texts.push(text);
    if (!text.startsWith("{")) return;
    const frame = JSON.parse(text) as ServerFrame;
    this.frames.push(frame);
    if (frame.type === "mark") this.sendText(JSON.stringify({ type: "window", mark: frame.mark }));
  }
}
