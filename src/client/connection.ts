// Runs the connection machine: owns the ticket request, the socket, the one timer and the wake events. What belongs to an
// older attempt is never heard again: each has its own abort signal, and every callback looks at it first.
import type { ErrorBody, ErrorCode } from "../errors.ts";
import { PING, PONG, PROTOCOL, TICKET_PROTOCOL_PREFIX } from "../protocol/limits.ts";
import { type ConnectionEffect, type ConnectionEvent, type ConnectionState, type Line, transition } from "./connection-machine.ts";
import { page } from "./page.ts";
import { pathOf } from "./ticket-source.ts";
import type { ChatClientOptions, ClientDeps } from "./types.ts";

interface TicketAnswer {
  ticket?: string | undefined;
  error?: ErrorBody | undefined;
}

/** What a connection asks of its client. */
export interface ConnectionPorts {
  /** A new ticket, or why there will be none; throws when another attempt may help. */
  requestTicket: (signal: AbortSignal) => Promise<TicketAnswer>;
  /** What we hold, for the address of the socket. Empty for nothing. */
  cursor: () => string;
  /** A frame of the server. */
  onData: (data: unknown) => void;
  onState: (state: ConnectionState) => void;
}

export interface Connection {
  dispatch: (event: ConnectionEvent, reason?: ErrorBody) => void;
  /** Writes a frame. That it arrives is not promised: what must arrive is written again in the next attempt. */
  write: (frame: object) => void;
}

/**
 * Why a close is for good, or undefined when another attempt may help. 44xx is for good, but for 4401 and 4402, which a new
 * ticket answers. The close reason is the code of the error.
 */
export function reasonToStop(close: number, reason: string): ErrorBody | undefined {
  if (!/^44(?!0[12])/.test(`${close}`)) return undefined;
  return { code: (reason || "bad_request") as ErrorCode, message: `Closed with ${close}`, retryable: false };
}

/** A connection in the state `idle`. */
export function createConnection(options: ChatClientOptions, deps: ClientDeps, ports: ConnectionPorts): Connection {
  let state: ConnectionState & Line = { kind: "idle" };
  let attempt = new AbortController();
  let socket: WebSocket | undefined;
  let ticket: string | undefined;
  let clearTimer: (() => void) | undefined;

  const dispatch = (event: ConnectionEvent, reason?: ErrorBody): void => {
    const { state: next, effects, timerMs } = transition(state, event, deps.now(), deps.random(), reason);
    if (next === state) return;
    state = next;
    clearTimer?.();
    if (timerMs !== undefined) clearTimer = deps.setTimer(() => dispatch("timer"), timerMs);
    for (const effect of effects) void run[effect](attempt.signal);
    // An effect that fails at once has moved on already, and told of it. What is only noted of the line is told to nobody.
    if (state === next && next.pings === undefined) ports.onState(state);
  };

  const run: Record<ConnectionEffect, (signal: AbortSignal) => void | Promise<void>> = {
    drop: () => {
      attempt.abort();
      attempt = new AbortController();
      socket?.close();
    },
    requestTicket: async (signal) => {
      const answer = await ports.requestTicket(signal).catch((): TicketAnswer => ({}));
      if (signal.aborted) return;
      ticket = answer.ticket;
      dispatch(ticket ? "ticket" : "lost", answer.error);
    },
    openSocket: (signal) => {
      const address = `${options.url.replace("http", "ws")}${pathOf(options)}/socket?cursor=${ports.cursor()}`;
      try {
        socket = new (options.WebSocket ?? WebSocket)(address, [PROTOCOL, TICKET_PROTOCOL_PREFIX + ticket]);
        socket.addEventListener("message", ({ data }) => {
          if (signal.aborted) return;
          dispatch("heard");
          if (data !== PONG) ports.onData(data);
        });
        // Also follows an error event.
        socket.addEventListener("close", ({ code, reason }) => signal.aborted || dispatch("lost", reasonToStop(code, reason)));
      } catch {
        dispatch("lost"); // The constructor refused the address or the ticket.
      }
    },
    awaitWake: (signal) => {
      for (const type of ["online", "pageshow", "visibilitychange"]) {
        // Not outside of a page, where nothing would ever take them off. A page that becomes hidden is no reason to hurry.
        if (page.document) page.addEventListener?.(type, () => page.document?.hidden || dispatch("wake"), { signal });
      }
    },
    ping: () => send(PING),
  };

  const send = (text: string) => {
    if (socket?.readyState === 1) socket.send(text);
  };

  return {
    dispatch,
    write: (frame) => {
      // Before the frame: the answer to a ping behind a large one would be late.
      dispatch("write");
      send(JSON.stringify(frame));
    },
  };
}
