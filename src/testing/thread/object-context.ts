// The `ctx` of an object in a simulated world: what an app's class can do with it in workerd, as far as one process can
// show it. What is not there says so, instead of being undefined.
import { SIMULATED, type SimulatedState } from "../../session/platform-node.ts";
import type { Platform } from "../../session/platform.ts";
import { objectStorage, type AlarmPort } from "./object-storage.ts";
import type { ObjectStorage } from "../../storage/database.ts";

export interface ContextPorts {
  /** The name that the object was made by. */
  name: string;
  platform: Platform;
  storage: ObjectStorage;
  alarm: AlarmPort;
  sockets: { acceptWebSocket(socket: WebSocket): void; getWebSockets(): WebSocket[] };
  /** Work that keeps the object from being evicted. */
  waitUntil(promise: Promise<unknown>): void;
  /** No event is delivered before it settles. */
  block(promise: Promise<unknown>): void;
  /** The object dies. */
  abort(): void;
}

export function objectContext(ports: ContextPorts): DurableObjectState & SimulatedState {
  const { name, platform, sockets } = ports;
  const id = { name, toString: () => hex(name), equals: (other: unknown) => String(other) === hex(name) };
  const context = {
    [SIMULATED]: platform,
    id,
    props: {},
    storage: guarded("ctx.storage", objectStorage(ports.storage, ports.alarm)),
    acceptWebSocket: (socket: WebSocket) => sockets.acceptWebSocket(socket),
    getWebSockets: () => sockets.getWebSockets(),
    getTags: () => [],
    waitUntil: (promise: Promise<unknown>) => ports.waitUntil(promise),
    blockConcurrencyWhile: <T>(fn: () => Promise<T>): Promise<T> => {
      const result = fn();
      ports.block(result);
      return result;
    },
    abort: () => ports.abort(),
  };
  return guarded("ctx", context) as unknown as DurableObjectState & SimulatedState;
}

/** Throws for a member that is not there: undefined would be called, and be taken for a mistake of the app. */
function guarded<T extends object>(what: string, members: T): T {
  return new Proxy(members, {
    get: (target, key) => {
      if (key in target || typeof key === "symbol" || key === "then" || key === "toJSON") return Reflect.get(target, key) as unknown;
      throw new Error(`${what}.${key} is not there in a simulated world: test what needs it in workerd (startWorkerd).`);
    },
  });
}

/** 64 hex digits that depend on the name only. */
function hex(name: string): string {
  return Buffer.from(name).toString("hex").padEnd(64, "0").slice(-64);
}
