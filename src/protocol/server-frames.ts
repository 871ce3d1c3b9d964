// What a server sends, told apart by type; by hand, since the browser bundle has no zod. A client trusts its server: this
// guards against cut text and against another release. Fields are not checked here: a client that cannot show what a frame
// would make of its view takes nothing from that frame.
import type { ServerFrame } from "./frames.ts";

/** A frame of a type that this release does not know: a newer server is speaking. Skip it. */
export interface UnknownFrame {
  type: "unknown";
  frameType: string;
}

const TYPES = /^(welcome|snapshot|delta|chunks|turn|ack|error|page|event|mark)$/;

/** The value of a JSON text, null for any other text. */
function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // Cut or foreign text; the caller treats it like a value of the wrong shape.
  }
}

/** The frame in `text`, `unknown` for a type of a newer release, null for anything else. Never throws. */
export function tryParseServerFrame(text: string): ServerFrame | UnknownFrame | null {
  const frame = tryParseJson(text) as ServerFrame | null;
  const frameType: unknown = frame?.type;
  if (typeof frameType !== "string") return null;
  return TYPES.test(frameType) ? frame : { type: "unknown", frameType };
}
