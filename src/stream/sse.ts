// Server-sent events to chunks, byte by byte: a body may be cut anywhere, so nothing here depends on where a read ends.
// Works on bytes, because CR, LF and ":" never occur inside a UTF-8 sequence, and bounds what one event may hold.
import { ChatError } from "../errors.ts";
import type { Chunk } from "../protocol/messages.ts";
import { checkChunk } from "./chunk-check.ts";
import type { Intake } from "./chunk-reader.ts";

/** Most bytes that one event, or one line of it, may have: a message may not be larger either. */
export const MAX_SSE_EVENT_BYTES = 16 * 1024 * 1024;

const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;
const SPACE = 0x20;
const BOM = [0xef, 0xbb, 0xbf];
const DATA = [0x64, 0x61, 0x74, 0x61];

/** Bytes that grow by doubling, so that appending is linear however small the pieces are. */
class ByteBuffer {
  #bytes = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > MAX_SSE_EVENT_BYTES) {
      throw new ChatError("model_error", `An event of the turn's stream is larger than ${MAX_SSE_EVENT_BYTES} bytes.`);
    }
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2, 256));
      grown.set(this.view());
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }

  /** Valid until the next `append` or `clear`. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    // One large event should not pin its memory for the rest of the stream.
    if (this.#bytes.length > 1024 * 1024) this.#bytes = new Uint8Array(0);
  }
}

/**
 * Incremental decoder of an AI SDK event stream. `push` takes the body's bytes in order, `end` says that they are over.
 * Both append the chunks that became complete to `out`, also those before a throw. After `data: [DONE]`, `done` is true
 * and the rest is ignored.
 *
 * An event that the body's end leaves without its blank line counts when it is whole JSON.
 */
export class SseDecoder implements Intake {
  /** The begun line, when it did not end in the read that began it. */
  readonly #line = new ByteBuffer();
  /** The `data` lines of the event so far, joined by LF. */
  readonly #data = new ByteBuffer();
  readonly #text = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
  #hasData = false;
  #isFirstLine = true;
  /** The last byte was a CR that ended a line: an LF right after it belongs to it. */
  #afterCr = false;
  #done = false;
  /** The stream said that it is over, whether well or not. */
  #hasEnd = false;

  get done(): boolean {
    return this.#done;
  }

  /** @throws {ChatError} model_error for what is not bytes, not a chunk, or too large. */
  push(value: unknown, out: Chunk[]): void {
    if (!(value instanceof Uint8Array))
      throw new ChatError("model_error", "The body of an event stream yielded something else than bytes.");
    let start = 0;
    for (let at = 0; at < value.length && !this.#done; at += 1) {
      const byte = value[at];
      const isRestOfCrLf = this.#afterCr && byte === LF;
      this.#afterCr = byte === CR;
      if (isRestOfCrLf) {
        start = at + 1;
      } else if (byte === CR || byte === LF) {
        this.#endLine(value.subarray(start, at), out);
        start = at + 1;
      }
    }
    if (!this.#done && start < value.length) this.#line.append(value.subarray(start));
  }

  /** @throws {ChatError} model_error when the body was cut: inside an event, or before the stream said that it is over. */
  end(out: Chunk[]): void {
    this.#done = true;
    // What is cut after the stream has said that it is over is at most its [DONE].
    if (this.#hasEnd) return;
    const line = this.#line.view();
    if (line.length > 0 && "data: ".startsWith(this.#text.decode(line))) throw cutOff();
    this.#takeLine(line);
    this.#dispatch(out, cutOff);
    if (!this.#hasEnd) throw new ChatError("model_error", "The turn's stream broke off: neither a finish chunk nor [DONE] came.");
  }

  #endLine(rest: Uint8Array, out: Chunk[]): void {
    let line = rest;
    if (this.#line.length > 0) {
      this.#line.append(rest);
      line = this.#line.view();
    }
    if (line.length === 0) this.#dispatch(out, notJson);
    else this.#takeLine(line);
    this.#line.clear();
  }

  #takeLine(whole: Uint8Array): void {
    const line = this.#isFirstLine && startsWith(whole, BOM) ? whole.subarray(BOM.length) : whole;
    this.#isFirstLine = false;
    // Comments begin with a colon; every field but `data` (event, id, retry) has no meaning here.
    if (!startsWith(line, DATA) || (line.length > DATA.length && line[DATA.length] !== COLON)) return;
    const from = DATA.length + 1;
    if (this.#hasData) this.#data.append(Uint8Array.of(LF));
    this.#hasData = true;
    this.#data.append(line.subarray(line[from] === SPACE ? from + 1 : from));
  }

  #dispatch(out: Chunk[], failure: (cause: unknown) => ChatError): void {
    this.#isFirstLine = false;
    if (!this.#hasData) return;
    const text = this.#text.decode(this.#data.view());
    this.#data.clear();
    this.#hasData = false;
    if (text === "") return;
    if (text === "[DONE]") {
      this.#done = true;
      this.#hasEnd = true;
      return;
    }
    const chunk = checkChunk(parseJson(text, failure));
    if (ENDS.has(chunk.type)) this.#hasEnd = true;
    out.push(chunk);
  }
}

const ENDS: ReadonlySet<string> = new Set(["finish", "abort", "error"]);

function startsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, index) => bytes[index] === byte);
}

function parseJson(text: string, failure: (cause: unknown) => ChatError): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw failure(error);
  }
}

function notJson(cause: unknown): ChatError {
  return new ChatError("model_error", "An event of the turn's stream is not JSON.", { cause });
}

function cutOff(cause?: unknown): ChatError {
  return new ChatError("model_error", "The turn's stream ended in the middle of an event.", { cause });
}
