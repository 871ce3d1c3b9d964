// The addresses below the base path. Thread ids are compared as they stand in the path: nothing is decoded, so an id has one spelling.

/** An address that the router serves. */
export type Route =
  | { kind: "identity" }
  | { kind: "ticket"; threadId: string }
  | { kind: "commands"; threadId: string }
  | { kind: "messages"; threadId: string }
  | { kind: "socket"; threadId: string }
  | AiSdkRoute;

/** The addresses of the AI SDK's own transport. */
export type AiSdkRoute = { kind: "ai-sdk" } | { kind: "ai-sdk/stream" | "ai-sdk/stop"; threadId: string };

/** The methods that each address takes, beside OPTIONS. */
export const METHODS: Record<Route["kind"], readonly string[]> = {
  identity: ["POST"],
  ticket: ["POST"],
  commands: ["POST"],
  messages: ["GET"],
  socket: ["GET"],
  "ai-sdk": ["POST"],
  "ai-sdk/stream": ["GET"],
  "ai-sdk/stop": ["POST"],
};

const THREAD_ROUTE = /^\/threads\/([A-Za-z0-9_-]{1,64})\/(ticket|commands|messages|socket)$/;
const AI_SDK_ROUTE = /^\/ai-sdk\/([A-Za-z0-9_-]{1,64})\/(stream|stop)$/;

/** The part of `pathname` below `basePath` ("" or "/…"), or null when it is not below it. */
export function pathBelow(pathname: string, basePath: string): string | null {
  const prefix = basePath === "/" ? "" : basePath;
  return pathname === prefix || pathname.startsWith(`${prefix}/`) ? pathname.slice(prefix.length) : null;
}

/** The route of a path below the base path; null for an address or a thread id that cannot exist. */
export function matchRoute(path: string): Route | null {
  if (path === "/identity") return { kind: "identity" };
  if (path === "/ai-sdk") return { kind: "ai-sdk" };
  const [, threadId = "", kind] = THREAD_ROUTE.exec(path) ?? [];
  if (kind) return { kind: kind as "ticket" | "commands" | "messages" | "socket", threadId };
  const [, chatId = "", about] = AI_SDK_ROUTE.exec(path) ?? [];
  return about ? { kind: `ai-sdk/${about as "stream" | "stop"}`, threadId: chatId } : null;
}
