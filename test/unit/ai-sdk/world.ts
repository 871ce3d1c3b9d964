// Threads of the real session behind the real router, on virtual time, for stock `useChat` in a page: a test plays the model of
// each run. No assertions.
import type { UIMessage } from "ai";
import { bearer } from "../../../src/auth/bearer.ts";
import { createChatTransport } from "../../../src/ai-sdk/create-chat-transport.ts";
import type { ChatTransport, ChatTransportOptions } from "../../../src/ai-sdk/types.ts";
import { createChatClient } from "../../../src/client/chat-client.ts";
import type { ChatClient } from "../../../src/client/types.ts";
import type { Chunk } from "../../../src/protocol/messages.ts";
import type { SessionHooks } from "../../../src/session/hooks.ts";
import { DEFAULT_RECOVERY } from "../../../src/session/recovery.ts";
import type { Turn } from "../../../src/session/turn-context.ts";
import { DEFAULT_FLUSH } from "../../../src/stream/flush-policy.ts";
import { VirtualClock } from "../../../src/testing/world/virtual-clock.ts";
import { type VirtualBrowser, VirtualNetwork } from "../../../src/testing/world/virtual-network.ts";
import { VirtualObject } from "../../../src/testing/world/virtual-object.ts";
import { ChatError } from "../../../src/errors.ts";

export const URL_OF_CHAT = "https://chat.example/chat";
const CLIENT_TOOLS = ["pickDate"];

export type Transport = ChatTransport<UIMessage>;

/** One run of `onTurn`: the test is its model. */
export interface Play {
  turn: Turn;
  say: (...chunks: Chunk[]) => void;
  /** A whole text part, in one step. */
  text: (text: string) => void;
  end: () => void;
  fail: (error: unknown) => void;
}

export class World {
  readonly clock = new VirtualClock(1_790_000_000_000);
  readonly objects = new Map<string, VirtualObject>();
  readonly plays: Play[] = [];
  readonly reported: unknown[] = [];
  readonly network: VirtualNetwork;
  /** Addresses of the requests, in order. */
  readonly requests: string[] = [];
  /** Frames that clients sent. */
  readonly frames: { type: string }[] = [];
  #ids = 0;
  readonly #owned: { close: () => void }[] = [];

  constructor() {
    this.network = new VirtualNetwork({
      clock: this.clock,
      latencyMs: () => 1,
      loss: () => "none",
      router: { secret: "a secret of a test, which has 32 bytes", authenticate: bearer((token) => ({ id: token })) },
      deps: { now: this.clock.now, newId: this.newId },
      object: (name) => this.of(name),
      onClientFrame: (_, data) => void (data.startsWith("{") && this.frames.push(JSON.parse(data) as { type: string })),
      onRequest: (path) => void this.requests.push(path),
    });
  }

  readonly newId = (): string => `made-id-${String(++this.#ids).padStart(4, "0")}`;

  of(name: string): VirtualObject {
    const object = this.objects.get(name) ?? this.#makeObject();
    this.objects.set(name, object);
    return object;
  }

  #makeObject(): VirtualObject {
    return new VirtualObject({
      clock: this.clock,
      newId: this.newId,
      random: () => 0.5,
      hooks: () => this.#hooks(),
      flush: DEFAULT_FLUSH,
      recovery: DEFAULT_RECOVERY,
      tools: { timeoutMs: 300_000, approvalExpiresMs: null, isStrict: true },
      busy: "queue",
      probe: { beforeStatement: () => {}, beforeCommit: () => {}, afterCommit: () => {} },
      report: (error) => void this.reported.push(error),
      onSend: () => {},
      wreck: () => ({ isFlushed: true, clientAfterMs: 10 }),
    });
  }

  #hooks(): SessionHooks {
    return {
      onTurn: (turn) =>
        new ReadableStream<Chunk>({
          start: (controller) => {
            const say = (...chunks: Chunk[]) => chunks.forEach((chunk) => controller.enqueue(chunk));
            this.plays.push({
              turn,
              say,
              text: (text) =>
                say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: text }, { type: "text-end", id: "t" }),
              end: () => controller.close(),
              fail: (error) => controller.error(error),
            });
          },
        }),
      onConnect: () => {},
      onDisconnect: () => {},
      authorize: () => true,
      authorizeCreate: () => true,
      authorizeThread: () => "member",
      parseBody: (value) => value,
      parseState: undefined,
      isClientTool: (name) => CLIENT_TOOLS.includes(name),
      parseToolOutput: (_name, output) => {
        if (output === "refused") throw new ChatError("bad_request", "That is no date.");
        return output;
      },
      errorText: () => "The model is tired.",
    };
  }

  get play(): Play {
    return this.plays.at(-1)!;
  }

  /** The options of one browser's transport or clients. */
  options(browser: VirtualBrowser = this.network.browser(), user = "me"): ChatTransportOptions {
    const fetch = (url: unknown, init: RequestInit = {}) =>
      // A real request has no body when it reads.
      init.method === "POST" ? browser.fetch(url as string, init) : this.#get(url as string, init);
    return {
      url: URL_OF_CHAT,
      headers: { authorization: `Bearer ${user}` },
      fetch,
      WebSocket: browser.WebSocket,
      pacing: false,
      deps: {
        now: this.clock.now,
        random: () => 0.5,
        newId: this.newId,
        setTimer: (run, delayMs) => this.clock.setTimer(delayMs, run),
        schedule: queueMicrotask,
      },
    };
  }

  async #get(url: string, init: RequestInit): Promise<Response> {
    this.requests.push(new URL(url).pathname);
    return (await this.network.request(new Request(url, { headers: init.headers ?? {} }))) ?? new Response(null, { status: 404 });
  }

  /** A transport of a page of its own; closed at the end. */
  transport(more: Partial<ChatTransportOptions> = {}): Transport {
    const transport = createChatTransport<UIMessage>({ ...this.options(), ...more });
    // The id of a chat stands in the addresses that it asks.
    this.#owned.push({ close: () => this.requests.forEach((path) => transport.close(path.split("/")[3])) });
    return transport;
  }

  /** Somebody else's page. */
  client(threadId: string, create = false): ChatClient {
    const client = createChatClient({ ...this.options(undefined, "other"), threadId, create });
    this.#owned.push(client);
    return client;
  }

  /** Everything that comes within `ms`. */
  async pass(ms = 1_000): Promise<void> {
    await this.clock.advance(ms);
  }

  /** A thread with finished turns, each with a question and an answer. Its owner is `me`. */
  async fill(threadId: string, ...questions: string[]): Promise<void> {
    const client = createChatClient({ ...this.options(), threadId, create: true });
    for (const text of questions) {
      void client.send(text);
      await this.pass();
      this.play.text(`Re: ${text}`);
      this.play.end();
      await this.pass();
    }
    client.close();
    await this.pass();
  }

  async close(): Promise<void> {
    for (const { close } of this.#owned) close();
    await this.pass();
  }
}

/** The texts of some messages, each behind the first letter of its role; of calls their name and state. */
export function textsOf(messages: readonly { role: string; parts: readonly { type: string }[] }[]): string[] {
  const text = (part: { type: string; text?: string; state?: string }) =>
    part.text ?? (part.type.startsWith("tool-") ? `[${part.type.slice(5)} ${part.state}]` : "");
  return messages.map(({ role, parts }) => `${role[0]}: ${parts.map(text).join("")}`);
}

/** What the server adds to a request for approval. It comes back with the answer of a stock page, and is not the page's to say. */
const LIMITED = { expiresAt: 9_000_000_000_000 };

/** A step with one call that needs approval. */
export const ASKS: Chunk[] = [
  { type: "start-step" },
  { type: "text-start", id: "t" },
  { type: "text-delta", id: "t", delta: "May I?" },
  { type: "text-end", id: "t" },
  { type: "tool-input-available", toolCallId: "call-1", toolName: "pay", input: { euros: 5 } },
  { type: "tool-approval-request", approvalId: "approval-1", toolCallId: "call-1", ...LIMITED },
  { type: "finish-step" },
];

/** A step with one call of a client tool. */
export const PICKS: Chunk[] = [
  { type: "start-step" },
  { type: "tool-input-available", toolCallId: "call-1", toolName: "pickDate", input: {} },
  { type: "finish-step" },
];
