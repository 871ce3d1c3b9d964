// What the frames of a bare socket add up to, by the rules of the real client. No assertions.
import { applyFrame, cursorOf, EMPTY_REPLICA, type Replica } from "../../../src/client/replica.ts";
import { newId } from "../../../src/protocol/ids.ts";
import { TestSocket } from "./client.ts";

/** What all frames so far make of `held`. Throws when something is missing in between: on one socket nothing may be. */
export function replicaOf({ frames }: Pick<TestSocket, "frames">, held: Replica = EMPTY_REPLICA): Replica {
  return frames.reduce((replica, frame) => {
    const next = applyFrame(replica, frame);
    if (!next) throw new Error(`A gap before ${JSON.stringify(frame)} at rev ${replica.session?.rev}`);
    return next;
  }, held);
}

export const cursorAt = (socket: TestSocket): string => cursorOf(replicaOf(socket));

/** The part of a replica that every client of a thread has to agree on. */
export function viewOf({ session, messages, queue, turn, live }: Replica): object {
  return { session, messages, queue, turn, live };
}

/** Waits until all that the object has sent by now has come: it answers a question that changes nothing. */
export async function caughtUp(...sockets: TestSocket[]): Promise<void> {
  await Promise.all(sockets.map((socket) => socket.ask({ type: "page", id: newId(), before: newId() })));
}

/** The view of a client that loads the thread now. */
export async function freshView(threadId: string, user = "user-1"): Promise<Replica> {
  return replicaOf(await TestSocket.open(threadId, user));
}

/** The view of a client that was away since `held` and comes back, with the types of the frames that it got. */
export async function returned(threadId: string, held: Replica): Promise<{ replica: Replica; types: string[] }> {
  const socket = await TestSocket.open(threadId, "user-1", { cursor: cursorOf(held) });
  await caughtUp(socket);
  return {
    replica: replicaOf(socket, held),
    types: socket.frames.map(({ type }) => type).filter((type) => type !== "welcome" && type !== "error"),
  };
}
