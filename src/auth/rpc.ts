// What the Worker asks of the object over RPC, beside a ticket. Answers are data: errors lose their type on the way.
import type { ErrorBody } from "../errors.ts";
import type { AckFrame } from "../protocol/frames.ts";
import type { Message } from "../protocol/messages.ts";
import type { Principal } from "../protocol/principal.ts";

/** A command that comes by HTTP or from `getThread`. The principal is authenticated, nothing else is trusted. */
export interface CommandRequest {
  principal: Principal;
  /** Of the thread's address; "" for none. */
  tenant: string;
  threadId: string;
  /** Checked by the object. From a `system:` principal it may come without `epoch`, and a `stop` without `turnId`. */
  command: unknown;
  /** Make the thread when it does not exist. Only from a `system:` principal. */
  create?: { owner: string };
}

export type CommandAnswer = { ok: true; ack: AckFrame } | { ok: false; error: ErrorBody };

export interface PageRequest {
  principal: Principal;
  /** Id of a message: the page that ends before it. Absent for the last page. */
  before?: string;
}

export type PageAnswer = { ok: true; messages: Message[]; hasEarlier: boolean } | { ok: false; error: ErrorBody };

const SYSTEM_PREFIX = "system:";

/** True for a principal of the server itself. `authenticate` never gives one: only code with the binding can be one. */
export function isSystem(principal: Principal): boolean {
  return principal.id.startsWith(SYSTEM_PREFIX);
}
