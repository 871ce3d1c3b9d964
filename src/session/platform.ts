// What the class of an object needs of its platform, in workerd: the base class, the clock, the log and the other end of a
// socket. The build for the condition `node` has platform-node.ts in the place of this file, and differs in nothing else.
import { DurableObject } from "cloudflare:workers";
import { PING, PONG, PROTOCOL } from "../protocol/limits.ts";
import { platformDeps, type Deps } from "./deps.ts";

export { DurableObject };

export interface Platform {
  deps: Deps;
  /** For the log of the server; never for clients. Never throws. */
  report: (error: unknown) => void;
  /** Answers an upgrade: `open` takes the object's end of the socket. Throws what it throws; then nothing is open. */
  upgrade: (request: Request, open: (socket: WebSocket) => void) => Response;
}

/** The platform of one object. From here on the runtime answers pings by itself. */
export function platformOf(ctx: DurableObjectState): Platform {
  ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
  return { deps: platformDeps, report, upgrade };
}

function report(error: unknown): void {
  console.error("chatcell:", error);
}

function upgrade(_request: Request, open: (socket: WebSocket) => void): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  open(server);
  return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": PROTOCOL } });
}
