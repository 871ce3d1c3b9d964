import type { AdmitRequest } from "../auth/admissions.ts";
import { authenticateRequest } from "../auth/authenticate.ts";
import { ChatError } from "../errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import { admit } from "./admit.ts";
import { readJsonObject } from "./json-body.ts";
import type { RouteContext } from "./options.ts";
import { jsonResponse } from "./responses.ts";

/**
 * `POST /threads/:id/ticket`: who is it, may they come in (the object decides), and the ticket that says so.
 * A foreign and a missing thread get the object's one answer.
 */
export async function handleTicket(request: Request, threadId: string, context: RouteContext): Promise<Response> {
  // Before the body: a visitor whom nobody knows costs no reading.
  const principal = await authenticateRequest(request, context.authenticate, context.auth);
  const wish = parseTicketRequest(await readJsonObject(request, LIMITS.maxFrameBytes));
  return jsonResponse(await admit(principal, threadId, wish, context), context.headers);
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
