// The object's notes of the tickets that it let the Worker sign: in memory, single use, bounded.
// HIBERNATION: lost; the client asks for a new ticket.
import { ChatError, type ErrorBody } from "../errors.ts";
import type { AckFrame } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Principal } from "../protocol/principal.ts";

/** What the Worker asks of the object before it signs a ticket. The principal is authenticated, nothing else is trusted. */
export interface AdmitRequest {
  principal: Principal;
  /** Of the principal; "" for none. */
  tenant: string;
  threadId: string;
  /** Origin of the ticket request; "" for none. */
  origin: string;
  /** Make the thread when it does not exist. */
  create?: boolean;
  /** A `SendCommand` from outside, not yet checked beyond being an object of type `send`. Only with `create`. */
  command?: unknown;
}

/** A note that became a ticket, or a refusal. A foreign and a missing thread give the same refusal. */
export type AdmitAnswer =
  | {
      ok: true;
      nonce: string;
      boot: string;
      /** Epoch ms. */
      expiresAt: number;
      ack?: AckFrame;
    }
  | { ok: false; error: ErrorBody };

/** What a ticket is made of on the object's side. */
export interface Admission {
  nonce: string;
  boot: string;
  /** Epoch ms. */
  expiresAt: number;
}

interface Note {
  principal: Principal;
  origin: string;
  expiresAt: number;
}

interface AdmissionsDeps {
  /** Epoch ms. */
  now(): number;
  newId(): string;
}

/** Admissions of one object in its present life. */
export class Admissions {
  readonly #deps: AdmissionsDeps;
  readonly #boot: string;
  readonly #notes = new Map<string, Note>();

  constructor(deps: AdmissionsDeps) {
    this.#deps = deps;
    this.#boot = deps.newId();
  }

  /**
   * Notes that `principal` may open one socket from `origin`, for `LIMITS.ticketTtlMs` or until the principal expires.
   *
   * @throws {ChatError} `too_many_admissions` when `LIMITS.maxAdmissions` are open, or `maxAdmissionsPerPrincipal` of this principal.
   */
  admit({ principal, origin }: Pick<AdmitRequest, "principal" | "origin">): Admission {
    const now = this.#deps.now();
    let own = 0;
    for (const [nonce, note] of this.#notes) {
      if (note.expiresAt <= now) this.#notes.delete(nonce);
      else if (note.principal.id === principal.id) own++;
    }
    if (this.#notes.size >= LIMITS.maxAdmissions || own >= LIMITS.maxAdmissionsPerPrincipal)
      throw new ChatError("too_many_admissions", "Too many tickets of this thread are open: try again in some seconds.");
    const nonce = this.#deps.newId();
    const expiresAt = Math.min(now + LIMITS.ticketTtlMs, principal.expiresAt ?? Infinity);
    this.#notes.set(nonce, { principal, origin, expiresAt });
    return { nonce, boot: this.#boot, expiresAt };
  }

  /** The principal of an admission, once: any use burns it, also one from the wrong origin or too late (null). Synchronous. */
  take(nonce: string, origin: string): Principal | null {
    const note = this.#notes.get(nonce);
    this.#notes.delete(nonce);
    if (!note || note.origin !== origin || note.expiresAt <= this.#deps.now()) return null;
    return note.principal;
  }
}
