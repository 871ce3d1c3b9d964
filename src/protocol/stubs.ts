// Payloads too large to travel unasked: in frames a stub takes their place, and a `page` for the part loads them. Storage,
// the log and the server's own fold hold them whole. Chunk by chunk and part by part the same rule, so that a client which
// folds stubbed chunks holds what a fresh load gives it.
import { utf8Length } from "./bytes.ts";
import type { ServerFrame } from "./frames.ts";
import { MAX_PAYLOAD_BYTES } from "./limits.ts";
import type { Chunk, LiveState, Part } from "./messages.ts";

/** What stands in the place of a payload. Where a payload is a URL, the stub is a `data:` URL of its JSON: see {@link tryReadStub}. */
export interface Stub {
  truncated: true;
  /** UTF-8 bytes of the payload as JSON. */
  bytes: number;
}

type Fields = Record<string, unknown>;

const STUB_URL = "data:application/json,";

/** Nothing in a JSON text of which this is true can be too large: a character has at most three bytes. */
export function isSmall(json: string | undefined): boolean {
  return json === undefined || json.length * 3 <= MAX_PAYLOAD_BYTES;
}

/** `payload`, or its stub when it is too large. */
export function stubOf(payload: unknown): unknown {
  const bytes = utf8Length(JSON.stringify(payload));
  return bytes > MAX_PAYLOAD_BYTES ? ({ truncated: true, bytes } satisfies Stub) : payload;
}

/** The stub that a payload is, by itself or as a URL; null for a payload that is there. */
export function tryReadStub(payload: unknown): Stub | null {
  try {
    const { truncated, bytes } = (
      typeof payload === "string" && payload.startsWith(STUB_URL) ? JSON.parse(decodeURIComponent(payload.slice(STUB_URL.length))) : payload
    ) as Partial<Stub>;
    return truncated === true && typeof bytes === "number" ? { truncated, bytes } : null;
  } catch {
    return null; // Null, undefined, or a data: URL of other content.
  }
}

/** `value` with stubs for what is too large in its fields `names`; the same object when nothing is. */
function stubFields<Value extends object>(value: Value, ...names: string[]): Value {
  let result: Fields = value as Fields;
  for (const name of names) {
    const payload = (value as Fields)[name];
    const stub = stubOf(payload);
    if (stub === payload) continue;
    result = { ...result, [name]: name === "url" ? STUB_URL + encodeURIComponent(JSON.stringify(stub)) : stub };
  }
  return result as Value;
}

/** The payloads that chunks and parts of one type share, text and reasoning having none. */
function stubCommon<Value extends { type: string }>(value: Value): Value {
  if (value.type === "file" || value.type === "reasoning-file") return stubFields(value, "url");
  return value.type.startsWith("data-") ? stubFields(value, "data") : value;
}

/** `part` as it travels. A call whose input still comes stays as it is: the deltas of that input were sent already. */
export function stubPart(part: Part): Part {
  const { type, state } = part as { type: string; state?: string };
  if (type !== "dynamic-tool" && !type.startsWith("tool-")) return stubCommon(part);
  return state === "input-streaming" ? part : stubFields(part, "input", "rawInput", "output");
}

/** `chunk` as it travels. Deltas stay as they are, also those of an input: how large that becomes is known at its end. */
export function stubChunk(chunk: Chunk): Chunk {
  if (!chunk.type.startsWith("tool-")) return stubCommon(chunk);
  return /^tool-input-(start|delta)$/.test(chunk.type) ? chunk : stubFields(chunk, "input", "output");
}

/** A message as it travels; the same object when nothing in it is too large. */
export function stubMessage<Of extends { parts: Part[] }>(message: Of): Of {
  return withSame(message, { parts: mapSame(message.parts, stubPart) } as Partial<Of>);
}

/** The same at the cost of one `JSON.stringify`, as long as the message is too small to hold a payload that is too large. */
export function stubLarge<Of extends { parts: Part[] }>(message: Of): Of {
  return isSmall(JSON.stringify(message)) ? message : stubMessage(message);
}

/** A live state as it travels. What is open in it was sent as deltas, and stays. */
export function stubLive(live: LiveState): LiveState {
  return withSame(live, { message: stubMessage(live.message) });
}

/** `map` over `items`; the same array when each gives the same object. */
function mapSame<Item>(items: Item[], map: (item: Item) => Item): Item[] {
  const mapped = items.map(map);
  return mapped.some((item, at) => item !== items[at]) ? mapped : items;
}

/** `value` with `changes`; the same object when it has them. */
function withSame<Value extends object>(value: Value, changes: Partial<Value>): Value {
  const isSame = Object.entries(changes).every(([key, field]) => value[key as keyof Value] === field);
  return isSame ? value : { ...value, ...changes };
}

/** `frame` as it travels; the same object when nothing in it is too large. */
export function stubFrame(frame: ServerFrame): ServerFrame {
  switch (frame.type) {
    case "chunks":
      return withSame(frame, { items: mapSame(frame.items, stubChunk) });
    case "snapshot":
    case "delta": {
      const { messages, live } = frame;
      return withSame(frame, { ...(messages && { messages: mapSame(messages, stubMessage) }), ...(live && { live: stubLive(live) }) });
    }
    case "page":
      return "part" in frame ? frame : withSame(frame, { messages: mapSame(frame.messages, stubMessage) });
    default:
      return frame;
  }
}

/** UTF-8 bytes of `value` as it travels, when `stub` gives it with stubs. */
export function bytesAsSent<Value>(value: Value, stub: (value: Value) => Value): number {
  const json = JSON.stringify(value);
  return utf8Length(isSmall(json) ? json : JSON.stringify(stub(value)));
}

/** The text of a frame. Costs one `JSON.stringify` as long as the frame is too small to hold a payload that is too large. */
export function encodeFrame(frame: ServerFrame): string {
  const json = JSON.stringify(frame);
  if (isSmall(json)) return json;
  const stubbed = stubFrame(frame);
  return stubbed === frame ? json : JSON.stringify(stubbed);
}
