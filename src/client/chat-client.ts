// One thread in one page: wires connection, replica and outbox to one snapshot. Owns no rule of its own but the order in
// which a frame is taken: replica, outbox, connection, subscribers.
import type { ErrorBody } from "../errors.ts";
import type { DeltaFrame, EventFrame, SendCommand, ServerFrame, SyncRead, WindowFrame } from "../protocol/frames.ts";
import { newId } from "../protocol/ids.ts";
import { createCommands } from "./commands.ts";
import { createConnection } from "./connection.ts";
import { type ConnectionState, SLOW_MS } from "./connection-machine.ts";
import { CLOSED, NOT_FOUND } from "./errors.ts";
import { createOutbox, type Request } from "./outbox.ts";
import { createPacer } from "./pacing.ts";
import { onNextFrame, page, safely } from "./page.ts";
import { applyFrame, cursorOf, EMPTY_REPLICA, type Replica } from "./replica.ts";
import { createSnapshotStore } from "./snapshot-store.ts";
import { requestTicket } from "./ticket-source.ts";
import type { ChatClient, ChatClientOptions, ChatSnapshot, ChatTypes, ClientDeps } from "./types.ts";
import { deriveSnapshot } from "./view.ts";

const PLATFORM: ClientDeps = {
  now: Date.now,
  random: Math.random,
  newId,
  setTimer: (run, delayMs) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  schedule: onNextFrame,
};

/**
 * The client of one thread. Opens nothing by itself: the first subscriber, `connect` or a `send` does; with `create: true`,
 * only the first `send`, whose ticket request makes the thread. Its methods need no `this`.
 * @throws {TypeError} when `url` is relative and there is no page that it is relative to
 */
export function createChatClient<Types extends ChatTypes = ChatTypes>(given: ChatClientOptions): ChatClient<Types> {
  const options = { ...given, url: new URL(given.url, page.location?.href).href.replace(/\/$/, "") };
  const deps = { ...PLATFORM, ...given.deps };
  const outbox = createOutbox(deps.newId);
  const keeper = options.storage?.(outbox, options);
  const listeners = new Set<(frame: EventFrame) => void>();
  /** What frames were skipped for. */
  const skipped = new Set<string>();
  let replica: Replica = EMPTY_REPLICA;
  let state: ConnectionState = { kind: "idle" };
  /** False once the thread is there. */
  let { create } = given;
  let isClosed = false;
  /** Set while no request is written: the server had too many of them. */
  let slow: (() => void) | undefined;
  /** Id of the sync that is under way, or empty. */
  let syncing = "";
  /** Cursor of the last sync of this connection. */
  let lastCursor = "";

  // What is hidden is to be seen by the next frame.
  const pace = createPacer(options, deps, () => store.changed());
  const store = createSnapshotStore<ChatSnapshot>(
    (former) => deriveSnapshot(former, { threadId: given.threadId, replica, connection: state, pace, unseen: outbox.unseen() }),
    deps.schedule,
  );

  const settle = () => {
    outbox.reconcile(replica, deps.now());
    // Live means that a view has come: before the first one no epoch is known, and what is made waits.
    if (state.kind === "live" && !slow) outbox.flush(state, connection.write);
    void keeper?.save();
    store.changed();
  };

  /** The message that the thread is to be made with. */
  const first = () => outbox.unseen().find(({ request, delivery }) => request.type === "send" && delivery === "sending");

  const open = (event: "connect" | "reconnect") => {
    isClosed = false;
    keeper?.load(() => {
      settle();
      // It may not have been opened, or not for long, for want of a message.
      if (!isClosed && first()) open("connect");
    });
    if (create !== true || first()) connection.dispatch(event);
    else outbox.refuse(NOT_FOUND);
    settle();
  };

  const enter = (request: Request, refusal?: ErrorBody, createdAt = deps.now()) => {
    const { answer } = outbox.add(request, createdAt, refusal);
    settle();
    open("connect");
    return answer;
  };

  const take = (frame: ServerFrame) => {
    const next = applyFrame(replica, frame);
    replica = next ?? replica;
    switch (frame.type) {
      case "welcome":
        syncing = lastCursor = "";
        connection.dispatch("welcome");
        break;
      case "snapshot":
      case "delta":
        // One that does not follow on what is held is not the answer to a sync, or comes too late for it.
        if (next || `${(frame as DeltaFrame).from}` === lastCursor.split(".")[1]) syncing = "";
        if (next) connection.dispatch("synced");
        break;
      case "ack":
      case "page":
        outbox.accept(frame);
        break;
      case "event":
        return [...listeners].forEach((tell) => safely(() => tell(frame)));
      case "mark":
        return connection.write({ type: "window", mark: frame.mark } satisfies WindowFrame);
      case "error": {
        const { type: _type, ref = "?", ...error } = frame;
        // A view that is not given now comes with another connection.
        if (ref === syncing) connection.dispatch("lost");
        outbox.refuse(error, ref);
        if (error.code === "rate_limited")
          slow ??= deps.setTimer(() => {
            slow = undefined;
            settle();
          }, SLOW_MS);
        break;
      }
      default:
    }
    // One question at a time, and for everything when the same question did not help.
    if (!next && !syncing) {
      const cursor = cursorOf(replica);
      lastCursor = cursor === lastCursor ? "" : cursor;
      syncing = deps.newId();
      connection.write({ type: "sync", id: syncing, cursor: lastCursor } satisfies SyncRead);
    }
    settle();
    store.get();
  };

  const connection = createConnection(options, deps, {
    cursor: () => cursorOf(replica),
    requestTicket: async (signal) => {
      const wish = create ? (first()?.request as SendCommand | undefined) : undefined;
      // One of a history that there was asks first whether that is there still.
      const command = wish?.epoch === undefined ? wish : undefined;
      const { ticket, ack, error } = await requestTicket(options, { create: command && true, command }, signal);
      if (ack) outbox.accept(ack);
      if (ticket) create = false;
      if (!signal.aborted && create === "if-missing" && !command && error?.code === "not_found") {
        // That is no error. A message that came meanwhile makes it, also one of a history that is gone.
        for (const { request } of outbox.unseen()) delete request.epoch;
        if (!first()) outbox.refuse(error);
        connection.dispatch(first() ? "reconnect" : "close");
      }
      return { ticket, error };
    },
    onState: (next) => {
      state = next;
      if (next.kind === "stopped") outbox.refuse(next.reason);
      if (next.kind === "idle") outbox.refuse(CLOSED);
      settle();
    },
    onData: (data) => {
      const former = replica;
      try {
        take(JSON.parse(data as string) as ServerFrame);
      } catch (error) {
        // Nothing is taken from a frame that cannot be shown. A newer server may say more than we know, and often.
        replica = former;
        if (!skipped.has(String(error))) console.warn("chatcell: skipped a frame:", error);
        skipped.add(String(error));
      }
    },
  });

  const commands = createCommands(outbox, deps, enter, () => replica, settle);

  // What travels is not checked against an app's own types: that they are right is the app's word.
  return {
    ...commands,
    getSnapshot: store.get,
    subscribe: (listener) => {
      if (state.kind === "idle") open("connect");
      return store.subscribe(listener);
    },
    on: (event: string, listener: (data: unknown, event: string) => void) => {
      const tell = ({ event: name, data }: EventFrame) => {
        if (event === name || event === "*") listener(data, name);
      };
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    connect: () => open("connect"),
    reconnect: () => open("reconnect"),
    close: () => {
      isClosed = true;
      connection.dispatch("close");
    },
  } satisfies ChatClient as unknown as ChatClient<Types>;
}
