// What a page can ask for: each method makes one request of its arguments, and a promise of its answer.
import type { ErrorBody } from "../errors.ts";
import type { Part } from "../protocol/messages.ts";
import { NOT_FOUND } from "./errors.ts";
import type { Outbox, OutboxEntry, Request } from "./outbox.ts";
import type { Replica } from "./replica.ts";
import type { ChatClient, ClientDeps } from "./types.ts";

export type Commands = Pick<ChatClient, "send" | "retry" | "stop" | "cancel" | "loadEarlier">;

/** @param enter puts a request on its way, or fails it at once with `refusal`; @param settle follows every other change of the outbox */
export function createCommands(
  outbox: Outbox,
  { newId }: ClientDeps,
  enter: (request: Request, createdAt?: number, refusal?: ErrorBody) => OutboxEntry,
  replica: () => Replica,
  settle: () => void,
): Commands {
  let loading: Promise<void> | undefined;

  const ask = async (request: Request) => void (await enter(request).answer);

  const failed = (id: string) =>
    outbox.unseen().find(({ request, delivery }) => delivery === "failed" && (request.id === id || request.messageId === id));

  return {
    send: (input) => {
      const { text = input as string, body, parts = [{ type: "text", text }] } = input as { text?: string; parts?: Part[]; body?: unknown };
      return enter({ type: "send", id: newId(), messageId: newId(), parts, body }).answer;
    },

    retry: (messageId) => {
      const old = failed(messageId);
      if (!old) return enter({ type: "page", id: newId(), before: messageId }, 0, NOT_FOUND).answer;
      outbox.remove(old);
      return enter({ ...old.request, epoch: undefined }, old.createdAt).answer;
    },

    stop: async (turnId) => {
      const { turn, queue } = replica();
      turnId ??= turn?.id ?? queue[0]?.turnId ?? outbox.unseen().find(({ delivery }) => delivery !== "failed")?.request.id;
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
