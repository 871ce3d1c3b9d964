// Our own client, inside the Worker and for one request: it calls the object where a page would make requests. So this way in has
// the same rules, the same resume and the same fold as every other, and no code for them.
import { createChatClient } from "../client/chat-client.ts";
import { STABLE_MS } from "../client/connection-machine.ts";
import type { ChatClient } from "../client/types.ts";
import { ChatError, isChatError, toErrorBody } from "../errors.ts";
import { newId } from "../protocol/ids.ts";
import type { Principal } from "../protocol/principal.ts";
import { admit } from "../router/admit.ts";
import { stubOf } from "../router/namespace.ts";
import type { RouteContext } from "../router/options.ts";

/** Attempts in a row, after which the request fails: some seconds. A socket that lived for some time ends a row. */
const MAX_ATTEMPTS = 4;
/** Stands where an address belongs. The object looks at nothing of it. */
const ADDRESS = "https://session.invalid";

export interface SessionClientOptions {
  context: RouteContext;
  principal: Principal;
  threadId: string;
  /** Makes the thread with what is sent, when there is none. */
  create?: boolean;
  /** Ids of what is asked for, in the order in which the client takes them; random ones follow. */
  ids?: string[];
  /** Hears what was thrown where the object could not be reached. */
  onFailure: (error: unknown) => void;
}

type Upgraded = Response & { webSocket?: (WebSocket & { accept: () => void }) | null };

/** A client that is closed when its request is over. Text comes as it is flushed. */
export function createSessionClient({
  context,
  principal,
  threadId,
  create = false,
  ids = [],
  onFailure,
}: SessionClientOptions): ChatClient {
  const { origin } = context.auth;
  let attempts = 0;
  let openedAt = Infinity;

  const fetch = async (_url: unknown, init?: RequestInit) => {
    if (Date.now() - openedAt > STABLE_MS) attempts = 0;
    openedAt = Infinity;
    const isLast = ++attempts >= MAX_ATTEMPTS;
    try {
      if (attempts > MAX_ATTEMPTS) throw new ChatError("internal", "The thread cannot be reached now.");
      const wish = JSON.parse(init?.body as string) as Parameters<typeof admit>[2];
      return Response.json(await admit(principal, threadId, wish, context));
    } catch (error) {
      if (!isChatError(error)) onFailure(error);
      const body = toErrorBody(error);
      return Response.json({ error: { ...body, retryable: body.retryable && !isLast } }, { status: 503 });
    }
  };

  const upgrade = async (url: string, protocols: string[]): Promise<NonNullable<Upgraded["webSocket"]>> => {
    const headers = { upgrade: "websocket", "sec-websocket-protocol": protocols.join(", "), ...(origin !== "" ? { origin } : {}) };
    const stub = stubOf(context.namespace, principal.tenant ?? "", threadId);
    const { webSocket } = (await stub.fetch(new Request(url.replace("ws", "http"), { headers }))) as Upgraded;
    if (!webSocket) throw new Error("No socket");
    openedAt = Date.now();
    return webSocket;
  };

  return createChatClient({
    url: ADDRESS,
    threadId,
    create,
    pacing: false,
    fetch: fetch,
    WebSocket: function (url: string, protocols: string[]) {
      return socketOf(upgrade(url, protocols));
    } as unknown as new (url: string, protocols: string[]) => WebSocket,
    deps: { newId: () => ids.shift() ?? newId() },
  });
}

/** A socket that is being opened, with what the client uses of one: this platform has no constructor for a socket to an object. */
function socketOf(opening: Promise<NonNullable<Upgraded["webSocket"]>>): WebSocket {
  const listeners: [type: string, listener: (event: never) => void][] = [];
  let socket: WebSocket | undefined;
  let isClosed = false;
  opening.then(
    (opened) => {
      for (const [type, listener] of listeners)
        opened.addEventListener(type as "message", listener as unknown as (event: MessageEvent) => void);
      opened.accept();
      socket = opened;
      if (isClosed) opened.close(1000);
    },
    () => {
      for (const [type, listener] of listeners) if (type === "close") listener({ code: 1006, reason: "" } as never);
    },
  );
  return {
    get readyState() {
      return socket?.readyState ?? 0;
    },
    addEventListener: (type: string, listener: (event: never) => void) => void listeners.push([type, listener]),
    send: (text: string) => socket?.send(text),
    close: () => {
      isClosed = true;
      socket?.close(1000);
    },
  } as unknown as WebSocket;
}
