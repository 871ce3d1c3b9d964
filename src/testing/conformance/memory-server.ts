// A server without a network or a process: the real router and the class of an app, over virtual sockets, at the pace of real time.
import { bearer } from "../../auth/bearer.ts";
import { newId } from "../../protocol/ids.ts";
import type { TestableClass } from "../thread/test-thread.ts";
import { UserObject } from "../thread/user-object.ts";
import { VirtualClock } from "../world/virtual-clock.ts";
import { VirtualNetwork } from "../world/virtual-network.ts";
import type { ConformanceServer } from "./types.ts";

const SECRET = "the secret of a server in memory, which guards nothing";
const LOOK_MS = 2;

/** A {@link ConformanceServer} in this process. */
export interface MemoryServer extends ConformanceServer {
  readonly fetch: NonNullable<ConformanceServer["fetch"]>;
  readonly WebSocket: NonNullable<ConformanceServer["WebSocket"]>;
  /** What the objects have reported to their log. */
  readonly errors: readonly unknown[];
  close(): Promise<void>;
}

/**
 * Serves every thread of `Class`, a class of `chatcell` as Node resolves it, over the `fetch` and `WebSocket` that it gives. A
 * bearer token is taken for the id of a principal. Timers of the class are those of the world, which passes as real time does.
 */
export function createMemoryServer(Class: TestableClass, env: object = {}): MemoryServer {
  const clock = new VirtualClock(Date.now());
  const objects = new Map<string, UserObject>();
  const errors: unknown[] = [];
  const makeObject = (name: string): UserObject => {
    const object = new UserObject({
      name,
      Class,
      env,
      clock,
      newId,
      random: Math.random,
      probe: { beforeStatement: () => {}, beforeCommit: () => {}, afterCommit: () => {} },
      report: (error) => void errors.push(error),
      wreck: () => ({ clientAfterMs: 0, isFlushed: true }),
    });
    objects.set(name, object);
    return object;
  };
  const network = new VirtualNetwork({
    clock,
    latencyMs: () => 1,
    loss: () => "none",
    router: { secret: SECRET, authenticate: bearer((token) => ({ id: token })) },
    deps: { now: clock.now, newId },
    object: (name) => objects.get(name) ?? makeObject(name),
  });
  let isClosed = false;
  const running = (async () => {
    for (let seen = performance.now(); !isClosed; await new Promise((resolve) => setTimeout(resolve, LOOK_MS))) {
      const passedMs = Math.floor(performance.now() - seen);
      seen += passedMs;
      await clock.advance(passedMs);
    }
  })();
  return {
    url: "https://chat.example/chat",
    fetch: async (input, init) => (await network.request(new Request(input, init))) ?? new Response(null, { status: 404 }),
    WebSocket: network.browser().WebSocket,
    errors,
    close: async () => {
      isClosed = true;
      await running;
      for (const object of objects.values()) {
        object.crash();
        object.storage.close();
      }
    },
  };
}
