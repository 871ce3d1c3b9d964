// What a server sends, checked as far as a client needs. Written by hand because the browser bundle has no zod, and as a
// table because that is small. A client trusts its server: this guards against cut text and against another release, not
// against an attack. Fields that are not named here are passed on as they are.
import type { ServerFrame } from "./frames.ts";

/** A frame of a type that this release does not know: a newer server is speaking. Skip it. */
export interface UnknownFrame {
  type: "unknown";
  frameType: string;
}

/** The fields that each frame must have, as `name:kind`; a kind is a `typeof` (of null: "object"), or `list`, of objects. */
const FIELDS: Record<ServerFrame["type"], string> = {
  welcome: "principal:object role:string",
  snapshot: "session:object messages:list hasEarlier:boolean queue:list turn:object",
  delta: "from:number to:number turn:object",
  chunks: "turnId:string from:number items:list",
  turn: "from:number to:number ended:object turn:object",
  ack: "ref:string rev:number",
  error: "code:string message:string",
  page: "ref:string messages:list hasEarlier:boolean",
  event: "event:string",
};

/** The value of a JSON text, undefined for any other text. */
export function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Cut or foreign text; the caller treats it like a value of the wrong shape.
  }
}

/** The frame in `text`, `unknown` for a type of a newer release, null for anything else. Never throws. */
export function tryParseServerFrame(text: string): ServerFrame | UnknownFrame | null {
  const frame = tryParseJson(text) as Record<string, unknown> | null | undefined;
  const type = frame?.type;
  if (typeof type !== "string") return null;
  if (!Object.hasOwn(FIELDS, type)) return { type: "unknown", frameType: type };
  const fields = FIELDS[type as ServerFrame["type"]].split(/[ :]/);
  return fields.every((name, i) => i % 2 || fits(frame![name], fields[i + 1]!)) ? (frame as unknown as ServerFrame) : null;
}

function fits(value: unknown, kind: string): boolean {
  return kind === "list" ? Array.isArray(value) && value.every((entry) => entry && typeof entry === "object") : typeof value === kind;
}
