// Reads a request body that may come from anyone: bounded in bytes before it is held, in depth before it is parsed.
import { ChatError } from "../errors.ts";
import { isDeeperThan } from "../protocol/json-depth.ts";
import { LIMITS } from "../protocol/limits.ts";

/**
 * The body as a JSON object; `{}` for an empty body.
 *
 * @throws {ChatError} `too_large` over `maxBytes`, of which never more is held; `bad_request` when it is not `application/json`,
 * not UTF-8, not JSON, nested too deeply, or not an object.
 */
export async function readJsonObject(request: Request, maxBytes: number): Promise<Record<string, unknown>> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== undefined && type !== "application/json") throw wrongType();
  const text = decodeUtf8(await readBytes(request, maxBytes));
  if (text === "") return {};
  if (type === undefined) throw wrongType();
  // One level more than a frame may have: the frame is inside this object.
  if (isDeeperThan(text, LIMITS.maxFrameDepth + 1)) throw new ChatError("bad_request", "The body is nested too deeply.");
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ChatError("bad_request", "The body must be a JSON object.");
  return value as Record<string, unknown>;
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length")) > maxBytes) throw tooLarge(maxBytes);
  if (!request.body) return new Uint8Array();
  const reader = request.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw new ChatError("bad_request", "The body ended before it was complete.", { cause });
    });
    if (done) return concat(chunks, length);
    length += value.length;
    if (length > maxBytes) {
      await reader.cancel();
      throw tooLarge(maxBytes);
    }
    chunks.push(value);
  }
}

function concat(chunks: Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (cause) {
    throw new ChatError("bad_request", "The body is not UTF-8.", { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new ChatError("bad_request", "The body is not JSON.", { cause });
  }
}

function tooLarge(maxBytes: number): ChatError {
  return new ChatError("too_large", `The body has more than ${maxBytes} bytes.`);
}

function wrongType(): ChatError {
  return new ChatError("bad_request", "The body must have the content type application/json.");
}
