// Every bound of the wire in one object. A later release may raise one; the server tells its clients in `welcome`. The
// bounds that the browser client knows itself are also constants of their own: the bundle carries no other.

/** Subprotocol of this version: the server always selects it. */
export const PROTOCOL = "chatcell.v1";

/** Prefix of the second offered subprotocol, which carries the ticket. */
export const TICKET_PROTOCOL_PREFIX = "ticket.";

/** Text that a client sends to learn whether the socket lives; the runtime answers {@link PONG} without waking the object. */
export const PING = "ping";
export const PONG = "pong";

/** UTF-8 bytes of one frame from a client. The platform would take 32 MiB. */
export const MAX_FRAME_BYTES = 1_048_576;

/** Parts in one `send`. */
export const MAX_PARTS = 64;

/** UTF-8 bytes (as JSON) of one payload: a tool input or output, a file, the data of a data part. A larger one travels as a stub. */
export const MAX_PAYLOAD_BYTES = 262_144;

export const LIMITS = {
  maxFrameBytes: MAX_FRAME_BYTES,
  /** Nesting of arrays and objects in one frame from a client. */
  maxFrameDepth: 32,
  maxParts: MAX_PARTS,
  /** UTF-8 bytes of one message, also of a reply. */
  maxMessageBytes: 16_777_216,
  /** Turns that wait behind the running one. */
  maxQueue: 20,
  /** Characters (as JSON) of all that waits in the queue: every change of it is sent to every connection. */
  maxQueueLength: 1_048_576,
  /** Sockets of one thread. The platform would take 32,768. */
  maxConnections: 1_000,
  /** Tickets of one thread that are issued and not yet used. */
  maxAdmissions: 1_000,
  /** The same, of one principal: nobody can use up all of them. */
  maxAdmissionsPerPrincipal: 100,
  /** Life of a ticket. */
  ticketTtlMs: 30_000,
  /** Commands and reads of one connection: refill rate and burst. */
  commandsPerSecond: 20,
  commandBurst: 40,
  /** A page of history ends at whichever comes first; it always holds at least one message. */
  pageMessages: 25,
  pageBytes: 262_144,
  /** A reconnecting client that lacks more bytes of chunks than this gets the live state instead. */
  maxReplayBytes: 262_144,
  maxPayloadBytes: MAX_PAYLOAD_BYTES,
  /** UTF-8 bytes to one socket after which a `mark` follows. */
  markEveryBytes: 65_536,
  /** UTF-8 bytes that one client may be behind, beyond the largest burst that it is still reading. */
  maxBehindBytes: 1_048_576,
  /** UTF-8 bytes (as JSON) of an app's connection state: it shares the 16,384-byte socket attachment with the principal. */
  maxConnectionStateBytes: 12_288,
  /** UTF-8 bytes (as JSON) of a principal's claims. */
  maxClaimsBytes: 1_024,
  /** UTF-8 bytes (as JSON) of an app's state of a thread: each change of it is sent to every connection. */
  maxStateBytes: 65_536,
  /** Characters of a title. */
  maxTitleLength: 200,
  /** Characters of the reason of an answer, and of the error text of a client tool. */
  maxReasonLength: 2_000,
  /** UTF-8 bytes (as JSON) of the per-request `body` of a `send`. */
  maxBodyBytes: 16_384,
} as const;

/** The limits that a client can act on, as `welcome` carries them. */
export type ClientLimits = Record<"maxFrameBytes" | "maxParts" | "maxQueue" | "commandsPerSecond" | "commandBurst", number>;
