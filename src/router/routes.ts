// The addresses below the base path. Thread ids are compared as they stand in the path: nothing is decoded, so an id has one spelling.

/** An address that the router serves. */
export type Route =
  | { kind: "identity" }
  | { kind: "ticket"; threadId: string }
  | { kind: "commands"; threadId: string }
  | { kind: "messages"; threadId: string }
  | { kind: "socket"; threadId: string };

/** The methods that each address takes, beside OPTIONS. */
export const METHODS: Record<Route["kind"], readonly string[]> = {
  identity: ["POST"],
  ticket: ["POST"],
  commands: ["POST"],
  messages: ["GET"],
  socket: ["GET"],
};

const THREAD_ROUTE = /^\/threads\/([A-Za-z0-9_-]{1,64})\/(ticket|commands|messages|socket)$/;

/** The part of `pathname` below `basePath` ("" or "/…"), or null when it is not below it. */
export function pathBelow(pathname: string, basePath: string): string | null {
  const prefix = basePath === "/" ? "" : basePath;
  return pathname === prefix || pathname.startsWith(`${prefix}/`) ? pathname.slice(prefix.length) : null;
}

/** The route of a path below the base path; null for an address or a thread id that cannot exist. */
export function matchRoute(path: string): Route | null {
  if (path === "/identity") return { kind: "identity" };
  const match = THREAD_ROUTE.exec(path);
  return match ? { kind: match[2] as Exclude<Route["kind"], "identity">, threadId: match[1]! } : null;
}
