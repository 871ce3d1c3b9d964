// The arithmetic of flow control, against a model of a client that has read so much of what was sent to it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/protocol/limits.ts";
import { Flow } from "../../../src/sockets/flow.ts";

const { markEveryBytes: MARK, maxBehindBytes: BEHIND } = LIMITS;

/** A line: what was sent and not read yet, in order. */
class Line {
  readonly flow: Flow;
  readonly #items: ({ bytes: number; moment: number } | { mark: string; moment: number })[] = [];
  /** Bytes of each moment. */
  readonly #bursts = new Map<number, number>();
  #now = 1;
  marks = 0;

  constructor() {
    let ids = 0;
    this.flow = new Flow(() => `mark-${++ids}`);
  }

  /** Time passes: what is sent next is another burst. */
  tick(): void {
    this.#now++;
  }

  /** Sends frames at once; false when the client is closed instead. */
  send(...frames: number[]): boolean {
    const marks = this.flow.send(frames, this.#now);
    if (!marks) return false;
    frames.forEach((bytes, index) => {
      this.#items.push({ bytes, moment: this.#now });
      this.#bursts.set(this.#now, this.burst + bytes);
      const mark = marks[index];
      if (!mark) return;
      this.marks++;
      this.#items.push({ mark, moment: this.#now });
    });
    return true;
  }

  /** Sends frames of so many bytes, each in its own moment, until the client is closed; the sum. */
  fill(bytes: number): number {
    let sum = 0;
    for (this.tick(); this.send(bytes); this.tick()) sum += bytes;
    return sum;
  }

  /** The client reads the next frame, with the mark right behind it. False when there is nothing. */
  read(): boolean {
    if (this.#items.shift() === undefined) return false;
    const next = this.#items[0];
    if (!next || !("mark" in next)) return true;
    this.#items.shift();
    this.flow.confirm(next.mark);
    return true;
  }

  get #unread(): { bytes: number; moment: number }[] {
    return this.#items.filter((item) => "bytes" in item);
  }

  /** Bytes. */
  get unread(): number {
    return this.#unread.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** What was sent in this moment. */
  get burst(): number {
    return this.#bursts.get(this.#now) ?? 0;
  }

  /** The largest burst of which something is unread. */
  get largest(): number {
    return Math.max(0, ...this.#unread.map(({ moment }) => this.#bursts.get(moment)!));
  }

  /** The largest burst of which a mark is unread: what is behind its last mark may count as read. */
  get largestMarked(): number {
    return Math.max(0, ...this.#items.map((item) => ("mark" in item ? this.#bursts.get(item.moment)! : 0)));
  }
}

const frame = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 20, max: 9_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 9_000, max: 2 * MARK }) },
  { weight: 1, arbitrary: fc.integer({ min: MARK, max: 6_000_000 }) },
);
const frames = fc.array(frame, { minLength: 1, maxLength: 5 });
/** What is sent at once, how many frames the client reads before, and whether time passes before. */
const step = fc.record({ frames, reads: fc.nat(8), isLater: fc.boolean() });

describe("flow", () => {
  it("never closes a client that is within its window, however large the bursts are", () => {
    // A mark tells of what was read at most one mark's distance and one frame late.
    const honest = BEHIND - 2 * MARK;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const line = new Line();
        for (const { frames: sizes, reads, isLater } of steps) {
          if (isLater) line.tick();
          const bytes = sizes.reduce((sum, one) => sum + one, 0);
          for (let count = reads; count > 0; count--) line.read();
          while (line.unread + bytes > honest + Math.max(line.largestMarked, line.burst + bytes)) line.read();
          expect(line.send(...sizes)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("closes a client that stops at any point before it is 1 MB beyond its largest burst behind", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(frames, { minLength: 1, maxLength: 5 }), (steps, rest) => {
        const line = new Line();
        /** Of what it had not read when it was sent the last of it. */
        let largest = 0;
        for (const { frames: sizes, reads, isLater } of steps) {
          if (isLater || line.burst > 8_000_000) line.tick();
          if (!line.send(...sizes)) break;
          largest = line.largest;
          for (let count = reads; count > 0; count--) line.read();
        }
        // Small frames alone would take a million steps behind a large burst.
        const bursts = [...rest, [9_000]];
        const most = line.unread + BEHIND + line.largest + bursts.flat().reduce((sum, bytes) => sum + bytes, 0);
        let isOpen = true;
        let sent = 0;
        for (let count = 0; isOpen && sent <= most; count++) {
          const burst = bursts[count % bursts.length]!;
          line.tick();
          isOpen = line.send(...burst);
          sent += burst.reduce((sum, bytes) => sum + bytes, 0);
        }
        expect(isOpen).toBe(false);
        // A burst under the size of a mark may have none: it counts as read with the mark before it.
        expect(line.unread).toBeLessThanOrEqual(BEHIND + Math.max(largest, line.largest, MARK));
      }),
      { numRuns: 200 },
    );
  });

  it("lets a burst of 5 MB be read at any pace while 1 MB of others follow", () => {
    const line = new Line();
    expect(line.send(5_000_000)).toBe(true);
    expect(line.fill(8_000)).toBeGreaterThan(BEHIND - 8_000);
    expect(line.unread).toBeLessThanOrEqual(5_000_000 + BEHIND);
  });

  it("forgets a burst once it is read", () => {
    const line = new Line();
    line.send(3_000_000, 2_000_000, 10);
    while (line.read());
    expect(line.flow.behindBytes).toBe(0);
    line.fill(8_000);
    expect(line.unread).toBeLessThanOrEqual(BEHIND + 8_000);
  });

  it("refuses another burst of 5 MB as long as the first is unread", () => {
    const line = new Line();
    expect(line.send(5_000_000)).toBe(true);
    line.tick();
    expect(line.send(5_000_000)).toBe(false);
    while (line.read());
    expect(line.send(5_000_000)).toBe(true);
  });

  it("blames nobody for what is sent in one moment, and closes who reads none of it afterwards", () => {
    const line = new Line();
    for (let count = 0; count < 500; count++) expect(line.send(8_000)).toBe(true);
    line.fill(8_000);
    expect(line.unread).toBeGreaterThan(4_000_000 + BEHIND - 8_000);
    expect(line.unread).toBeLessThanOrEqual(4_000_000 + BEHIND);
  });

  it("marks each 64 KB of small frames once, and what is large at its end", () => {
    const line = new Line();
    for (let count = 0; count < 100; count++) {
      line.send(8_192);
      line.read();
    }
    expect(line.marks).toBe(Math.floor((100 * 8_192) / MARK));
    line.marks = 0;
    line.send(MARK, 10, 20);
    expect(line.marks).toBe(2);
  });

  it("takes no mark that is not on its way, and none twice", () => {
    const flow = new Flow(() => "mark");
    expect(flow.send([MARK], 1)).toEqual(["mark"]);
    flow.confirm("other");
    flow.confirm("");
    expect(flow.behindBytes).toBe(MARK);
    flow.confirm("mark");
    expect(flow.send([10, 0], 2)).toEqual([null, null]);
    flow.confirm("mark");
    expect(flow.behindBytes).toBe(10);
  });
});
