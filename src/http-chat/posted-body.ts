// Reads a posted transcript without holding it. A page posts its whole history each time, and only the end of it counts: what is
// kept of a body is its last message and the fields beside the transcript, both bounded, however long it is.
import { ChatError } from "../errors.ts";
import { isDeeperThan } from "../protocol/json-depth.ts";

/** Of the whole body. What is read and dropped costs time, but no memory. */
const MAX_BODY_BYTES = 33_554_432;
/** Of the last message, and of all that is no message. */
const MAX_KEPT_BYTES = 4_194_304;
/** A payload of a message has 32 levels at most; it stands in a part, a message, the list and the body. */
const MAX_DEPTH = 40;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
/** The key of the transcript, with its colon. */
const TRANSCRIPT = "messages:";

/** Bytes that are kept, up to a bound; over it, only that they were too many. */
class Kept {
  #pieces: Uint8Array[] = [];
  #length = 0;

  add(piece: Uint8Array): void {
    this.#length += piece.length;
    // A copy, so that the chunk that it is a view of can go.
    if (this.isWhole) this.#pieces.push(piece.slice());
    else this.#pieces = [];
  }

  get isWhole(): boolean {
    return this.#length <= MAX_KEPT_BYTES;
  }

  clear(): void {
    this.#pieces = [];
    this.#length = 0;
  }

  get pieces(): readonly Uint8Array[] {
    return this.#pieces;
  }
}

/** Takes the bytes of a JSON object; what it keeps is that object with the last entry of `messages` alone. */
class LastOfTranscript {
  readonly #rest = [new Kept(), new Kept()] as const;
  readonly #entry = new Kept();
  #depth = 0;
  #isInString = false;
  /** Whether the chunk ended with a backslash that escapes what comes. */
  #isEscaped = false;
  /** The string that stands at the top level of the object, as far as it may be a key: the last one. */
  #key = "";
  /** 0 before the transcript, 1 inside, 2 behind it. */
  #stage = 0;

  take(chunk: Uint8Array): void {
    let from = 0;
    const keep = (to: number) => {
      (this.#stage === 1 ? this.#entry : this.#rest[this.#stage === 0 ? 0 : 1]).add(chunk.subarray(from, to));
      from = to;
    };
    for (let at = 0; at < chunk.length; at++) {
      if (this.#isInString) {
        at = this.#skipString(chunk, at);
        continue;
      }
      const byte = chunk[at];
      if (byte === QUOTE) {
        this.#isInString = true;
        if (this.#depth === 1) this.#key = "";
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        const isTranscript = ++this.#depth === 2 && byte === OPEN_LIST && this.#stage === 0 && this.#key === TRANSCRIPT;
        if (!isTranscript) continue;
        keep(at + 1);
        this.#stage = 1;
      } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
        if (--this.#depth !== 1 || this.#stage !== 1) continue;
        keep(at);
        this.#stage = 2;
      } else if (byte === COMMA && this.#depth === 2 && this.#stage === 1) {
        this.#entry.clear();
        from = at + 1;
      } else if (this.#depth === 1 && byte === COLON) this.#key += ":";
      else if (this.#depth === 1 && byte === COMMA) this.#key = "";
    }
    keep(chunk.length);
  }

  /** Goes on in a string, to its end or that of the chunk: most of a transcript is text, and what is native finds quotes fast. */
  #skipString(chunk: Uint8Array, at: number): number {
    const found = chunk.indexOf(QUOTE, at);
    const end = found < 0 ? chunk.length : found;
    let slashes = end;
    while (slashes > at && chunk[slashes - 1] === BACKSLASH) slashes--;
    // The one that an earlier chunk ended with counts when nothing stands between.
    const isEscaped = ((end - slashes) % 2 === 1) !== (slashes === at && this.#isEscaped);
    if (this.#depth === 1 && this.#key.length <= TRANSCRIPT.length) {
      this.#key += String.fromCharCode(...chunk.subarray(at, Math.min(end, at + TRANSCRIPT.length)));
    }
    this.#isEscaped = found < 0 && isEscaped;
    this.#isInString = found < 0 || isEscaped;
    return end;
  }

  /** @throws {ChatError} `too_large` */
  get pieces(): Uint8Array[] {
    const [before, behind] = this.#rest;
    const all = [before, this.#entry, behind];
    if (!all.every(({ isWhole }) => isWhole)) {
      throw new ChatError(
        "too_large",
        `The last message may have at most ${MAX_KEPT_BYTES} bytes, and so may what is beside the messages.`,
      );
    }
    return all.flatMap(({ pieces }) => pieces);
  }
}

/**
 * The body of a request as an object, with the last entry of `messages` alone.
 * @throws {ChatError} `too_large`; `bad_request` when it is not `application/json`, cut, not UTF-8, not JSON, nested too deeply, or
 * not an object
 */
export async function readPostedBody(request: Request): Promise<Record<string, unknown>> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new ChatError("bad_request", "The body must have the content type application/json.");
  const text = decode(await readLast(request));
  if (isDeeperThan(text, MAX_DEPTH)) throw new ChatError("bad_request", "The body is nested too deeply.");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ChatError("bad_request", "The body is not JSON.", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ChatError("bad_request", "The body must be a JSON object.");
  return value as Record<string, unknown>;
}

async function readLast({ headers, body }: Request): Promise<Uint8Array[]> {
  const tooLarge = () => new ChatError("too_large", `The body may have at most ${MAX_BODY_BYTES} bytes: post only the last message.`);
  if (Number(headers.get("content-length")) > MAX_BODY_BYTES) throw tooLarge();
  const last = new LastOfTranscript();
  const reader = body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
  for (let length = 0; reader;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw new ChatError("bad_request", "The body ended before it was complete.", { cause });
    });
    if (done) break;
    length += value.length;
    if (length > MAX_BODY_BYTES) {
      await reader.cancel();
      throw tooLarge();
    }
    last.take(value);
  }
  return last.pieces;
}

function decode(pieces: Uint8Array[]): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  try {
    return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
  } catch (cause) {
    throw new ChatError("bad_request", "The body is not UTF-8.", { cause });
  }
}
