import type { AdmitRequest } from "../auth/admissions.ts";
import { authenticateRequest } from "../auth/authenticate.ts";
import { createSigner } from "../auth/secret.ts";
import { signTicket } from "../auth/ticket.ts";
import { ChatError } from "../errors.ts";
import type { TicketResponse } from "../protocol/frames.ts";
import { LIMITS, PROTOCOL } from "../protocol/limits.ts";
import { readJsonObject } from "./json-body.ts";
import { stubOf } from "./namespace.ts";
import type { RouteContext } from "./options.ts";
import { jsonResponse, toChatError } from "./responses.ts";

/**
 * `POST /threads/:id/ticket`: who is it, may they come in (the object decides), and the ticket that says so.
 * A foreign and a missing thread get the object's one answer.
 */
export async function handleTicket(request: Request, threadId: string, context: RouteContext): Promise<Response> {
  // Before the body: a visitor whom nobody knows costs no reading.
  const principal = await authenticateRequest(request, context.authenticate, context.auth);
  const wish = parseTicketRequest(await readJsonObject(request, LIMITS.maxFrameBytes));
  const { origin } = context.auth;
  const tenant = principal.tenant ?? "";
  const answer = await stubOf(context.namespace, tenant, threadId).admit({ principal, tenant, threadId, origin, ...wish });
  if (!answer.ok) throw toChatError(answer.error);
  const { nonce, boot, expiresAt, ack } = answer;
  const { basePath } = context;
  const payload = { nonce, boot, thread: threadId, tenant, basePath, origin, version: PROTOCOL, expiresAt };
  const ticket = await signTicket(createSigner(context.secret, "ticket"), payload);
  return jsonResponse({ ticket, expiresAt, ...(ack ? { ack } : {}) } satisfies TicketResponse, context.headers);
}

/** Only what costs nothing to see; the object checks the command by its schema. Unknown fields are a newer client's. */
function parseTicketRequest(body: Record<string, unknown>): Pick<AdmitRequest, "create" | "command"> {
  const { create, command } = body;
  if (create !== undefined && typeof create !== "boolean") throw new ChatError("bad_request", "`create` must be true or false.");
  const wish = create === undefined ? {} : { create };
  if (command === undefined) return wish;
  if (typeof command !== "object" || command === null || !("type" in command) || command.type !== "send")
    throw new ChatError("bad_request", "`command` must be a `send` command.");
  if (create !== true) throw new ChatError("bad_request", "`command` goes only with `create: true`; send others over the socket.");
  if ("epoch" in command) throw new ChatError("bad_request", "`command` must not name an epoch: the thread has none before it is made.");
  return { ...wish, command };
}
