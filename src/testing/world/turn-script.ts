// What a scripted `onTurn` does, step by step, on virtual time. Everything that it hands over is noted, so that a test knows
// what the reply has to be.
import type { Chunk } from "../../protocol/messages.ts";
import type { Turn } from "../../session/turn-context.ts";
import type { TurnResult } from "../../stream/source.ts";
import type { Incarnation } from "./virtual-incarnation.ts";

/** One thing that a turn does. `waitMs` may be `Infinity`: nothing more comes until the turn is stopped. */
export type TurnStep = { waitMs: number } | { chunk: Chunk } | { write: Chunk } | { breaks: string };

export interface TurnScript {
  /**
   * What `onTurn` returns: an iterable or a stream of the steps' chunks, the text of all their text deltas, or nothing.
   * `throws`: it rejects, after the waits.
   */
  form: "iterable" | "stream" | "text" | "nothing" | "throws";
  steps: readonly TurnStep[];
  /** Goes on after the signal has aborted, as a model does that knows no signal. */
  isDeaf?: boolean;
}

/** What a script throws. */
export class ScriptedFailure extends Error {
  override readonly name = "ScriptedFailure";
}

/** Plays a script for one call of `onTurn`. `onChunk` hears of each chunk just before the session gets it. */
export async function playTurn(script: TurnScript, turn: Turn, life: Incarnation, onChunk: (chunk: Chunk) => void): Promise<TurnResult> {
  const { form, steps } = script;
  if (form === "iterable") return playSteps(script, turn, life, onChunk);
  if (form === "stream") return streamOf(playSteps(script, turn, life, onChunk));
  const end = life.begin();
  try {
    for (const step of steps) if ("waitMs" in step) await life.sleep(step.waitMs, turn.signal);
  } finally {
    end();
  }
  if (form === "throws") throw new ScriptedFailure("The scripted turn throws.");
  if (form === "nothing") return undefined;
  const text = steps.map((step) => ("chunk" in step && step.chunk.type === "text-delta" ? step.chunk.delta : "")).join("");
  if (text && !turn.signal.aborted) onChunk({ type: "text-delta", id: "text", delta: text });
  return text;
}

async function* playSteps(
  { steps, isDeaf }: TurnScript,
  turn: Turn,
  life: Incarnation,
  onChunk: (chunk: Chunk) => void,
): AsyncGenerator<Chunk> {
  const end = life.begin();
  try {
    for (const step of steps) {
      if ("waitMs" in step) await life.sleep(step.waitMs, isDeaf && step.waitMs < Infinity ? undefined : turn.signal);
      else if ("breaks" in step) throw new ScriptedFailure(step.breaks);
      if (turn.signal.aborted && !isDeaf) return;
      if ("write" in step) {
        if (!turn.signal.aborted) onChunk(step.write);
        turn.write(step.write);
      } else if ("chunk" in step) {
        if (!turn.signal.aborted) onChunk(step.chunk);
        yield step.chunk;
      }
    }
  } finally {
    end();
  }
}

/** The same as a stream, whose reader may be cancelled at any time. */
function streamOf(chunks: AsyncGenerator<Chunk>): ReadableStream<Chunk> {
  return new ReadableStream<Chunk>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await chunks.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
