// One live socket with its principal and its app's value. Both are in the socket attachment, so they survive hibernation.
import { ChatError, ERRORS, type ErrorCode } from "../errors.ts";
import { utf8Length } from "../protocol/bytes.ts";
import type { MarkFrame, ServerFrame, WindowFrame } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Principal } from "../protocol/principal.ts";
import { encodeFrame } from "../protocol/stubs.ts";
import { Flow } from "./flow.ts";
import { RateLimit } from "./rate.ts";

/** The part of the platform's server socket that chatcell uses. */
export interface ServerSocket {
  send(data: string): void;
  close(code?: number, reason?: string): void;
  serializeAttachment(value: unknown): void;
  deserializeAttachment(): unknown;
}

/** What the attachment holds, as UTF-8 JSON: strings of mixed scripts would take two bytes a character after structured clone. */
interface Attachment {
  id: string;
  principal: Principal;
  state?: unknown;
}

/** Checks an app's connection state; throws when it does not fit. */
export type StateParser = (value: unknown) => unknown;

/** What the sockets of one object share. */
export interface ConnectionDeps {
  parseState: StateParser;
  /** Epoch ms. */
  now: () => number;
  /** An id that nobody can guess. */
  newId: () => string;
}

/** A frame as it goes to every socket, made once. */
export interface EncodedFrame {
  text: string;
  /** UTF-8 bytes. */
  bytes: number;
}

export function encode(frame: ServerFrame): EncodedFrame {
  const text = encodeFrame(frame);
  return { text, bytes: utf8Length(text) };
}

/**
 * One live socket, as the app's hooks see it.
 *
 * `principal` and `state` survive hibernation: they are kept in the socket attachment.
 */
export interface Connection<State = unknown> {
  /** Unique among the sockets of this thread. */
  readonly id: string;
  readonly principal: Principal;
  /** The app's value; undefined until `setState`. */
  readonly state: State | undefined;
  /**
   * Replaces the app's value; kept through hibernation.
   * @throws {ChatError} `state_too_large` when it has more than 12,288 UTF-8 bytes as JSON, `bad_request` when the class's
   * `connectionState` schema refuses it; the old value stays
   */
  setState(value: State): void;
  /**
   * Sends a transient event to this client: not stored, not replayed. Nothing happens when the socket is closing.
   * @throws {TypeError} when `data` has no JSON form
   */
  send(event: string, data?: unknown): void;
  /** Closes the socket with the close code of an error; the client sees the code as a typed reason. */
  close(code: ErrorCode): void;
}

export class SocketConnection implements Connection {
  readonly id: string;
  readonly principal: Principal;
  readonly #socket: ServerSocket;
  readonly #parseState: StateParser;
  /** HIBERNATION: starts full again, which only a client that was silent for ten seconds can gain from. */
  readonly #rate: RateLimit;
  readonly #flow: Flow;
  readonly #now: () => number;
  #state: unknown;
  /** The other side may still be sending: nothing of that counts any more. */
  isClosing = false;

  private constructor(socket: ServerSocket, attachment: Attachment, { parseState, now, newId }: ConnectionDeps) {
    this.id = attachment.id;
    this.principal = attachment.principal;
    this.#state = attachment.state;
    this.#socket = socket;
    this.#parseState = parseState;
    this.#rate = new RateLimit(LIMITS.commandsPerSecond, LIMITS.commandBurst, now());
    this.#flow = new Flow(newId);
    this.#now = now;
  }

  /** Marks a new socket as this principal's. */
  static create(socket: ServerSocket, { id, principal }: Pick<Attachment, "id" | "principal">, deps: ConnectionDeps): SocketConnection {
    const connection = new SocketConnection(socket, { id, principal }, deps);
    connection.#save(undefined);
    return connection;
  }

  /** The connection of a socket that outlived the last incarnation; null for a socket that is not ours. */
  static tryRestore(socket: ServerSocket, deps: ConnectionDeps): SocketConnection | null {
    const bytes = socket.deserializeAttachment();
    if (!(bytes instanceof Uint8Array)) return null;
    return new SocketConnection(socket, JSON.parse(new TextDecoder().decode(bytes)) as Attachment, deps);
  }

  get state(): unknown {
    return this.#state;
  }

  setState(value: unknown): void {
    const state = this.#parseState(value);
    const bytes = utf8Length(JSON.stringify(state) ?? "");
    if (bytes > LIMITS.maxConnectionStateBytes) {
      throw new ChatError(
        "state_too_large",
        `Connection state may have at most ${LIMITS.maxConnectionStateBytes} bytes as JSON; this has ${bytes}.`,
      );
    }
    this.#save(state);
    this.#state = state;
  }

  send(event: string, data?: unknown): void {
    this.deliver({ type: "event", event, ...(data !== undefined ? { data } : {}) });
  }

  close(code: ErrorCode): void {
    this.isClosing = true;
    try {
      this.#socket.close(ERRORS[code].close, code);
    } catch {
      // The socket is closed already: what was asked for is so.
    }
  }

  /** Takes one command from this connection's rate. */
  takeCommand(now: number): boolean {
    return this.#rate.take(now);
  }

  /** Sends frames that belong together. */
  deliver(...frames: ServerFrame[]): void {
    this.deliverEncoded(frames.map(encode));
  }

  /**
   * Sends frames that belong together: all of them, or none, when the client is too far behind. It is closed then, gets nothing
   * more, and comes back with its cursor. A socket that is dying must not keep the others from theirs, so nothing that the
   * socket throws goes on.
   */
  deliverEncoded(frames: readonly EncodedFrame[]): void {
    if (this.isClosing) return;
    const marks = this.#flow.send(
      frames.map(({ bytes }) => bytes),
      this.#now(),
    );
    if (!marks) return this.close("too_slow");
    try {
      for (const [index, { text }] of frames.entries()) {
        this.#socket.send(text);
        const mark = marks[index];
        if (mark) this.#socket.send(JSON.stringify({ type: "mark", mark } satisfies MarkFrame));
      }
    } catch {
      // workerd throws for a socket that is closing; its client comes back with its cursor.
    }
  }

  /** Takes what the client sends back of a mark. */
  confirm({ mark }: WindowFrame): void {
    this.#flow.confirm(mark);
  }

  #save(state: unknown): void {
    const attachment: Attachment = { id: this.id, principal: this.principal, ...(state !== undefined ? { state } : {}) };
    this.#socket.serializeAttachment(new TextEncoder().encode(JSON.stringify(attachment)));
  }
}
