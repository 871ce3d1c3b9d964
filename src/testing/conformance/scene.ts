// What one case works with: a thread of its own, clients of the kind under test, and peers of the suite. Closes all of them.
import type { TicketRequest } from "../../protocol/frames.ts";
import { newId } from "../../protocol/ids.ts";
import { equal, holds, until, within } from "./check.ts";
import { bearerOf, Peer, ticketOf } from "./peer.ts";
import type { Capability, ClientAdapter, ClientUnderTest, ClientView, ConformanceServer, MessageView } from "./types.ts";
import { Wire } from "./wire.ts";

/** One check, before it is known what it is run on. */
export interface CaseScript {
  side: "client" | "server";
  name: string;
  needs?: readonly Capability[];
  run: (scene: Scene) => Promise<void>;
}

/** Scripts of one side. */
export function scriptsOf(side: CaseScript["side"], scripts: readonly Omit<CaseScript, "side">[]): CaseScript[] {
  return scripts.map((script) => ({ ...script, side }));
}

export class Scene {
  readonly threadId = newId();
  readonly server: ConformanceServer;
  readonly timeoutMs: number;
  /** Asks for an answer that takes its time. */
  readonly slow: string;
  readonly slowAnswer: string;
  readonly #adapter: ClientAdapter;
  readonly #opened: { close(): void | Promise<void> }[] = [];

  /** @param slowTo what a slow answer counts to */
  constructor(server: ConformanceServer, adapter: ClientAdapter, timeoutMs: number, slowTo: number) {
    this.server = server;
    this.#adapter = adapter;
    this.timeoutMs = timeoutMs;
    this.slow = `count to ${slowTo} at 45 words per second`;
    this.slowAnswer = countTo(slowTo);
  }

  /** A client of the owner; the first one makes the thread. */
  async client({ create = false, user = "alice" } = {}): Promise<Actor> {
    const wire = new Wire(this.server);
    const { headersOf = bearerOf, url } = this.server;
    const { fetch, WebSocket } = wire.link;
    const setup = { url, threadId: this.threadId, create, headers: headersOf(user), fetch, WebSocket };
    const client = await within(Promise.resolve(this.#adapter.open(setup)), "open", this.timeoutMs);
    const actor = new Actor(timed(client, this.timeoutMs), wire, this.timeoutMs);
    this.#opened.push(actor.client);
    return actor;
  }

  /** A client that has made the thread with `text`. */
  async start(text: string): Promise<Actor> {
    const actor = await this.client({ create: true });
    await actor.client.send(text);
    return actor;
  }

  /** A peer that has the view. */
  async peer({ user = "alice", cursor, ...wish }: { user?: string; cursor?: string } & TicketRequest = {}): Promise<Peer> {
    const { ticket } = await ticketOf(this.server, user, this.threadId, wish);
    return this.socket(ticket, cursor).synced();
  }

  /** A socket with a ticket, whatever comes of it. */
  socket(ticket: string, cursor?: string): Peer {
    const peer = new Peer({ server: this.server, threadId: this.threadId, ticket, cursor, timeoutMs: this.timeoutMs });
    this.#opened.push(peer);
    return peer;
  }

  /** The messages as a fresh load gets them. */
  async stored(): Promise<MessageView[]> {
    const peer = await this.peer();
    peer.close();
    return peer.of("snapshot")[0]!.messages.map(({ id, role, parts }) => ({ id, role, parts }));
  }

  /** The client shows what a fresh load shows. */
  async showsStored(actor: Actor): Promise<void> {
    await actor.idle();
    const stored = await this.stored();
    await actor.until(({ messages }) => messages.length === stored.length, `the client shows ${stored.length} messages`);
    equal(actor.view.messages.map(plain), stored, "What the client shows");
  }

  async close(): Promise<void> {
    for (const one of this.#opened) await one.close();
  }
}

/** The client, whose commands fail when they are not answered. */
function timed(client: ClientUnderTest, timeoutMs: number): ClientUnderTest {
  const members = Object.entries(client).map(([name, member]) => {
    if (name === "view" || name === "close" || typeof member !== "function") return [name, member] as const;
    const command = member as (...given: unknown[]) => Promise<unknown>;
    return [name, (...given: unknown[]) => within(Promise.resolve(command(...given)), name, timeoutMs)] as const;
  });
  return { ...(Object.fromEntries(members) as unknown as ClientUnderTest), view: () => client.view(), close: () => client.close() };
}

const plain = ({ id, role, parts }: MessageView): MessageView => ({ id, role, parts });

/** A client under test, with its wire and words to wait for it. */
export class Actor {
  readonly client: ClientUnderTest;
  readonly wire: Wire;
  readonly #timeoutMs: number;

  constructor(client: ClientUnderTest, wire: Wire, timeoutMs: number) {
    this.client = client;
    this.wire = wire;
    this.#timeoutMs = timeoutMs;
  }

  get view(): ClientView {
    return this.client.view();
  }

  /** What was said, as `role: text`. */
  get said(): string[] {
    return this.view.messages.map((message) => `${message.role}: ${textOf(message)}`);
  }

  /** Text of the last message when it is a reply, else empty. */
  get reply(): string {
    const last = this.view.messages.at(-1);
    return last?.role === "assistant" ? textOf(last) : "";
  }

  until(is: (view: ClientView) => boolean, what: string): Promise<ClientView> {
    return until(() => this.view, is, what, this.#timeoutMs);
  }

  live(): Promise<ClientView> {
    return this.until(({ connection }) => connection === "live", "the client is live");
  }

  /** Waits until nothing is under way. */
  idle(): Promise<ClientView> {
    const isIdle = ({ connection, status, queue }: ClientView): boolean =>
      connection === "live" && (status === "ready" || status === "failed") && queue.length === 0;
    return this.until(isIdle, "the client is idle");
  }

  /** Waits until the reply has more than so many characters. */
  replyBeyond(length: number): Promise<ClientView> {
    return this.until(() => this.reply.length > length, `the reply has more than ${length} characters`);
  }

  /** A command that the client has, by its capabilities. */
  can<Name extends keyof ClientUnderTest>(name: Name): NonNullable<ClientUnderTest[Name]> {
    const method = this.client[name];
    holds(method, `a client that says that it can do so has \`${name}\``);
    return method;
  }
}

export function textOf({ parts }: Pick<MessageView, "parts">): string {
  return (parts as { type: string; text?: string }[]).map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** Asks for an answer that ends when it is stopped. */
export const ENDLESS = "count to 4000 at 45 words per second";

/** The answer of the demo model to `count to <n>`. */
export function countTo(n: number): string {
  return Array.from({ length: n }, (_, index) => index + 1).join(" ");
}

/** A part of the last message that is a tool call in `state`. */
export function callOf(messages: readonly { parts: readonly unknown[] }[], state: string): ToolCall | undefined {
  const parts = (messages.at(-1)?.parts ?? []) as readonly ToolCall[];
  return parts.find((part) => part.toolCallId !== undefined && part.state === state);
}

export interface ToolCall {
  type: string;
  toolCallId: string;
  state: string;
  input?: unknown;
  output?: unknown;
  approval?: { id: string; approved?: boolean };
}
