import type { AdmitRequest } from "../auth/admissions.ts";
import { createSigner } from "../auth/secret.ts";
import { signTicket } from "../auth/ticket.ts";
import type { TicketResponse } from "../protocol/frames.ts";
import { PROTOCOL } from "../protocol/limits.ts";
import type { Principal } from "../protocol/principal.ts";
import { stubOf } from "./namespace.ts";
import type { RouteContext } from "./options.ts";
import { toChatError } from "./responses.ts";

/**
 * A ticket for `principal`, when the object lets it in. With `create` it may make the thread, also with its first message.
 * @throws {ChatError} the refusal of the object
 */
export async function admit(
  principal: Principal,
  threadId: string,
  wish: Pick<AdmitRequest, "create" | "command">,
  context: RouteContext,
): Promise<TicketResponse> {
  const { origin } = context.auth;
  const tenant = principal.tenant ?? "";
  const answer = await stubOf(context.namespace, tenant, threadId).admit({ principal, tenant, threadId, origin, ...wish });
  if (!answer.ok) throw toChatError(answer.error);
  const { nonce, boot, expiresAt, ack } = answer;
  const { basePath } = context;
  const payload = { nonce, boot, thread: threadId, tenant, basePath, origin, version: PROTOCOL, expiresAt };
  const ticket = await signTicket(createSigner(context.secret, "ticket"), payload);
  return { ticket, expiresAt, ...(ack ? { ack } : {}) };
}
