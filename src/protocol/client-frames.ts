// What a client may send, as zod schemas: server side only (the browser bundle has no zod).
// Nothing that is not written here gets past this file: unknown keys, roles, tool parts and file URLs are refused.
import { z } from "zod";
import { ChatError } from "../errors.ts";
import type { ClientFrame, Command, SendCommand } from "./frames.ts";
import { utf8Length } from "./bytes.ts";
import { isDeeperThan } from "./json-depth.ts";
import { LIMITS } from "./limits.ts";

const id = z.string().regex(/^[\w-]{8,64}$/, "must be 8 to 64 characters of A-Z a-z 0-9 _ -");
const epoch = z.string().regex(/^[\w-]{1,64}$/);
const textPart = z.strictObject({ type: z.literal("text"), text: z.string().min(1) });

const send = z.strictObject({
  type: z.literal("send"),
  id,
  epoch: epoch.optional(),
  messageId: id,
  parts: z.array(textPart).min(1).max(LIMITS.maxParts),
  body: z.unknown().optional(),
});

const FRAME_SCHEMAS = {
  send,
  stop: z.strictObject({ type: z.literal("stop"), id, epoch, turnId: id }),
  cancel: z.strictObject({ type: z.literal("cancel"), id, epoch, turnId: id }),
  page: z.strictObject({ type: z.literal("page"), id, before: id }),
  sync: z.strictObject({ type: z.literal("sync"), id, cursor: z.string().max(256) }),
} satisfies Record<ClientFrame["type"], z.ZodType<ClientFrame>>;

/** A frame, or why it was refused; `ref` is the frame's id where that could be read. */
export type ParsedFrame = { frame: ClientFrame } | { error: ChatError; ref?: string };

/** Reads one frame from a client. Never throws. Bytes and depth are bounded before anything is parsed. */
export function parseClientFrame(data: string | ArrayBuffer): ParsedFrame {
  if (typeof data !== "string") return { error: new ChatError("bad_frame", "Frames are JSON text; this one was binary.") };
  if (exceedsBytes(data, LIMITS.maxFrameBytes)) {
    return { error: new ChatError("too_large", `A frame may have at most ${LIMITS.maxFrameBytes} bytes.`) };
  }
  if (isDeeperThan(data, LIMITS.maxFrameDepth)) {
    return { error: new ChatError("bad_frame", `A frame may nest at most ${LIMITS.maxFrameDepth} levels deep.`) };
  }
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return { error: new ChatError("bad_frame", "The frame is not valid JSON.") };
  }
  return checkFrame(value);
}

/** Checks a frame that is already a value (from an HTTP body, or over RPC). Never throws. */
export function checkFrame(value: unknown): ParsedFrame {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !("type" in value) || typeof value.type !== "string") {
    return { error: new ChatError("bad_frame", "A frame is one JSON object with a string `type`.") };
  }
  const ref = "id" in value && typeof value.id === "string" ? { ref: value.id.slice(0, 64) } : {};
  if (!Object.hasOwn(FRAME_SCHEMAS, value.type)) {
    return { error: new ChatError("unknown_frame", `This server knows no frame of type "${value.type.slice(0, 40)}".`), ...ref };
  }
  const schema: z.ZodType<ClientFrame> = FRAME_SCHEMAS[value.type as ClientFrame["type"]];
  const parsed = schema.safeParse(value);
  if (parsed.success) return { frame: parsed.data };
  const issue = parsed.error.issues[0];
  const where = issue?.path.length ? ` at ${issue.path.join(".").slice(0, 80)}` : "";
  return {
    error: new ChatError("bad_frame", `The ${value.type} frame is not valid${where}: ${issue?.message ?? "unknown reason"}`),
    ...ref,
  };
}

/**
 * Checks a command that comes by HTTP or RPC. Reads are for sockets.
 * @throws {ChatError} `bad_frame`, `unknown_frame`, `too_large`
 */
export function parseCommand(value: unknown): Command {
  const parsed = parseClientFrame(JSON.stringify(value) ?? "");
  if ("error" in parsed) throw parsed.error;
  const { frame } = parsed;
  if (frame.type === "page" || frame.type === "sync") throw new ChatError("bad_frame", `A ${frame.type} is a read: send it over a socket.`);
  return frame;
}

/**
 * Checks the command that rides in a ticket request: only a `send`, without an epoch (there is none yet).
 * @throws {ChatError} `bad_frame`, `too_large`
 */
export function parseFirstCommand(value: unknown): SendCommand {
  const frame = parseCommand(value);
  if (frame.type !== "send" || frame.epoch !== undefined) {
    throw new ChatError("bad_frame", "A ticket request may carry only a send command, without an epoch.");
  }
  return frame;
}

function exceedsBytes(text: string, max: number): boolean {
  if (text.length > max) return true;
  return text.length * 3 > max && utf8Length(text) > max;
}
