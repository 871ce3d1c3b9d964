// A turn that answers with a `Response` of server-sent events: wherever its body is cut into reads, the stored message is the
// same, and a body that breaks off ends the turn as failed with what had arrived.
import type { UIMessageChunk } from "ai";
import { describe, expect, it, vi } from "vitest";
import { answerNext } from "./support/stage.ts";
import { newThread, Tab } from "./support/tab.ts";

const CHUNKS: UIMessageChunk[] = [
  { type: "start" },
  { type: "text-start", id: "ü" },
  { type: "text-delta", id: "ü", delta: "Grüße " },
  { type: "text-delta", id: "ü", delta: "👋🏽 日本" },
  { type: "text-end", id: "ü" },
  { type: "finish", finishReason: "stop" },
];

const DONE = "data: [DONE]\n\n";
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const eventOf = (chunk: UIMessageChunk): string => `data: ${JSON.stringify(chunk)}\n\n`;
const EVENTS = CHUNKS.map(eventOf);
const BODY = encode(EVENTS.join("") + DONE);
const CUTS = Array.from({ length: BODY.length + 1 }, (_, cut) => cut);

/** An event stream whose body comes in these reads. */
function sse(...reads: Uint8Array[]): Response {
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const read of reads) {
        controller.enqueue(read);
        await Promise.resolve();
      }
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
}

/** What is stored of the reply to a message, as a fresh tab would see it. */
interface Stored {
  parts: unknown;
  outcome?: string;
  finishReason?: string;
}

/** The replies of one turn for each body, in a new thread. */
async function repliesInOneThread(bodies: readonly (() => Response)[]): Promise<Stored[]> {
  const stored: Stored[] = [];
  const tab = await Tab.open(await newThread());
  for (const body of bodies) {
    await answerNext(tab.threadId, body);
    const sending = tab.client.send("Hello");
    const reply = await sending.settled;
    const bearer = reply ?? tab.snapshot.messages.at(-1)!;
    const { outcome, finishReason } = bearer.facts!;
    stored.push({ parts: reply?.parts ?? null, outcome, ...(finishReason ? { finishReason } : {}) });
  }
  tab.close();
  // What the tab folded is what is stored.
  const fresh = await Tab.open(tab.threadId);
  await fresh.loadAll();
  expect(tab.snapshot.messages).toStrictEqual(fresh.snapshot.messages);
  fresh.close();
  return stored;
}

/** The same in several threads: no connection may send hundreds of messages in a second. */
async function repliesOf(bodies: readonly (() => Response)[]): Promise<Stored[]> {
  const groups = Array.from({ length: Math.ceil(bodies.length / 35) }, (_, n) => bodies.slice(n * 35, (n + 1) * 35));
  const stored: Stored[][] = [];
  for (let n = 0; n < groups.length; n += 3) stored.push(...(await Promise.all(groups.slice(n, n + 3).map(repliesInOneThread))));
  return stored.flat();
}

const WHOLE: Stored = {
  parts: [{ type: "step-start" }, { type: "text", text: "Grüße 👋🏽 日本", state: "done" }],
  outcome: "completed",
  finishReason: "stop",
};

describe(`a body of ${BODY.length} bytes with characters of two to four`, () => {
  it("gives the same stored message when it comes whole, and when it comes byte by byte", async () => {
    expect(await repliesOf([() => sse(BODY), () => sse(...Array.from(BODY, (byte) => Uint8Array.of(byte)))])).toEqual([WHOLE, WHOLE]);
  });

  it("gives the same stored message wherever it is cut into two reads", { timeout: 60_000 }, async () => {
    const stored = await repliesOf(CUTS.map((cut) => () => sse(BODY.slice(0, cut), BODY.slice(cut))));
    stored.forEach((reply, cut) => expect(reply, `cut at ${cut}`).toEqual(WHOLE));
  });

  it("ends the turn as failed with what had arrived, wherever it breaks off", { timeout: 60_000 }, async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const stored = await repliesOf(CUTS.map((cut) => () => sse(BODY.slice(0, cut))));
    stored.forEach((reply, cut) => expect(reply, `cut at ${cut}`).toEqual(truncated(cut)));
  });

  it("ends the turn as failed with what had arrived when reading it fails", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const body = (): Response => {
      let reads = 0;
      const stream = new ReadableStream<Uint8Array>({
        pull: (controller) =>
          reads++ === 0 ? controller.enqueue(encode(EVENTS.slice(0, 3).join(""))) : controller.error(new Error("reset")),
      });
      return new Response(stream, { headers: { "content-type": "text/event-stream" } });
    };
    expect(await repliesOf([body])).toEqual([{ parts: partsOf(3), outcome: "failed" }]);
  });
});

/** The reply of the first so many events. */
function partsOf(events: number): unknown {
  const text = CHUNKS.slice(0, events)
    .map((chunk) => (chunk.type === "text-delta" ? chunk.delta : ""))
    .join("");
  return text === "" ? null : [{ type: "step-start" }, { type: "text", text, state: "done" }];
}

/** What there is to be stored of the first `length` bytes, by counting. An event whose JSON is whole counts. */
function truncated(length: number): Stored {
  let at = 0;
  const events = EVENTS.filter((event) => (at += encode(event).length) - 2 <= length).length;
  // After the finish chunk only [DONE] can be cut, and the stream has said by then that it is over.
  const isWhole = events === EVENTS.length;
  return { parts: partsOf(events), ...(isWhole ? { outcome: "completed", finishReason: "stop" } : { outcome: "failed" }) };
}
