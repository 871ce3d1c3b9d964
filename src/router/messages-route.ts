import { authenticateRequest } from "../auth/authenticate.ts";
import type { PageAnswer } from "../auth/rpc.ts";
import { ChatError } from "../errors.ts";
import { stubOf } from "./namespace.ts";
import type { RouteContext } from "./options.ts";
import { jsonResponse, toChatError } from "./responses.ts";

const MESSAGE_ID = /^[\w-]{1,64}$/;

/** `GET /threads/:id/messages`: a page of settled history, the last one or the one that ends before message `before`. */
export async function handleMessages(request: Request, threadId: string, context: RouteContext): Promise<Response> {
  const principal = await authenticateRequest(request, context.authenticate, context.auth);
  const before = new URL(request.url).searchParams.get("before");
  if (before !== null && !MESSAGE_ID.test(before)) throw new ChatError("bad_request", "`before` is the id of a message.");
  const stub = stubOf(context.namespace, principal.tenant ?? "", threadId);
  const answer = JSON.parse(await stub.page({ principal, ...(before !== null ? { before } : {}) })) as PageAnswer;
  if (!answer.ok) throw toChatError(answer.error);
  return jsonResponse({ messages: answer.messages, hasEarlier: answer.hasEarlier }, context.headers);
}
