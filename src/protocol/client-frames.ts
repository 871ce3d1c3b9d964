// What a client may send, as zod schemas: server side only (the browser bundle has no zod).
// Nothing that is not written here gets past this file: unknown keys, roles, tool parts and file URLs are refused.
import { z } from "zod";
import { ChatError } from "../errors.ts";
import type { ClientFrame, Command, SendCommand } from "./frames.ts";
import type { Part } from "./messages.ts";
import { utf8Length } from "./bytes.ts";
import { isDeeperThan, withoutNested } from "./json-depth.ts";
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

const parts = z.array(textPart).min(1).max(LIMITS.maxParts);
const body = z.unknown().optional();
const callId = z.string().min(1).max(256);
const reason = z.string().max(LIMITS.maxReasonLength);

const edit = z.union([
  z.strictObject({ type: z.literal("edit"), id, epoch, turnId: id, parts, body }),
  z.strictObject({ type: z.literal("edit"), id, epoch, messageId: id, newMessageId: id, parts, body }),
]);

const resolve = z.union([
  z.strictObject({
    type: z.literal("resolve"),
    id,
    epoch,
    turnId: id,
    approvalId: callId,
    approved: z.boolean(),
    reason: reason.optional(),
  }),
  z
    .strictObject({
      type: z.literal("resolve"),
      id,
      epoch,
      turnId: id,
      callId,
      output: z.unknown().optional(),
      errorText: reason.optional(),
    })
    .refine((frame) => (frame.output === undefined) !== (frame.errorText === undefined), "give `output` or `errorText`"),
]);

const set = z.union([
  z.strictObject({
    type: z.literal("set"),
    id,
    epoch,
    field: z.literal("state"),
    value: z.record(z.string(), z.unknown()),
    ifRev: z.int().min(0).optional(),
  }),
  z.strictObject({
    type: z.literal("set"),
    id,
    epoch,
    field: z.literal("title"),
    value: z.string().min(1).max(LIMITS.maxTitleLength).nullable(),
    ifRev: z.int().min(0).optional(),
  }),
]);

const FRAME_SCHEMAS = {
  send,
  edit,
  regenerate: z.strictObject({ type: z.literal("regenerate"), id, epoch, messageId: id, body }),
  continue: z.strictObject({ type: z.literal("continue"), id, epoch, messageId: id, body }),
  resolve,
  claim: z.strictObject({ type: z.literal("claim"), id, epoch, turnId: id, callId }),
  set,
  // Server code says what the parts are: a text, data of the app, a source. The wire refuses it by role.
  append: z.strictObject({
    type: z.literal("append"),
    id,
    epoch: epoch.optional(),
    parts: z
      .array(z.looseObject({ type: z.string() }))
      .min(1)
      .max(LIMITS.maxParts) as unknown as z.ZodType<Part[]>,
    metadata: z.unknown().optional(),
  }),
  stop: z.strictObject({ type: z.literal("stop"), id, epoch, turnId: id }),
  cancel: z.strictObject({ type: z.literal("cancel"), id, epoch, turnId: id }),
  page: z.union([
    z.strictObject({ type: z.literal("page"), id, before: id }),
    z.strictObject({ type: z.literal("page"), id, message: id, part: z.int().min(0) }),
  ]),
  sync: z.strictObject({ type: z.literal("sync"), id, cursor: z.string().max(256) }),
  window: z.strictObject({ type: z.literal("window"), mark: z.string().max(64) }),
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
    const error = new ChatError("bad_frame", `A frame may nest at most ${LIMITS.maxFrameDepth} levels deep.`);
    // Without its id in the refusal, the client would wait for an answer for ever.
    const parsed = tryParse(withoutNested(data));
    return { error, ...(parsed && refOf(parsed.value)) };
  }
  const parsed = tryParse(data);
  return parsed ? checkFrame(parsed.value) : { error: new ChatError("bad_frame", "The frame is not valid JSON.") };
}

function tryParse(text: string): { value: unknown } | null {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return null;
  }
}

function refOf(value: unknown): { ref?: string } {
  const { id } = (value ?? {}) as { id?: unknown };
  return typeof id === "string" ? { ref: id.slice(0, 64) } : {};
}

/** Checks a frame that is already a value (from an HTTP body, or over RPC). Never throws. */
export function checkFrame(value: unknown): ParsedFrame {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !("type" in value) || typeof value.type !== "string") {
    return { error: new ChatError("bad_frame", "A frame is one JSON object with a string `type`.") };
  }
  const ref = refOf(value);
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
  if (frame.type === "page" || frame.type === "sync" || frame.type === "window") {
    throw new ChatError("bad_frame", `A ${frame.type} is no command: send it over a socket.`);
  }
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
