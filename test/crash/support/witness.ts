// One thread, its real client, and everything that the client was ever told: what may never be taken back.
import { createChatClient, type ChatClient, type ChatSnapshot, type Sending } from "../../../src/entries/client.ts";
import {
  emptyLive,
  foldChunks,
  newId,
  PING,
  PONG,
  type AckFrame,
  type Command,
  type LiveState,
  type Message,
  type Part,
  type SendCommand,
  type ServerFrame,
  type TurnEnd,
  type TurnView,
} from "../../../src/entries/protocol.ts";
import { createLink, type Link } from "../../../src/entries/testing.ts";
import { formatErrand, formatScore, isErrand, type Errand, type Score } from "../score.ts";
import type { Random } from "./random.ts";
import { Bell } from "./until.ts";

/** A message that was handed to the client. Known by its text: ids are the client's. */
export interface Sent {
  score: Score | Errand;
  text: string;
  sending: Sending;
}

export interface WitnessOptions {
  url: string;
  user: string;
  threadId?: string;
  create?: boolean;
  random: Random;
}

export class Witness {
  readonly threadId: string;
  readonly user: string;
  readonly url: string;
  readonly client: ChatClient;
  readonly link: Link;
  readonly sent: Sent[] = [];
  /** Commands that left the client, by id, as they left it. */
  readonly commands = new Map<string, Command>();
  readonly acks = new Map<string, AckFrame>();
  /** Commands that were refused, by id, with the code. */
  readonly refusals = new Map<string, string>();
  /** Settled messages by id, as they were last shown. */
  readonly messages = new Map<string, Message>();
  /** The live message of each turn, folded from what came. */
  readonly lives = new Map<string, LiveState>();
  readonly ends = new Map<string, TurnEnd>();
  /** Runs of `onTurn`, as `<turn id>.<attempt>`. */
  readonly runs = new Set<string>();
  /** What the wire itself did wrong. */
  readonly problems: string[] = [];
  readonly frames: string[] = [];
  readonly #bell = new Bell();
  readonly #chunks = new Map<string, string>();
  readonly #attempts = new Map<string, number>();
  #leave: () => void;

  constructor({ url, user, threadId = newId(), create = false, random }: WitnessOptions) {
    this.threadId = threadId;
    this.user = user;
    this.url = url;
    this.link = createLink({
      fetch: (input, init) => this.#fetch(input instanceof Request ? input.url : String(input), init),
      onFrame: (direction, text) => this.#see(direction, text),
    });
    this.client = createChatClient({
      url: `${url}/chat`,
      threadId,
      create,
      headers: { authorization: `Bearer ${user}` },
      fetch: this.link.fetch,
      WebSocket: this.link.WebSocket,
      // A server that is down for 0.1 s is not worth a wait of a second.
      deps: { random: () => random.next() * 0.1 },
    });
    this.#leave = create ? () => {} : this.client.subscribe(() => this.#bell.ring());
  }

  send(score: Score | Errand): Sent {
    const text = isErrand(score) ? formatErrand(score) : formatScore(score);
    const sending = this.client.send(text);
    // Each test looks at the promises that it means; the others may break when the client is closed.
    sending.catch(() => {});
    if (this.sent.push({ score, text, sending }) === 1) {
      this.#leave();
      this.#leave = this.client.subscribe(() => this.#bell.ring());
    }
    return this.sent.at(-1)!;
  }

  /** Resolves when what this client was told, or its view, makes `isTrue` true. */
  until(isTrue: (snapshot: ChatSnapshot) => boolean, what: string, deadlineMs?: number): Promise<void> {
    return this.#bell.until(
      () => isTrue(this.client.getSnapshot()),
      () => `${what}\n${this.describe()}`,
      deadlineMs,
    );
  }

  /** Resolves when the client is connected and nothing runs or waits any more. */
  settled(): Promise<void> {
    return this.until(
      ({ connection, status, queue, messages }) =>
        connection.kind === "live" &&
        (status === "ready" || status === "error") &&
        queue.length === 0 &&
        this.sent.every(({ text }) => messages.some((message) => textOf(message) === text)),
      "the client is live and idle",
    );
  }

  /** The turn that answers a message, once the message has left the client. */
  turnOf(sent: Sent): string | undefined {
    return [...this.commands.values()].find((command) => command.type === "send" && textOf(command) === sent.text)?.id;
  }

  isAcked(sent: Sent): boolean {
    return this.acks.has(this.turnOf(sent) ?? "");
  }

  /** Text of the answer, as far as it was shown. */
  shown(sent: Sent): string {
    return textOf({ parts: this.shownParts(sent) });
  }

  /** The parts of the answer, as far as they were shown. */
  shownParts(sent: Sent): readonly Part[] {
    const turnId = this.turnOf(sent) ?? "";
    return (this.messages.get(turnId) ?? this.lives.get(turnId)?.message)?.parts ?? [];
  }

  /** Whether its end was told, by whichever frame. */
  hasEnded(sent: Sent): boolean {
    const turnId = this.turnOf(sent) ?? "";
    return this.ends.has(turnId) || this.messages.has(turnId);
  }

  close(): void {
    this.#leave();
    this.client.close();
  }

  describe(): string {
    const { connection, status, queue, messages, error } = this.client.getSnapshot();
    const view = {
      connection,
      status,
      error,
      queue,
      messages: messages.map(({ id, role, facts, parts }) => ({ id, role, facts, parts: parts.length })),
    };
    return `thread ${this.threadId}\nview ${JSON.stringify(view)}\nlast frames:\n${this.frames
      .slice(-12)
      .map((frame) => frame.slice(0, 600))
      .join("\n")}`;
  }

  async #fetch(url: string, init?: RequestInit): Promise<Response> {
    const { command } = JSON.parse((init?.body ?? "{}") as string) as { command?: SendCommand };
    if (command) this.#noteCommand(command);
    const response = await fetch(url, init);
    const text = await response.text();
    this.frames.push(`${response.status} ${text}`);
    const { ack } = JSON.parse(text) as { ack?: AckFrame };
    if (ack) this.#noteAck(ack);
    this.#bell.ring();
    return new Response(text, { status: response.status, headers: response.headers });
  }

  #see(direction: "up" | "down", text: string): void {
    this.frames.push(`${direction === "up" ? "→" : "←"} ${text}`);
    if (text === PING || text === PONG) return;
    const frame = JSON.parse(text) as ServerFrame | Command;
    if (direction === "down") this.#note(frame as ServerFrame);
    else if ("epoch" in frame) this.#noteCommand(frame);
    // The client takes the frame after this; whoever waits is to see both.
    queueMicrotask(() => this.#bell.ring());
  }

  #note(frame: ServerFrame): void {
    switch (frame.type) {
      case "snapshot":
      case "delta":
        for (const message of frame.messages ?? []) this.messages.set(message.id, message);
        if (frame.turn) this.#noteLive(frame.turn, frame.live);
        break;
      case "chunks":
        this.#noteChunks(frame.turnId, frame.from, frame.items);
        break;
      case "turn":
        this.ends.set(frame.ended.turnId, frame.ended);
        break;
      case "ack":
        this.#noteAck(frame);
        break;
      case "error":
        if (frame.ref !== undefined) this.refusals.set(frame.ref, frame.code);
        break;
      case "event":
        this.#noteRun(frame.data as { turnId: string; attempt: number });
        break;
    }
  }

  #noteRun({ turnId, attempt }: { turnId: string; attempt: number }): void {
    const run = `${turnId}.${attempt}`;
    if (this.runs.has(run)) this.problems.push(`attempt ${attempt} of turn ${turnId} was run twice`);
    this.runs.add(run);
  }

  #noteCommand(command: Command): void {
    this.commands.set(command.id, command);
  }

  #noteAck(ack: AckFrame): void {
    const known = this.acks.get(ack.ref);
    if (
      known &&
      (known.rev !== ack.rev || known.result?.turnId !== ack.result?.turnId || known.result?.position !== ack.result?.position)
    ) {
      this.problems.push(`the ack ${JSON.stringify(known)} became ${JSON.stringify(ack)}`);
    }
    this.acks.set(ack.ref, known ?? ack);
  }

  /** Only another run may have taken text back, and then by a chunk: seq grows all the same. */
  #noteLive({ id: turnId, attempt }: TurnView, live: LiveState | undefined): void {
    const isSameRun = this.#attempts.get(turnId) === attempt;
    this.#attempts.set(turnId, attempt);
    if (!live) return;
    const known = this.lives.get(turnId);
    if (known && (live.seq < known.seq || (isSameRun && !textOf(live.message).startsWith(textOf(known.message))))) {
      this.problems.push(`the live message of ${turnId} went back from ${JSON.stringify(known)} to ${JSON.stringify(live)}`);
    }
    this.lives.set(turnId, live);
  }

  #noteChunks(turnId: string, from: number, items: readonly LiveState["message"]["parts"][number][] | readonly object[]): void {
    let live = this.lives.get(turnId) ?? emptyLive(turnId);
    for (const [index, item] of items.entries()) {
      const seq = from + index;
      const key = `${turnId}.${seq}`;
      const text = JSON.stringify(item);
      const known = this.#chunks.get(key);
      if (known !== undefined && known !== text) this.problems.push(`chunk ${key} was ${known} and is now ${text}`);
      this.#chunks.set(key, text);
      if (seq > live.seq + 1) this.problems.push(`chunk ${key} came after seq ${live.seq}`);
      else if (seq === live.seq + 1) live = foldChunks(live, [item as never]);
    }
    this.lives.set(turnId, live);
  }
}

/** The text of a message, all its text parts together. */
export function textOf({ parts }: { parts: readonly Part[] }): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}
