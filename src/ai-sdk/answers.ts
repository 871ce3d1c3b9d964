// What was answered in `useChat` alone, as the commands that tell the server: approvals, and outputs of client tools.
import type { ChatClient, ChatMessage } from "../client/types.ts";
import type { Fields } from "../protocol/fold-tools.ts";
import type { AnyUIMessage } from "./types.ts";

type Call = Fields & {
  toolCallId?: string;
  state: string;
  approval: { id: string; approved: boolean; reason?: string };
  errorText: string;
};

/** The calls of a message by their ids; of those with the same id the last one. */
const callsOf = ({ parts }: Pick<AnyUIMessage, "parts">) => new Map((parts as unknown as Call[]).map((part) => [part.toolCallId, part]));

/** The calls of `message`, each with what `held` says of it: who posts that may say anything, any number of times. */
function pairsOf(held: AnyUIMessage, message: ChatMessage): [Call, Call][] {
  const said = callsOf(held);
  return [...callsOf(message)].flatMap(([id, same]): [Call, Call][] => (id && said.has(id) ? [[said.get(id)!, same]] : []));
}

/** Whether every call of `held` is as far as in `message`. */
export function lacksNothing(held: AnyUIMessage, message: ChatMessage): boolean {
  return pairsOf(held, message).every(([part, same]) => part.state === same.state);
}

/**
 * Gives each answer of `held` that `message`, the same in the thread, does not have. Resolves when the server has them all, or
 * others came first: those count.
 * @throws {ChatError} (rejects) for one that the server refused
 */
export async function giveAnswers({ approve, addToolOutput }: ChatClient, held: AnyUIMessage, message: ChatMessage): Promise<void> {
  const give = async ([{ toolCallId, state, approval, output, errorText }, { state: open }]: [Call, Call]) => {
    if (state === "approval-responded" && open === "approval-requested") {
      // Not more of it: an approval has fields that are the server's to say, as when it expires. Who answers may have left it out.
      const { id, approved, reason } = approval ?? {};
      return approve(id, reason === undefined ? { approved } : { approved, reason });
    }
    // A client tool may also be run once it was allowed.
    if (!["input-available", "approval-responded"].includes(open)) return;
    if (state === "output-available") await addToolOutput(toolCallId!, { output });
    if (state === "output-error") await addToolOutput(toolCallId!, { errorText });
  };
  const given = pairsOf(held, message).map((pair) =>
    give(pair).catch((error: { code?: string }) => {
      if (error.code !== "already_resolved") throw error;
    }),
  );
  // One that is refused must not leave the others behind.
  await Promise.allSettled(given);
  await Promise.all(given);
}
