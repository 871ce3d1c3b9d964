// The one assertion that tests of every command share: whoever watched ends with what a client loads afterwards.
import { expect } from "vitest";
import type { Message } from "../../../src/protocol/messages.ts";
import type { TestSocket } from "./client.ts";
import { caughtUp, freshView, replicaOf, viewOf } from "./replicas.ts";

/** All sockets show what a fresh one loads. Returns its messages. */
export async function expectSameView(threadId: string, ...sockets: TestSocket[]): Promise<readonly Message[]> {
  await caughtUp(...sockets);
  const fresh = await freshView(threadId);
  for (const socket of sockets) expect(viewOf(replicaOf(socket))).toEqual(viewOf(fresh));
  return fresh.messages;
}
