// Somebody who sends commands again that were sent before, over sockets of their own and without a client's care.
import type { ErrorBody } from "../../src/errors.ts";
import { checkFrame } from "../../src/protocol/client-frames.ts";
import type { AckFrame, Command, ErrorFrame, ServerFrame } from "../../src/protocol/frames.ts";
import { PROTOCOL, TICKET_PROTOCOL_PREFIX } from "../../src/protocol/limits.ts";
import type { VirtualBrowser } from "../../src/testing/world/virtual-network.ts";
import { isCommand } from "./frame-watch.ts";
import { THREAD_ID, URL, type SimulatedThread } from "./simulated-thread.ts";

/** A command as it came, and whose it was. */
export interface Noted {
  text: string;
  command: Command;
  user: string;
  browser: VirtualBrowser;
}

interface Answer {
  ticket?: string;
  ack?: AckFrame;
  error?: ErrorBody;
}

/** What a repeat may be answered beside its ack: it says nothing about the command. */
const PASSING = new Set(["internal", "rate_limited"]);

export class Repeater {
  readonly #thread: SimulatedThread;
  /** Commands that arrived, by id. */
  readonly noted = new Map<string, Noted>();
  readonly sockets: WebSocket[] = [];
  #era = 0;
  /** Commands that a forged one bears the id of. */
  readonly #forged = new Set<string>();
  /** Commands whose repeat was acked. */
  readonly acked = new Set<string>();

  constructor(thread: SimulatedThread) {
    this.#thread = thread;
  }

  /** What is under way is given up: nothing of it is sent from here on. */
  stop(): void {
    this.#era++;
    for (const socket of this.sockets) socket.close();
  }

  /** Notes a frame of a page if it is a command. */
  note(text: string, user: string, browser: VirtualBrowser): void {
    const parsed = checkFrame(JSON.parse(text));
    if ("frame" in parsed && isCommand(parsed.frame)) {
      // Only the first counts: a forged one bears an id that is known.
      if (!this.noted.has(parsed.frame.id)) this.noted.set(parsed.frame.id, { text, command: parsed.frame, user, browser });
    }
  }

  /** Commands that the thread has accepted. */
  get accepted(): Noted[] {
    return [...this.noted.values()].filter(({ command }) => this.#thread.commits.commands.has(command.id));
  }

  /** Sends frames over a new socket of a user, as soon as it is open. */
  send(noted: readonly Noted[], cursor = ""): void {
    const [first] = noted;
    if (!first) return;
    this.#open(first, cursor, (socket) => {
      for (const { text } of noted) socket.send(text);
    });
  }

  /** Sends a command over HTTP, where the answer is its ack or the error. */
  post({ text, command, user, browser }: Noted): void {
    void this.#post(user, browser, text, "commands").then((answer) => {
      if (answer?.ack) this.#lookAtAck(answer.ack);
      if (answer?.error) this.#lookAtError({ type: "error", ref: command.id, ...answer.error }, false);
    });
  }

  /** Sends a command of somebody over HTTP. */
  command(command: object, user: string, browser: VirtualBrowser): void {
    const text = JSON.stringify(command);
    this.note(text, user, browser);
    void this.#post(user, browser, text, "commands");
  }

  /** Another text under the id of a command that was accepted: must be refused. */
  forge({ command, user, browser }: Noted): void {
    const forged = {
      ...command,
      ...("parts" in command ? { parts: [{ type: "text", text: "forged" }] } : {}),
      ...("turnId" in command ? { turnId: "another-turn" } : "messageId" in command ? { messageId: "another-message" } : {}),
      ...("value" in command ? { field: "title", value: "forged" } : {}),
    };
    this.#forged.add(command.id);
    this.#open({ user, browser }, "", (socket) => socket.send(JSON.stringify(forged)), true);
  }

  /** The ticket request of a first message, once more. */
  repeatTicket(body: string, user: string, browser: VirtualBrowser): void {
    void this.#post(user, browser, body).then((answer) => {
      const { command } = JSON.parse(body) as { command: Command };
      if (answer && this.#thread.commits.commands.has(command.id) && answer.ticket) {
        if (!answer.ack) this.#thread.findings.say("repeat", `the ticket request of ${command.id} got no ack`);
        else this.#lookAtAck(answer.ack);
      }
    });
  }

  #open(who: Pick<Noted, "user" | "browser">, cursor: string, onOpen: (socket: WebSocket) => void, isForged = false): void {
    const era = this.#era;
    void this.#post(who.user, who.browser, "{}").then((answer) => {
      if (!answer?.ticket || era !== this.#era) return;
      const address = `${URL.replace("http", "ws")}/threads/${THREAD_ID}/socket?cursor=${cursor}`;
      const socket = new who.browser.WebSocket(address, [PROTOCOL, TICKET_PROTOCOL_PREFIX + answer.ticket]);
      this.sockets.push(socket);
      socket.addEventListener("open", () => era === this.#era && onOpen(socket));
      socket.addEventListener("message", ({ data }) => this.#lookAt(JSON.parse(String(data)) as ServerFrame, isForged));
    });
  }

  async #post(user: string, browser: VirtualBrowser, body: string, route = "ticket"): Promise<Answer | null> {
    const headers = {
      "content-type": "application/json",
      ...(this.#thread.schedule.people === "anonymous" ? {} : { authorization: `Bearer ${user}` }),
    };
    try {
      const response = await browser.fetch(`${URL}/threads/${THREAD_ID}/${route}`, { method: "POST", headers, body });
      return JSON.parse(await response.text()) as Answer;
    } catch {
      return null; // The network lost it.
    }
  }

  #lookAt(frame: ServerFrame, isForged: boolean): void {
    if (frame.type === "ack") {
      // The person at a page may use this socket as well.
      if (isForged && this.#forged.has(frame.ref)) this.#thread.findings.say("forged", `a forged command got ${JSON.stringify(frame)}`);
      this.#lookAtAck(frame);
    }
    if (frame.type === "error") this.#lookAtError(frame, isForged);
  }

  #lookAtAck({ ref, rev }: AckFrame): void {
    this.acked.add(ref);
    const known = this.#thread.commits.commands.get(ref);
    if (known?.rev !== rev) this.#thread.findings.say("repeat", `${ref} was acked with rev ${rev}, stored is ${known?.rev}`);
  }

  #lookAtError({ ref = "", code }: ErrorFrame, isForged: boolean): void {
    if (PASSING.has(code) || isForged || !this.noted.has(ref)) return;
    // It may have been accepted after this was sent; then its code would be another one.
    if (this.#thread.commits.commands.has(ref)) this.#thread.findings.say("repeat", `a repeat of ${ref} was refused with ${code}`);
  }
}
