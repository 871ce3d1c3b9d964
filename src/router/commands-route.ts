import { authenticateRequest } from "../auth/authenticate.ts";
import { LIMITS } from "../protocol/limits.ts";
import { readJsonObject } from "./json-body.ts";
import { stubOf } from "./namespace.ts";
import type { RouteContext } from "./options.ts";
import { jsonResponse, toChatError } from "./responses.ts";

/** `POST /threads/:id/commands`: one command, the same frame that a socket would carry, answered by its ack. */
export async function handleCommand(request: Request, threadId: string, context: RouteContext): Promise<Response> {
  const principal = await authenticateRequest(request, context.authenticate, context.auth);
  const command = await readJsonObject(request, LIMITS.maxFrameBytes);
  const tenant = principal.tenant ?? "";
  const answer = await stubOf(context.namespace, tenant, threadId).command({ principal, tenant, threadId, command });
  if (!answer.ok) throw toChatError(answer.error);
  return jsonResponse({ ack: answer.ack }, context.headers);
}
