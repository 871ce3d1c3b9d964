// The ticket that opens one socket: what the object noted (nonce, boot), bound to where it may be used, signed by the Worker.
// The signature keeps forged and misplaced tickets away from the object; single use is the object's own memory (admissions.ts).
import { ChatError } from "../errors.ts";
import { PROTOCOL, TICKET_PROTOCOL_PREFIX } from "../protocol/limits.ts";
import { encodeBase64url, tryDecodeBase64url } from "./base64url.ts";
import type { Signer } from "./secret.ts";

/** What a ticket says. */
export interface TicketPayload {
  nonce: string;
  /** Id of the object's present life: a ticket from before an eviction names another one. */
  boot: string;
  thread: string;
  /** "" for none. */
  tenant: string;
  basePath: string;
  /** Origin of the ticket request; "" when it had none. */
  origin: string;
  /** Protocol version that the ticket was made for. */
  version: string;
  /** Epoch ms. */
  expiresAt: number;
}

/** The upgrade that a ticket has to fit. */
export interface TicketUse {
  thread: string;
  basePath: string;
  origin: string;
  /** Epoch ms. */
  now: number;
}

const MAX_TICKET_CHARS = 4_096;

/** The ticket as `base64url(json).base64url(hmac)`: characters that a subprotocol may hold, no padding. */
export async function signTicket(signer: Signer, payload: TicketPayload): Promise<string> {
  const body = encodeBase64url(new TextEncoder().encode(JSON.stringify(payload)));
  return `${body}.${await signer.sign(body)}`;
}

/**
 * What a ticket says, when it is ours and fits this use.
 *
 * @throws {ChatError} `bad_ticket`, the same one whatever was wrong: a client does the same about all of them.
 */
export async function verifyTicket(signer: Signer, ticket: string, use: TicketUse): Promise<TicketPayload> {
  const payload = tryReadTicket(ticket);
  if (!payload) throw badTicket();
  const [body, signature] = ticket.split(".") as [string, string];
  if (!(await signer.verify(body, signature)) || !fits(payload, use)) throw badTicket();
  return payload;
}

/** What a ticket says without proof that it is ours. For the object, to which only a nonce that it remembers means anything. */
export function tryReadTicket(ticket: string): TicketPayload | null {
  if (ticket.length > MAX_TICKET_CHARS) return null;
  const [body, signature, ...rest] = ticket.split(".");
  if (!body || !signature || rest.length > 0) return null;
  const bytes = tryDecodeBase64url(body);
  if (!bytes) return null;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isPayload(value) ? value : null;
  } catch {
    return null; // Not JSON: JSON.parse is the only thing here that throws.
  }
}

/**
 * The ticket that a WebSocket upgrade offers as its second subprotocol.
 *
 * @throws {ChatError} `unsupported_protocol` when it is no upgrade or does not offer our version; `bad_ticket` without one ticket.
 */
export function ticketOfUpgrade(request: Request): string {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket")
    throw new ChatError("unsupported_protocol", "This address takes WebSocket upgrades only.");
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((protocol) => protocol.trim());
  if (!offered.includes(PROTOCOL)) throw new ChatError("unsupported_protocol", `The upgrade must offer the subprotocol ${PROTOCOL}.`);
  const tickets = offered.filter((protocol) => protocol.startsWith(TICKET_PROTOCOL_PREFIX));
  if (tickets.length !== 1) throw badTicket();
  return tickets[0]!.slice(TICKET_PROTOCOL_PREFIX.length);
}

function fits(payload: TicketPayload, use: TicketUse): boolean {
  return (
    payload.expiresAt > use.now &&
    payload.thread === use.thread &&
    payload.basePath === use.basePath &&
    payload.origin === use.origin &&
    payload.version === PROTOCOL
  );
}

function isPayload(value: unknown): value is TicketPayload {
  if (typeof value !== "object" || value === null) return false;
  const payload = value as Record<keyof TicketPayload, unknown>;
  const texts = [payload.nonce, payload.boot, payload.thread, payload.tenant, payload.basePath, payload.origin, payload.version];
  return texts.every((text) => typeof text === "string") && typeof payload.expiresAt === "number";
}

function badTicket(): ChatError {
  return new ChatError("bad_ticket", "The ticket does not open this socket: ask for a new one.");
}
