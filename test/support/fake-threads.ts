// Many threads behind one address, each a fake server of its own: what a page meets that goes from thread to thread. No assertions.
import type { ChatClientOptions } from "../../src/client/types.ts";
import { FakeClock, FakeServer } from "../unit/client/fake-server.ts";
import { END_OF_TEXT, ModelThread, textChunks } from "../unit/client/model-thread.ts";

type Socket = NonNullable<ChatClientOptions["WebSocket"]>;

export class FakeThreads {
  readonly clock = new FakeClock();
  readonly servers = new Map<string, FakeServer>();
  private ids = 0;

  /** The server of one thread. */
  of(threadId: string): FakeServer {
    const server = this.servers.get(threadId) ?? new FakeServer(new ModelThread(10));
    this.servers.set(threadId, server);
    return server;
  }

  /** Fills a thread with finished turns, each with a question and an answer. */
  fill(threadId: string, ...questions: string[]): void {
    const { thread } = this.of(threadId);
    for (const text of questions) {
      this.ask(threadId, text);
      thread.chunks(...textChunks(`Re: ${text}`), ...END_OF_TEXT);
      thread.end();
    }
  }

  /** Somebody else sends a message. */
  ask(threadId: string, text: string): void {
    const id = `${threadId}-${++this.ids}`;
    this.of(threadId).thread.send({ id, messageId: `${id}-m`, parts: [{ type: "text", text }] }, "other");
  }

  /** Threads that clients hold a socket to, one entry for each socket. */
  get open(): string[] {
    return [...this.servers].flatMap(([id, { sockets }]) => sockets.filter(({ readyState }) => readyState < 2).map(() => id));
  }

  /** Every ticket that was asked for, by thread. */
  get tickets(): string[] {
    return [...this.servers].flatMap(([id, { tickets }]) => tickets.map(() => id));
  }

  /** The options of a client of one thread, which shows each change at once. */
  options(threadId: string): ChatClientOptions {
    const serverOf = (url: string) => this.of(/\/threads\/([^/]+)\//.exec(url)?.[1] ?? threadId);
    const fetch: typeof globalThis.fetch = (url, init) => serverOf(url as string).fetch(url, init);
    const connect = (url: string, protocols: string[]) => new (serverOf(url).WebSocket)(url, protocols);
    const WebSocket = function (url: string, protocols: string[]) {
      return connect(url, protocols);
    } as unknown as Socket;
    const deps = { ...this.clock.deps, newId: () => `id${++this.ids}`, schedule: queueMicrotask };
    return { url: "/chat", threadId, fetch, WebSocket, pacing: false, deps };
  }
}

export { quiet } from "../unit/client/fake-server.ts";
export { texts } from "../unit/client/client-world.ts";
