// A network between a client under test and a real server, in the hands of the test.
import type { ChatClientOptions } from "../client/types.ts";
import type { LinkState } from "./lane.ts";
import { createLinkFetch } from "./link-fetch.ts";
import { LinkSocket, type SocketConstructor, type SocketHooks } from "./link-socket.ts";

/** What has gone over a link since it was made. Frames and bytes are those of sockets; bytes are UTF-8. */
export interface LinkCounts {
  /** Ticket requests that went out. */
  tickets: number;
  /** All requests that went out, tickets included. */
  requests: number;
  /** Sockets that the client opened. */
  sockets: number;
  /** Frames from the client. */
  framesUp: number;
  bytesUp: number;
  /** Frames that reached the client. */
  framesDown: number;
  bytesDown: number;
}

/** Settings of {@link createLink}; all have defaults. */
export interface LinkOptions {
  /** What requests really go through. @default globalThis.fetch */
  fetch?: ChatClientOptions["fetch"];
  /** What sockets really are. @default globalThis.WebSocket */
  WebSocket?: ChatClientOptions["WebSocket"];
  /** Sees each text frame in order: `up` when it leaves, `down` just before the client gets it. */
  onFrame?: (direction: "up" | "down", text: string) => void;
}

/** A link that a test can break. Give its `fetch` and `WebSocket` to `createChatClient`; neither needs `this`. */
export interface Link {
  readonly fetch: NonNullable<ChatClientOptions["fetch"]>;
  readonly WebSocket: NonNullable<ChatClientOptions["WebSocket"]>;
  readonly counts: Readonly<LinkCounts>;
  /** Breaks every connection of the moment: sockets close with 1006, requests fail. Later ones go through. */
  cut(): void;
  /** Cuts as soon as so many more frames have reached the client: the last of them is the last that it gets. */
  cutAfter(frames: number): void;
  /** From now on everything takes `ms` longer, in each direction; order is kept. 0 ends that. */
  delay(ms: number): void;
  /**
   * Nothing goes in or out, and nothing says so: sockets stay open, requests stay pending. As over TCP nothing is lost:
   * what is sent meanwhile arrives after `restore`, unless its connection has ended.
   */
  blackHole(): void;
  /** Ends `delay`, `blackHole` and a `cutAfter` that is still to come. */
  restore(): void;
}

/**
 * A link over the real `fetch` and `WebSocket`, whole until the test breaks it.
 *
 * @example
 * import { createChatClient, newThreadId } from "chatcell/client";
 * import { createLink } from "chatcell/testing";
 *
 * const { fetch, WebSocket, cutAfter } = createLink();
 * const url = "http://localhost:8787/chat";
 * const chat = createChatClient({ url, threadId: newThreadId(), create: true, fetch, WebSocket });
 * cutAfter(3);
 * const reply = await chat.send("Hello").settled;
 */
export function createLink(options: LinkOptions = {}): Link {
  const state: LinkState = { isHeld: false, delayMs: 0 };
  const counts: LinkCounts = { tickets: 0, requests: 0, sockets: 0, framesUp: 0, bytesUp: 0, framesDown: 0, bytesDown: 0 };
  const sockets = new Set<LinkSocket>();
  let framesLeft = Infinity;
  const requests = createLinkFetch(options.fetch ?? ((...args) => globalThis.fetch(...args)), state, (url) => {
    counts.requests++;
    if (new URL(url).pathname.endsWith("/ticket")) counts.tickets++;
  });

  const note = notesOf(counts, options.onFrame);

  const cut = (): void => {
    framesLeft = Infinity;
    requests.cut();
    for (const socket of sockets) socket.cut();
  };

  function openSocket(url: string, protocols: string[]): LinkSocket {
    const Real: SocketConstructor = options.WebSocket ?? globalThis.WebSocket;
    counts.sockets++;
    const socket: LinkSocket = new LinkSocket(() => new Real(url, protocols), url, state, {
      ...note,
      handled: () => {
        if (--framesLeft <= 0) cut();
      },
      closed: () => sockets.delete(socket),
    });
    sockets.add(socket);
    return socket;
  }

  return {
    fetch: requests.fetch,
    // A function that returns an object may be called with `new`.
    WebSocket: openSocket as unknown as Link["WebSocket"],
    counts,
    cut,
    cutAfter: (frames) => {
      framesLeft = frames;
    },
    delay: (ms) => {
      state.delayMs = ms;
    },
    blackHole: () => {
      state.isHeld = true;
    },
    restore: () => {
      framesLeft = Infinity;
      state.isHeld = false;
      state.delayMs = 0;
      requests.pump();
      for (const socket of sockets) socket.pump();
    },
  };
}

function notesOf(counts: LinkCounts, onFrame: LinkOptions["onFrame"]): Pick<SocketHooks, "up" | "down"> {
  return {
    up: (data) => {
      counts.framesUp++;
      counts.bytesUp += bytesOf(data);
      if (typeof data === "string") onFrame?.("up", data);
    },
    down: (data) => {
      counts.framesDown++;
      counts.bytesDown += bytesOf(data);
      if (typeof data === "string") onFrame?.("down", data);
    },
  };
}

function bytesOf(data: string | ArrayBuffer): number {
  return typeof data === "string" ? new TextEncoder().encode(data).length : data.byteLength;
}
