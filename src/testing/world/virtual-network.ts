// The way between clients and objects: `fetch` and `WebSocket` of one browser, through the real router. Requests and answers
// take their time and can be lost; a browser can be offline, and its sockets can die with or without a sign.
import type { AdmitAnswer, AdmitRequest } from "../../auth/admissions.ts";
import type { CommandAnswer, CommandRequest, PageAnswer, PageRequest } from "../../auth/rpc.ts";
import type { ChatNamespace } from "../../router/namespace.ts";
import { handleChatRequest } from "../../router/route-chat-request.ts";
import type { RouteChatRequestOptions, RouterDeps } from "../../router/options.ts";
import type { VirtualClock } from "./virtual-clock.ts";
import { VirtualConnection } from "./virtual-connection.ts";
import { VirtualWebSocket } from "./virtual-web-socket.ts";

type Eventually<T> = T | Promise<T>;

/** An object, as the network calls it. Each call throws when the object dies under it. */
export interface NetworkObject {
  admit(request: AdmitRequest): Eventually<AdmitAnswer>;
  command(request: CommandRequest): Eventually<CommandAnswer>;
  page(request: PageRequest): Eventually<PageAnswer>;
  /** An upgrade: 101, or the status and the error of the refusal. */
  upgrade(request: Request, connection: VirtualConnection): Eventually<{ status: number; body?: unknown }>;
}

export interface VirtualNetworkPorts {
  clock: VirtualClock;
  /** Time of one way, in ms; drawn for each frame and request. */
  latencyMs: () => number;
  /** What is lost of a request that leaves now. */
  loss: () => "none" | "request" | "answer";
  router: Omit<RouteChatRequestOptions, "namespace">;
  deps: RouterDeps;
  /** The object of a name; made when it is asked for first. */
  object: (name: string) => NetworkObject;
  onClientFrame?: (connection: VirtualConnection, data: string) => void;
  onRequest?: (path: string, body: string, answer: string) => void;
}

/** What a `fetch` that found no server rejects with, after this time. */
const FAILURE_MS = 50;

export class VirtualNetwork {
  readonly #ports: VirtualNetworkPorts;
  /** Upgrades on their way through the router, which hands the request on as it came. */
  readonly #upgrades = new WeakMap<Request, VirtualConnection>();
  readonly connections: VirtualConnection[] = [];

  constructor(ports: VirtualNetworkPorts) {
    this.#ports = ports;
  }

  /** Frames that are on their way. */
  get underWay(): number {
    return this.connections.reduce((sum, connection) => sum + connection.underWay, 0);
  }

  /** A browser: what `fetch` and `WebSocket` are in it. */
  browser(): VirtualBrowser {
    return new VirtualBrowser(this, this.#ports);
  }

  /** Opens a socket at the server; the socket hears of the outcome. */
  connect(socket: VirtualWebSocket, headers: Record<string, string>): VirtualConnection {
    const { clock, latencyMs, onClientFrame } = this.#ports;
    const connection = new VirtualConnection(this.connections.length + 1, socket, {
      clock,
      latencyMs,
      ...(onClientFrame ? { onClientFrame } : {}),
    });
    this.connections.push(connection);
    clock.setTimer(latencyMs(), () => {
      const request = new Request(socket.url.replace(/^ws/, "http"), {
        headers: { upgrade: "websocket", "sec-websocket-protocol": socket.protocols.join(", "), ...headers },
      });
      this.#upgrades.set(request, connection);
      const upgraded = this.request(request).then((response) => {
        if (response?.status !== 101) clock.setTimer(latencyMs(), () => socket.lose());
      });
      clock.hold(upgraded);
    });
    return connection;
  }

  /** The Worker: the real router, over the objects of this world. */
  request(request: Request): Promise<Response | null> {
    return handleChatRequest(request, { ...this.#ports.router, namespace: this.namespace }, this.#ports.deps);
  }

  /** The binding of the objects of this world. */
  get namespace(): ChatNamespace {
    return {
      idFromName: (name) => name,
      get: (name) => {
        const object = this.#ports.object(name as string);
        return {
          admit: async (admission) => object.admit(admission),
          command: async (command) => object.command(command),
          page: async (page) => JSON.stringify(await object.page(page)),
          fetch: async (upgrade) => {
            const { status, body } = await object.upgrade(upgrade, this.#upgrades.get(upgrade)!);
            // A real 101 cannot be made outside of workerd.
            return status === 101 ? ({ status } as Response) : Response.json({ error: body }, { status });
          },
        };
      },
    };
  }
}

/** One browser: its cookies, and whether it is online. */
export class VirtualBrowser {
  readonly #network: VirtualNetwork;
  readonly #ports: VirtualNetworkPorts;
  readonly #cookies = new Map<string, string>();
  readonly sockets: VirtualWebSocket[] = [];
  isOnline = true;
  /** Origin of its pages; "" for a client that is no browser, which keeps no cookies. */
  origin = "";

  constructor(network: VirtualNetwork, ports: VirtualNetworkPorts) {
    this.#network = network;
    this.#ports = ports;
  }

  readonly fetch = (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { clock, latencyMs } = this.#ports;
    return new Promise((resolve, reject) => {
      const { signal } = init;
      const fail = (): void => reject(new TypeError("fetch failed"));
      signal?.addEventListener("abort", () => reject(signal.reason as Error));
      if (!this.isOnline) return void clock.setTimer(FAILURE_MS, fail);
      const loss = this.#ports.loss();
      if (loss === "request") return;
      clock.setTimer(latencyMs(), () => {
        const answered = this.#answer(url instanceof Request ? url.url : url.toString(), init).then((response) => {
          if (loss === "answer") return;
          clock.setTimer(latencyMs(), () => (this.isOnline ? resolve(response) : fail()));
        });
        clock.hold(answered);
      });
    });
  };

  /** The constructor to give to a client. */
  get WebSocket(): new (url: string, protocols: string[]) => WebSocket {
    const open = (url: string, protocols: string[]): VirtualWebSocket => {
      const socket = new VirtualWebSocket(url, protocols);
      this.sockets.push(socket);
      if (this.isOnline) socket.connection = this.#network.connect(socket, this.#headers());
      else this.#ports.clock.setTimer(FAILURE_MS, () => socket.lose());
      return socket;
    };
    return function (url: string, protocols: string[]) {
      return open(url, protocols);
    } as unknown as new (url: string, protocols: string[]) => WebSocket;
  }

  /** The present connections of this browser's sockets. */
  get connections(): VirtualConnection[] {
    return this.sockets.flatMap(({ readyState, connection }) => (readyState <= 1 && connection ? [connection] : []));
  }

  async #answer(url: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(this.#headers())) headers.set(name, value);
    const body = typeof init.body === "string" ? init.body : "";
    const response = await this.#network.request(new Request(url, { method: init.method ?? "GET", headers, body }));
    const text = response ? await response.text() : "";
    const cookie = response?.headers.get("set-cookie")?.split(";")[0];
    if (cookie) this.#cookies.set(cookie.split("=")[0]!, cookie);
    this.#ports.onRequest?.(new URL(url).pathname, body, text);
    const { ok = false, status = 404 } = response ?? {};
    // What a client reads of an answer, without the tasks that a real body takes.
    return { ok, status, text: async () => text, json: async () => JSON.parse(text) as unknown } as Response;
  }

  #headers(): Record<string, string> {
    if (this.origin === "") return {};
    const cookie = [...this.#cookies.values()].join("; ");
    return { origin: this.origin, ...(cookie ? { cookie } : {}) };
  }
}
