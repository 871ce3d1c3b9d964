// Runs client tools by themselves: each call in one page at a time, the one that the server has given it to. All of it stands
// upon the public client, so that a page without client tools does not load it.
import { isChatError } from "../errors.ts";
import type { Part } from "../protocol/messages.ts";
import type { Stub } from "../protocol/stubs.ts";
import { isCall, toolNameOf, type ToolPart } from "../protocol/tool-part.ts";
import type { ChatClient, ChatSnapshot, ChatTypes, ClientTools, ToolOutcome } from "./types.ts";

/** The server's bound. */
const MAX_ERROR_LENGTH = 2_000;

/** A call that this page has tried to take; aborted when another page has it. */
interface Attempt extends AbortController {
  /** The connection that claimed it last, or was refused. */
  connection?: object;
  isRunning?: boolean;
  /** It runs, and another connection has the claim. */
  isRefused?: boolean;
}

/** A call that waits for its output, and where it stands. */
interface OpenCall {
  call: ToolPart;
  name: string;
  messageId: string;
  index: number;
}

/**
 * Runs `tools` when the model calls them. Of all pages that could run a call, one does: it claims it, and gives its output, or
 * the message of what it throws, for the model to read. A call whose page is gone before that runs again, here or elsewhere.
 * Subscribes to `chat` for as long; the result ends that, and aborts what runs.
 */
export function runClientTools<Types extends ChatTypes>(chat: ChatClient<Types>, tools: ClientTools<Types>): () => void {
  const { subscribe, getSnapshot, claim, addToolOutput, loadPart } = chat as unknown as ChatClient;
  const run = tools as ClientTools;
  const attempts = new Map<string, Attempt>();

  const drop = (callId: string) => {
    attempts.get(callId)?.abort();
    attempts.delete(callId);
  };

  const start = ({ call: { toolCallId: callId, input }, name, messageId, index }: OpenCall, connection: object) => {
    const former = attempts.get(callId);
    const attempt: Attempt = former && !former.signal.aborted ? former : new AbortController();
    const { signal } = attempt;
    attempts.set(callId, attempt);
    attempt.connection = connection;
    attempt.isRefused = false;

    const give = async (outcome: ToolOutcome) => {
      // Subscribers may not have heard yet that nobody wants it any more.
      follow(getSnapshot());
      if (!signal.aborted) await addToolOutput(callId, outcome);
    };
    const work = async () => {
      // What runs already has outlived its connection, and goes on.
      if (attempt.isRunning || signal.aborted) return;
      attempt.isRunning = true;
      try {
        const isStub = (input as Partial<Stub> | null)?.truncated;
        const whole = isStub ? ((await loadPart(messageId, index)) as ToolPart).input : input;
        await give({ output: (await run[name]!(whole, { callId, signal })) ?? null });
      } catch (error) {
        // Also an output that the server refuses: the model hears why.
        await give({ errorText: String((error as Error | null)?.message ?? error).slice(0, MAX_ERROR_LENGTH) });
      } finally {
        attempt.isRunning = false;
      }
    };
    claim(callId)
      .then(work)
      .catch((error: unknown) => {
        // What is refused for another reason is tried again with the next connection.
        if (!isChatError(error, "already_claimed")) return;
        // Another page is first: tried again when it lets go. What runs goes on: the other one may be this page, on a line of whose
        // end nobody has told the server yet.
        attempt.isRefused = attempt.isRunning ?? false;
        if (!attempt.isRunning) attempt.abort();
      });
  };

  const follow = (snapshot: ChatSnapshot) => {
    const { connection, turn } = snapshot;
    const open = new Map(openCalls(snapshot, run).map((each) => [each.call.toolCallId, each]));
    for (const callId of attempts.keys()) if (!open.has(callId)) drop(callId);
    if (connection.kind !== "live") return;
    for (const [callId, each] of open) {
      const attempt = attempts.get(callId);
      const isFree = !turn!.claims?.[callId];
      if (attempt?.connection !== connection || ((attempt.signal.aborted || attempt.isRefused) && isFree)) start(each, connection);
    }
  };

  const end = subscribe(follow);
  return () => {
    end();
    for (const callId of attempts.keys()) drop(callId);
  };
}

/** The calls of `tools` that wait for their output, in order; none when there will be no connection. */
function openCalls({ connection, turn, messages }: ChatSnapshot, tools: ClientTools): OpenCall[] {
  const live = messages.find(({ id }) => id === turn?.messageId);
  if (!turn || !live || connection.kind === "idle" || connection.kind === "stopped") return [];
  return (live.parts as Part[]).flatMap((call, index) => {
    if (!isCall(call)) return [];
    const name = toolNameOf(call);
    const isOpen = index >= turn.base && call.state === "input-available" && !call.providerExecuted && Object.hasOwn(tools, name);
    return isOpen ? { call, name, messageId: live.id, index } : [];
  });
}
