// One turn as the stream that the AI SDK reads: what the client shows of it, told in chunks whenever the reader asks for more. So
// its pace is the client's, a slow reader gets fewer and larger chunks, and nothing is told twice. It ends when the turn does, and
// when the turn waits: then the reader's page can answer.
import type { ChatClient, ChatMessage, ChatSnapshot } from "../client/types.ts";
import type { ErrorBody } from "../errors.ts";
import type { Chunk } from "../protocol/messages.ts";
import { createTeller, type Told } from "./message-chunks.ts";
import { silence } from "./silence.ts";

/** Chunks that wait for a reader that stalls: an event of the moment that comes behind so many is dropped. */
const MAX_WAITING = 100;

export interface TurnStreamOptions {
  client: ChatClient;
  /** A turn that the client knows of, or has just sent. */
  turnId: string;
  /** What the reader holds of its message; nothing by default. */
  held?: Partial<Told> | undefined;
  /** Called when the first chunk is told. */
  onStart: (messageId: string) => void;
  /** Called once, when the reader has taken all, or has left. `isWhole`: it shows what the client shows. */
  onEnd: (isWhole: boolean) => void;
}

/** The chunks that end a stream. The reason `interrupted` keeps `useChat` from going on by itself in what was cut off. */
function ending(finishReason?: string, error?: ErrorBody | null): Chunk[] {
  const finish = { type: "finish", finishReason } as Chunk;
  return error ? [{ type: "error", errorText: error.message }, finish] : [finish];
}

/** How the turn of a message ended; `message` without output is the one above. */
function endingOf(message: ChatMessage | undefined): Chunk[] {
  const { outcome, finishReason, error } = message?.lastTurn ?? message?.facts ?? {};
  return ending(outcome === "stopped" || outcome === "interrupted" ? "interrupted" : finishReason, error);
}

const isStreaming = ({ parts }: ChatMessage) => parts.some((part) => "state" in part && /streaming/.test(`${part.state}`));

/**
 * Streams a turn from what its reader holds to its end. Cancelling the stream changes nothing but that. It breaks off with an
 * `AbortError` when the client is closed, or its reader cannot be taken to what the client shows: after an end of any other kind
 * `useChat` would ask again by itself, for ever or in a chat that was closed.
 */
export function streamTurn({ client, turnId, held, onStart, onEnd }: TurnStreamOptions): ReadableStream<Chunk> {
  const teller = createTeller(held);
  /** Told and not read yet. */
  let chunks: Chunk[] = [];
  let hasStarted = false;
  let hasEnded = false;
  let isLost = false;
  let messageId = turnId;
  let parent: string | null = null;
  let wake: (() => void) | undefined;
  let unhear: (() => void) | undefined;
  let unsubscribe: (() => void) | undefined;

  const end = (last: Chunk[]) => {
    chunks.push(...last);
    hasEnded = true;
  };

  const tell = (message: ChatMessage) => {
    const more = teller.tell(message);
    if (more) chunks.push(...more);
    else isLost = true;
    if (!hasStarted) onStart(messageId);
    hasStarted = true;
  };

  const look = ({ turn, messages, queue, connection }: ChatSnapshot) => {
    const isLive = turn?.id === turnId;
    if (isLive) ({ messageId, parent } = turn);
    const message = messages.find(({ id }) => id === messageId);
    isLost = connection.kind === "idle";
    if (message) tell(message);
    if (isLost) return end([]);
    if (connection.kind === "stopped") return end(ending("error", connection.reason));
    if (isLive) return turn.state === "waiting" && !(message && isStreaming(message)) && end(ending("tool-calls"));
    // Accepted, and the client has not seen it begin.
    if ([...messages, ...queue].some((own) => own.turnId === turnId)) return;
    // Without a date not all of it is on the screen.
    if (!message || message.createdAt !== undefined) end(endingOf(message ?? messages.find(({ id }) => id === parent)));
  };

  const leave = (isWhole: boolean) => {
    unhear?.();
    unsubscribe?.();
    unsubscribe = undefined;
    onEnd(isWhole);
  };

  return new ReadableStream<Chunk>(
    {
      start: () => {
        unhear = client.on("*", (data, type) => {
          // No state, so it is told as it comes: `onData` hears of it.
          if (type.startsWith("data-") && chunks.length < MAX_WAITING) chunks.push({ type, data, transient: true } as Chunk);
          wake?.();
        });
        unsubscribe = client.subscribe(() => wake?.());
      },
      pull: async (controller) => {
        while (!chunks.length) {
          if (hasEnded) {
            // Asked for more, the reader has taken the last chunk in.
            leave(!isLost && !teller.hasDiscarded());
            return isLost ? controller.error(silence("Lost")) : controller.close();
          }
          look(client.getSnapshot());
          if (!chunks.length && !hasEnded) await new Promise<void>((resolve) => (wake = resolve));
          if (!unsubscribe) return;
        }
        controller.enqueue(chunks.shift()!);
      },
      cancel: () => {
        leave(false);
        wake?.();
      },
    },
    { highWaterMark: 0 },
  );
}
