// Plain text as a run of one step with one text part.
import { ChatError } from "../errors.ts";
import type { Chunk } from "../protocol/messages.ts";
import type { Intake } from "./chunk-reader.ts";

const ID = "text";

/** The whole run that says `text`; without a text part when it is empty. */
export function textChunks(text: string): Chunk[] {
  const chunks: Chunk[] = [{ type: "start" }, { type: "start-step" }];
  if (text !== "") chunks.push({ type: "text-start", id: ID }, { type: "text-delta", id: ID, delta: text }, { type: "text-end", id: ID });
  chunks.push({ type: "finish-step" }, { type: "finish" });
  return chunks;
}

/** The same run from a UTF-8 body, one delta per read. A character cut between two reads stays whole. */
export class TextIntake implements Intake {
  readonly done = false;
  readonly #decoder = new TextDecoder();
  #hasBegun = false;
  #hasText = false;

  /** @throws {ChatError} model_error for what is not bytes. */
  push(value: unknown, out: Chunk[]): void {
    if (!(value instanceof Uint8Array))
      throw new ChatError("model_error", "The body of a text response yielded something else than bytes.");
    this.#say(this.#decoder.decode(value, { stream: true }), out);
  }

  end(out: Chunk[]): void {
    this.#say(this.#decoder.decode(), out);
    if (this.#hasText) out.push({ type: "text-end", id: ID });
    out.push({ type: "finish-step" }, { type: "finish" });
  }

  #say(text: string, out: Chunk[]): void {
    if (!this.#hasBegun) out.push({ type: "start" }, { type: "start-step" });
    this.#hasBegun = true;
    if (text === "") return;
    if (!this.#hasText) out.push({ type: "text-start", id: ID });
    this.#hasText = true;
    out.push({ type: "text-delta", id: ID, delta: text });
  }
}
