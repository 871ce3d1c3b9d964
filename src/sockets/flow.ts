// How far the client of one socket has read. The platform buffers without bound and does not say how much, so the client
// says it: marks go out among the frames, and come back when everything before them is processed. Owns the counts.
import { LIMITS } from "../protocol/limits.ts";

/** What was sent in one moment. `at`: epoch ms. */
interface Burst {
  bytes: number;
  readonly at: number;
}

/** A mark on its way: all bytes up to `at` were sent before it. */
interface Mark {
  mark: string;
  at: number;
  /** That it was sent in: grows as long as its moment lasts. */
  burst: Burst;
}

/**
 * Counts UTF-8 bytes of frames. A burst is what goes out in one moment of the object's clock: that stands still as long as the
 * object works and hears nothing, so no client can be blamed for having read none of it.
 */
export class Flow {
  readonly #newMark: () => string;
  /** HIBERNATION: the counts start from zero, as if all was read. */
  #sent = 0;
  #confirmed = 0;
  #marked = 0;
  #burst: Burst = { bytes: 0, at: -Infinity };
  #marks: Mark[] = [];

  constructor(newMark: () => string) {
    this.#newMark = newMark;
  }

  /** Bytes sent that the client has not confirmed. */
  get behindBytes(): number {
    return this.#sent - this.#confirmed;
  }

  /**
   * Counts frames of so many bytes as sent together at `now` (epoch ms). The result is the mark to be sent right after each, or
   * null for none. Null, and nothing counted, when the client would then be more than `maxBehindBytes` behind, beyond the
   * largest burst that it is still reading, this one among them.
   */
  send(frames: readonly number[], now: number): (string | null)[] | null {
    const { markEveryBytes, maxBehindBytes } = LIMITS;
    const bytes = frames.reduce((sum, frame) => sum + frame, 0);
    if (now !== this.#burst.at) this.#burst = { bytes: 0, at: now };
    const largest = this.#marks.reduce((most, { burst }) => Math.max(most, burst.bytes), this.#burst.bytes + bytes);
    if (this.behindBytes + bytes > maxBehindBytes + largest) return null;
    this.#burst.bytes += bytes;
    return frames.map((frame, index) => {
      this.#sent += frame;
      // Much at once ends with a mark: else it would count as unread until more has followed.
      const isEnd = index === frames.length - 1 && bytes >= markEveryBytes;
      return isEnd || this.#sent - this.#marked >= markEveryBytes ? this.#mark() : null;
    });
  }

  #mark(): string {
    const mark = this.#newMark();
    this.#marked = this.#sent;
    this.#marks.push({ mark, at: this.#sent, burst: this.#burst });
    return mark;
  }

  /** Takes a mark that came back. One that is not on its way (from before a wake, or made up) says nothing. */
  confirm(mark: string): void {
    const index = this.#marks.findIndex((sent) => sent.mark === mark);
    if (index < 0) return;
    this.#confirmed = this.#marks[index]!.at;
    this.#marks = this.#marks.slice(index + 1);
  }
}
