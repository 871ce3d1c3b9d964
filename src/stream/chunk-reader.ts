// Pulls chunks out of a stream or iterable that is not ours. The rule kept here: whatever happens, the source is closed
// exactly once and left unlocked, and nobody waits for a source that does not answer.
import { ChatError, isChatError } from "../errors.ts";
import type { Chunk } from "../protocol/messages.ts";

/** Where raw values come from. `cancel` and `release` are each called at most once, and never both. */
export interface Feed {
  read(): Promise<{ done?: boolean | undefined; value?: unknown }>;
  /** After the source ended by itself. */
  release(): void;
  /** Before it ended. Does not throw, and does not wait for the source. */
  cancel(reason: unknown): void;
}

/** Turns raw values into chunks, appended to `out`; what was appended before a throw still counts. */
export interface Intake {
  push(value: unknown, out: Chunk[]): void;
  /** The source ended by itself. */
  end(out: Chunk[]): void;
  /** True once nothing that the source may still say matters. */
  readonly done: boolean;
}

/**
 * An async sequence of chunks that can be cancelled at any moment. Call `next` again only after the last call settled.
 *
 * - A failure comes after every chunk that was complete before it, once; after it the sequence is done.
 * - `cancel` takes effect at once, also while `next` waits for a source that never answers: that `next` gets `done`.
 *   Chunks not yet taken are dropped. A second call does nothing.
 * - Leaving a `for await` early, or throwing inside it, cancels.
 */
export class ChunkReader implements AsyncIterableIterator<Chunk> {
  /** Null once the source is closed, by whomever. */
  #feed: Feed | null;
  readonly #intake: Intake | null;
  readonly #onError: (error: unknown) => void;
  #ready: Chunk[];
  #taken = 0;
  #failure: { error: unknown } | undefined;
  #wake: (() => void) | undefined;

  private constructor(feed: Feed | null, intake: Intake | null, ready: Chunk[], onError: (error: unknown) => void) {
    this.#feed = feed;
    this.#intake = intake;
    this.#ready = ready;
    this.#onError = onError;
  }

  /** Reads a feed through an intake. `onError` gets the raw error when the source itself fails; it must not throw. */
  static over(feed: Feed, intake: Intake, onError: (error: unknown) => void): ChunkReader {
    return new ChunkReader(feed, intake, [], onError);
  }

  /** Chunks that are there already. The array becomes the reader's own. */
  static of(chunks: Chunk[]): ChunkReader {
    return new ChunkReader(null, null, chunks, () => {});
  }

  /** A sequence whose first `next` rejects with `error`. */
  static failed(error: unknown): ChunkReader {
    const reader = ChunkReader.of([]);
    reader.#failure = { error };
    return reader;
  }

  /** @throws {ChatError} model_error when the source fails or yields what is no chunk; the raw error is its `cause`. */
  async next(): Promise<IteratorResult<Chunk, undefined>> {
    for (;;) {
      const chunk = this.#ready[this.#taken];
      if (chunk !== undefined) {
        this.#taken += 1;
        return { done: false, value: chunk };
      }
      if (this.#failure !== undefined) {
        const { error } = this.#failure;
        this.#failure = undefined;
        throw error;
      }
      if (this.#feed === null) return { done: true, value: undefined };
      await this.#fill(this.#feed);
    }
  }

  /** Closes the source without waiting for it; see the class. */
  cancel(reason?: unknown): void {
    this.#ready = [];
    this.#taken = 0;
    this.#failure = undefined;
    this.#close((feed) => feed.cancel(reason));
    this.#wake?.();
  }

  async return(): Promise<IteratorResult<Chunk, undefined>> {
    this.cancel();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #close(how: (feed: Feed) => void): void {
    const feed = this.#feed;
    this.#feed = null;
    if (feed !== null) how(feed);
  }

  async #fill(feed: Feed): Promise<void> {
    let result: { done?: boolean | undefined; value?: unknown };
    try {
      result = await this.#read(feed);
    } catch (error) {
      if (this.#feed !== feed) return; // Cancelled meanwhile: a source may well fail over that.
      this.#close((open) => open.release());
      this.#failure = { error: this.#sourceFailure(error) };
      return;
    }
    if (this.#feed !== feed) return;
    this.#ready = [];
    this.#taken = 0;
    this.#take(result);
  }

  #take(result: { done?: boolean | undefined; value?: unknown }): void {
    try {
      if (result.done === true) {
        this.#close((open) => open.release());
        this.#intake?.end(this.#ready);
        return;
      }
      this.#intake?.push(result.value, this.#ready);
      if (this.#intake?.done === true) this.#close((open) => open.cancel(undefined));
    } catch (error) {
      this.#failure = { error };
      this.#close((open) => open.cancel(error));
    }
  }

  /** One read, given up when `cancel` comes first. Not `Promise.race`: a long-lived loser would collect one reaction per read. */
  #read(feed: Feed): Promise<{ done?: boolean | undefined; value?: unknown }> {
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve({ done: true });
      feed.read().then(resolve, reject);
    });
  }

  #sourceFailure(error: unknown): ChatError {
    if (isChatError(error)) return error;
    this.#onError(error);
    return new ChatError("model_error", "The stream of the turn failed before its end.", { cause: error });
  }
}

/**
 * A feed over a stream, which is locked from here on.
 *
 * @throws {TypeError} when the stream is locked already.
 */
export function feedOfStream(stream: ReadableStream<unknown>): Feed {
  const reader = stream.getReader();
  const release = (): void => {
    try {
      reader.releaseLock();
    } catch {
      // Older runtimes refuse while a read is pending; `cancel` comes back here when it has settled.
    }
  };
  return {
    read: () => reader.read(),
    release,
    cancel(reason) {
      reader.cancel(reason).then(release, release);
      release();
    },
  };
}

/** A feed over an iterable. An iterator that is busy or has no `return` is left to itself. */
export function feedOfIterable(iterable: AsyncIterable<unknown>): Feed {
  const iterator = iterable[Symbol.asyncIterator]();
  return {
    read: async () => iterator.next(),
    release: () => {},
    cancel() {
      const close = async (): Promise<void> => {
        await iterator.return?.();
      };
      // A failing clean-up of the app's iterator has nobody left to hear of it: the sequence is over.
      close().catch(() => {});
    },
  };
}
