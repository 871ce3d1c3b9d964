// What a page can ask for: each method makes one request of its arguments, and a promise of its answer.
import type { ErrorBody } from "../errors.ts";
import type { PartFrame } from "../protocol/frames.ts";
import type { Part } from "../protocol/messages.ts";
import { NOT_FOUND } from "./errors.ts";
import type { Outbox, Request, TurnFields } from "./outbox.ts";
import type { Replica } from "./replica.ts";
import type { BodyInput, ChatClient, ClientDeps, Sending, SendInput } from "./types.ts";

export type Commands = Omit<ChatClient, "getSnapshot" | "subscribe" | "on" | "connect" | "reconnect" | "close">;

/** The parts and the body of a message. */
function contentOf(input: SendInput): { parts: Part[]; body?: unknown } {
  const { text = input as string, body, parts = [{ type: "text", text }] } = input as { text?: string; parts?: Part[]; body?: unknown };
  return { parts, body };
}

/** @param enter puts a request on its way, or fails it at once with `refusal`; @param settle follows every other change of the outbox */
export function createCommands(
  outbox: Outbox,
  { newId }: ClientDeps,
  enter: (request: Request, refusal?: ErrorBody, createdAt?: number) => Sending,
  replica: () => Replica,
  settle: () => void,
): Commands {
  let loading: Promise<void> | undefined;
  let loadingPart: Promise<unknown> = Promise.resolve();

  const ask = async (request: { type: Request["type"]; [field: string]: unknown }, refusal?: ErrorBody) =>
    void (await enter({ ...request, id: newId() } as Request, refusal));

  /** About the live turn. */
  const answer = (type: "resolve" | "claim", callId: object) => {
    const turnId = replica().turn?.id;
    return ask({ type, turnId, ...callId }, turnId ? undefined : NOT_FOUND);
  };

  const set = (field: "state" | "title", value: unknown) => ask({ type: "set", field, value });

  /** The request that failed, by the id of its turn or of its message, and is over now. */
  const takeFailed = (id: string) => {
    const entry = outbox.unseen().find(({ request, delivery }) => {
      const { messageId, newMessageId = messageId } = request as TurnFields;
      return delivery === "failed" && (request.id === id || newMessageId === id);
    });
    if (entry) outbox.remove(entry);
    return entry;
  };

  /** Another turn about a message that is there. */
  const again =
    (type: "regenerate" | "continue") =>
    (messageId = replica().messages.at(-1)?.id ?? "", { body }: BodyInput = {}) => {
      if (type === "regenerate") {
        // A reply stands for the message that it answers.
        for (let reply; (reply = replica().messages.find(({ id }) => id === messageId)) && reply.role !== "user";)
          messageId = reply.parent ?? "";
      }
      return enter({ type, id: newId(), messageId, body }, messageId ? undefined : NOT_FOUND);
    };

  const goOn = again("continue");

  const send = (input: SendInput, messageId?: string) =>
    enter({ type: "send", id: newId(), messageId: messageId ?? newId(), ...contentOf(input) });

  return {
    send: (input) => send(input, (input as { messageId?: string }).messageId),

    edit: ((input: TurnFields & { turnId?: string; text: string }) => {
      const { turnId, messageId } = input;
      if (turnId) return ask({ type: "edit", turnId, ...contentOf(input) });
      const { type, messageId: about = messageId } = (takeFailed(messageId)?.request ?? {}) as Partial<TurnFields>;
      if (type === "send") return send(input);
      return enter({ type: "edit", id: newId(), messageId: about, newMessageId: newId(), ...contentOf(input) });
    }) as Commands["edit"],

    regenerate: again("regenerate"),
    continue: goOn,

    retry: (messageId) => {
      const old = takeFailed(messageId);
      // About no message at all, it fails as it would for this one.
      return old ? enter({ ...old.request, epoch: undefined }, undefined, old.createdAt) : goOn("");
    },

    stop: async (turnId) => {
      const { turn, queue } = replica();
      turnId ??=
        turn?.id ??
        queue[0]?.turnId ??
        outbox.unseen().find(({ request, delivery }) => "messageId" in request && delivery !== "failed")?.request.id;
      if (turnId) await ask({ type: "stop", turnId });
    },

    cancel: async (turnId) => {
      if (!takeFailed(turnId)) return ask({ type: "cancel", turnId });
      settle();
    },

    approve: (approvalId, given) => answer("resolve", { approvalId, ...given }),
    addToolOutput: (callId, outcome) => answer("resolve", { callId, ...outcome }),
    claim: (callId) => answer("claim", { callId }),
    setState: (patch) => set("state", patch),
    setTitle: (title) => set("title", title),

    loadEarlier: async () => {
      const { hasEarlier, messages } = replica();
      if (!hasEarlier) return;
      loading ??= ask({ type: "page", before: messages[0]?.id }).finally(() => (loading = undefined));
      return loading;
    },

    loadPart: (message, part) => {
      // One after another: large ones together could be more than the server lets a client be behind.
      const answer = loadingPart.then(() => enter({ type: "page", id: newId(), message, part }) as Promise<unknown> as Promise<PartFrame>);
      loadingPart = answer.then(
        () => {},
        () => {},
      );
      return answer.then((frame) => frame.part);
    },
  };
}
