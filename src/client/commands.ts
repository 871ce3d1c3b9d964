// What a page can ask for: each method makes one request of its arguments, and a promise of its answer.
import type { Part } from "../protocol/messages.ts";
import { NOT_MADE } from "./errors.ts";
import type { Outbox, OutboxEntry, Request } from "./outbox.ts";
import type { Replica } from "./replica.ts";
import type { ChatClient, ClientDeps, Sending } from "./types.ts";

export type Commands = Pick<ChatClient, "send" | "retry" | "stop" | "cancel" | "loadEarlier">;

/** @param enter puts a request on its way; @param settle follows every other change of the outbox */
export function createCommands(
  outbox: Outbox,
  { newId }: ClientDeps,
  enter: (request: Request, createdAt?: number) => OutboxEntry,
  replica: () => Replica,
  settle: () => void,
): Commands {
  let loading: Promise<void> | undefined;

  const ask = async (request: Request) => void (await enter(request).answer);

  const failed = (id: string) =>
    outbox.unseen.find(({ request, delivery }) => delivery === "failed" && [request.id, request.messageId].includes(id));

  return {
    send: (input) => {
      const { text = input as string, body, parts = [{ type: "text", text }] } = input as { text?: string; parts?: Part[]; body?: unknown };
      return toSending(enter({ type: "send", id: newId(), messageId: newId(), parts, body }));
    },

    retry: (messageId) => {
      const old = failed(messageId);
      if (old) outbox.remove(old);
      const entry = old
        ? enter({ ...old.request, epoch: undefined }, old.createdAt)
        : outbox.add({ type: "page", id: newId(), before: messageId }, 0);
      if (!old) outbox.refuse(NOT_MADE, entry.request.id);
      return toSending(entry);
    },

    stop: async (turnId) => {
      const { turn, queue } = replica();
      turnId ??= turn?.id ?? queue[0]?.turnId ?? outbox.unseen.find(({ delivery }) => delivery !== "failed")?.turnId;
      if (turnId) await ask({ type: "stop", id: newId(), turnId });
    },

    cancel: async (turnId) => {
      const old = failed(turnId);
      if (!old) return ask({ type: "cancel", id: newId(), turnId });
      outbox.remove(old);
      settle();
    },

    loadEarlier: async () => {
      const { hasEarlier, messages } = replica();
      const [first] = messages;
      if (!hasEarlier || !first) return;
      loading ??= ask({ type: "page", id: newId(), before: first.id }).finally(() => (loading = undefined));
      return loading;
    },
  };
}

/** The promise of the ack, with that of the reply on it. */
function toSending({ answer, settled }: OutboxEntry): Sending {
  return Object.assign(answer, { settled });
}
