// A client without any logic, for what the real one never does: repeating a command that was answered, or not waiting.
import type {
  AckFrame,
  Command,
  ErrorBody,
  ErrorFrame,
  Message,
  ServerFrame,
  SnapshotFrame,
  TicketRequest,
  TicketResponse,
} from "../../../src/entries/protocol.ts";
import { Bell } from "./until.ts";

export interface Place {
  url: string;
  threadId: string;
  user: string;
}

/** What a command is answered. */
export type Answer = AckFrame | ErrorFrame;

/** A command as it is made, before a road gives it the epoch of the moment. */
export type BareCommand = Command extends infer Each ? (Each extends Command ? Omit<Each, "epoch"> : never) : never;

async function request({ url, threadId, user }: Place, what: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${url}/chat/threads/${threadId}/${what}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${user}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status >= 500) throw new Error(`${what}: ${response.status} ${await response.text()}`);
  return response.json();
}

export async function askTicket(place: Place, body: TicketRequest = {}): Promise<TicketResponse> {
  const answer = (await request(place, "ticket", body)) as TicketResponse | { error: ErrorBody };
  if ("error" in answer) throw new Error(`ticket: ${JSON.stringify(answer)}`);
  return answer;
}

/** One command by HTTP. The frame, its epoch included, is the caller's. */
export async function postCommand(place: Place, command: Command): Promise<Answer> {
  const answer = (await request(place, "commands", command)) as { ack: AckFrame } | { error: ErrorBody };
  return "ack" in answer ? answer.ack : { type: "error", ref: command.id, ...answer.error };
}

/** Settled history, by HTTP: whoever asks needs no socket. */
export async function readMessages(place: Place): Promise<Message[]> {
  return ((await request(place, "messages")) as { messages: Message[] }).messages;
}

/** A socket, and all frames that came over it. */
export class RawSocket {
  readonly frames: ServerFrame[] = [];
  readonly #socket: WebSocket;
  readonly #bell = new Bell();
  #closed: string | null = null;

  /** Resolves with the first snapshot. */
  static async open(place: Place): Promise<RawSocket> {
    const { ticket } = await askTicket(place);
    const address = `${place.url.replace("http", "ws")}/chat/threads/${place.threadId}/socket`;
    const raw = new RawSocket(new WebSocket(address, ["chatcell.v1", `ticket.${ticket}`]));
    await raw.until(() => raw.frames.some(({ type }) => type === "snapshot"), "the snapshot");
    return raw;
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("close", ({ code }) => {
      this.#closed = `closed with ${code}`;
      this.#bell.ring();
    });
    socket.addEventListener("message", ({ data }) => {
      this.frames.push(JSON.parse(String(data)) as ServerFrame);
      this.#bell.ring();
    });
  }

  /** As it was when the socket opened. */
  get snapshot(): SnapshotFrame {
    return this.frames.find((frame) => frame.type === "snapshot")!;
  }

  get epoch(): string {
    return this.snapshot.session.epoch;
  }

  /** Sends a command and waits for nothing. */
  send(command: BareCommand): void {
    this.#socket.send(JSON.stringify({ ...command, epoch: this.epoch }));
  }

  /** What a command was answered, if it was. */
  answerTo({ id }: { id: string }): Answer | undefined {
    return this.frames.find((frame): frame is Answer => (frame.type === "ack" || frame.type === "error") && frame.ref === id);
  }

  async ask(command: BareCommand): Promise<Answer> {
    this.send(command);
    await this.until(() => this.answerTo(command) !== undefined, `the answer to ${JSON.stringify(command)}`);
    return this.answerTo(command)!;
  }

  until(isTrue: () => boolean, what: string, deadlineMs?: number): Promise<void> {
    const describe = (): string =>
      `${what}\nlast frames:\n${this.frames
        .slice(-8)
        .map((frame) => JSON.stringify(frame))
        .join("\n")}`;
    return this.#bell.until(
      () => {
        if (isTrue()) return true;
        if (this.#closed !== null) throw new Error(`The socket was ${this.#closed}, waiting for ${describe()}`);
        return false;
      },
      describe,
      deadlineMs,
    );
  }

  close(): void {
    this.#socket.close();
  }
}

/** Sends commands over a socket of their own. What answers them comes in their order, with the epoch that they were given. */
export async function repeatOverSocket(place: Place, commands: readonly BareCommand[]): Promise<{ epoch: string; answers: Answer[] }> {
  const socket = await RawSocket.open(place);
  try {
    return { epoch: socket.epoch, answers: await Promise.all(commands.map((command) => socket.ask(command))) };
  } finally {
    socket.close();
  }
}
