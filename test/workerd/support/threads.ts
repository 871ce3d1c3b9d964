// A thread to talk to, and the commands that a client would write. No assertions.
import type { SendCommand, ServerFrame } from "../../../src/protocol/frames.ts";
import { newId } from "../../../src/protocol/ids.ts";
import { TestSocket } from "./client.ts";
import { query, reply } from "./objects.ts";

export interface OpenThread {
  threadId: string;
  /** A live socket of user-1, the owner. */
  socket: TestSocket;
  epoch: string;
}

/** A new thread without a message. */
export async function openThread(): Promise<OpenThread> {
  const threadId = newId();
  const socket = await TestSocket.open(threadId, "user-1", { create: true });
  return { threadId, socket, epoch: socket.epoch };
}

/** A new thread with one turn that has ended. */
export async function openUsedThread(): Promise<OpenThread> {
  const thread = await openThread();
  await thread.socket.send("Hello");
  await reply(thread.threadId, "Hi");
  await thread.socket.next("turn");
  return thread;
}

export function sendOf(epoch: string, text = "Hi", ids: { id?: string; messageId?: string } = {}): SendCommand & { epoch: string } {
  return { type: "send", id: newId(), messageId: newId(), ...ids, epoch, parts: [{ type: "text", text }] };
}

/** The first message of a thread, as a ticket request carries it. */
export function firstSend(change: object = {}): { create: true; command: SendCommand } {
  return { create: true, command: { type: "send", id: newId(), messageId: newId(), parts: [{ type: "text", text: "Hi" }], ...change } };
}

export function ask(socket: TestSocket, frame: object): Promise<ServerFrame> {
  return socket.ask(frame as { id: string } & Record<string, unknown>);
}

/** Sends a `stop` or `cancel` with an id of its own. */
export function end(type: "stop" | "cancel", socket: TestSocket, epoch: string, turnId: string): Promise<ServerFrame> {
  return ask(socket, { type, id: newId(), epoch, turnId });
}

/** One row: how many messages, live turns and remembered commands are stored. */
export function countsOf(threadId: string): Promise<object[]> {
  const counts = ["message", "turn", "command"].map((name) => `(SELECT count(*) FROM cc_${name}) AS ${name}s`);
  return query(threadId, `SELECT ${counts.join()}`);
}
