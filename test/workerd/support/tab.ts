// A tab: the real client over a link to the Worker under test, without real waiting. No assertions.
import { createChatClient } from "../../../src/client/chat-client.ts";
import { runClientTools } from "../../../src/client/client-tools.ts";
import type { ChatClient, ChatMessage, ChatSnapshot, ClientTools } from "../../../src/client/types.ts";
import type { ServerFrame } from "../../../src/protocol/frames.ts";
import { newId } from "../../../src/protocol/ids.ts";
import { getTicket, ORIGIN } from "./client.ts";
import { Link } from "./tab-link.ts";

type FrameOf<Type extends ServerFrame["type"]> = Extract<ServerFrame, { type: Type }> & { socket: number };

export interface TabOptions {
  user?: string;
  create?: boolean;
  /** What this page runs by itself. */
  clientTools?: ClientTools;
  /** As that of {@link Link}. */
  delay?: Link["delay"];
}

export class Tab {
  readonly threadId: string;
  readonly link: Link;
  readonly client: ChatClient;
  #wakers: (() => void)[] = [];
  #endTools: () => void = () => {};

  constructor(threadId: string, { user = "user-1", create = false, clientTools, delay }: TabOptions = {}) {
    this.threadId = threadId;
    this.link = new Link(user);
    const { link } = this;
    if (delay) link.delay = delay;
    this.client = createChatClient({
      url: `${ORIGIN}/chat`,
      threadId,
      create,
      fetch: link.fetch,
      WebSocket: function (url: string, protocols: string[]) {
        return link.open(url, protocols);
      } as unknown as new (url: string, protocols: string[]) => WebSocket,
      deps: { random: () => 0, setTimer: link.setTimer },
    });
    this.client.subscribe(() => this.#wake());
    if (clientTools) this.#endTools = runClientTools(this.client, clientTools);
  }

  /** A tab that has the present view. */
  static async open(threadId: string, user?: string): Promise<Tab> {
    const tab = new Tab(threadId, { user });
    await tab.live();
    return tab;
  }

  get snapshot(): ChatSnapshot {
    return this.client.getSnapshot();
  }

  of<Type extends ServerFrame["type"]>(type: Type): FrameOf<Type>[] {
    return this.link.received.filter((frame): frame is FrameOf<Type> => frame.type === type);
  }

  /** Waits until what the client shows makes `isTrue` true. */
  async until(isTrue: (snapshot: ChatSnapshot) => boolean): Promise<void> {
    while (!isTrue(this.snapshot)) await new Promise<void>((resolve) => this.#wakers.push(resolve));
  }

  live(): Promise<void> {
    return this.until(({ connection }) => connection.kind === "live");
  }

  /** Waits until `text` is in what is shown. */
  shows(text: string): Promise<void> {
    return this.until(({ messages }) => messages.some((message) => textOf(message).includes(text)));
  }

  /** Waits until all that the object has sent by now has come, and what the client asked because of it. */
  async caughtUp(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await this.live();
      await this.link.answer();
    }
  }

  /** Loads history up to its first message. */
  async loadAll(): Promise<void> {
    while (this.snapshot.hasEarlier) await this.client.loadEarlier();
  }

  close(): void {
    this.#endTools();
    this.client.close();
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }
}

/** What a person can see of a tab and that is not about its own connection, as plain objects. */
export function shown({ snapshot }: Tab): object {
  const { messages, status, error, queue, thread, hasEarlier, principal, role } = snapshot;
  return structuredClone({ messages, status, error, queue, thread, hasEarlier, principal, role });
}

/** Each frame of chunks that did not begin right after what the tab had: it repeats some, or leaves some out. */
export function chunkFaults(tab: Tab): string[] {
  const held = new Map<string, number>();
  const faults: string[] = [];
  for (const frame of tab.link.received) {
    if (frame.type === "snapshot" || frame.type === "delta") {
      if (frame.turn && frame.live) held.set(frame.turn.id, frame.live.seq);
    } else if (frame.type === "chunks") {
      const next = (held.get(frame.turnId) ?? 0) + 1;
      if (frame.from !== next) faults.push(`chunks from ${frame.from}, where ${next} is next, on socket ${frame.socket}`);
      held.set(frame.turnId, frame.from + frame.items.length - 1);
    }
  }
  return faults;
}

/** A new thread of user-1 without a message. */
export async function newThread(): Promise<string> {
  const threadId = newId();
  await getTicket(threadId, "user-1", { create: true });
  return threadId;
}

export function textOf({ parts }: Pick<ChatMessage, "parts">): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}
