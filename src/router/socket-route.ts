import { createSigner } from "../auth/secret.ts";
import { ticketOfUpgrade, verifyTicket } from "../auth/ticket.ts";
import { stubOf } from "./namespace.ts";
import type { RouteContext } from "./options.ts";

/**
 * `GET /threads/:id/socket`: refuses every ticket that is not ours or not for here before the object is touched, then hands the
 * upgrade over as it came. The object's answer goes back as it is: a copy would lose the socket.
 */
export async function handleSocket(request: Request, threadId: string, context: RouteContext): Promise<Response> {
  const ticket = ticketOfUpgrade(request);
  const { origin, now } = context.auth;
  const use = { thread: threadId, basePath: context.basePath, origin, now };
  const { tenant } = await verifyTicket(createSigner(context.secret, "ticket"), ticket, use);
  return stubOf(context.namespace, tenant, threadId).fetch(request);
}
