// Stubs of payloads that are too large to travel: by themselves, and as the fold of a client that never sees the payload.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closingChunks } from "../../../src/protocol/close-open-parts.ts";
import { emptyLive, fold, foldChunks } from "../../../src/protocol/fold.ts";
import type { ServerFrame } from "../../../src/protocol/frames.ts";
import { MAX_PAYLOAD_BYTES } from "../../../src/protocol/limits.ts";
import type { Chunk, LiveState, Message, Part } from "../../../src/protocol/messages.ts";
import {
  bytesAsSent,
  encodeFrame,
  stubChunk,
  stubFrame,
  stubLive,
  stubMessage,
  stubOf,
  stubPart,
  tryReadStub,
} from "../../../src/protocol/stubs.ts";
import { chunkSoup } from "./fold-soup.ts";
import { validStreams } from "./fold-streams.ts";
import { chunkOf, deepFreeze, json, MESSAGE_ID } from "./fold-support.ts";

/** Too large at once, too large as bytes only, and half of what is too large. */
const LARGE = "x".repeat(MAX_PAYLOAD_BYTES);
const WIDE = "語".repeat(MAX_PAYLOAD_BYTES / 2);
const HALF = "y".repeat(MAX_PAYLOAD_BYTES / 2 + 100);
const SIZES = [LARGE, WIDE, HALF];

/** The chunk with a large payload in each of its fields that can hold one. */
function inflate(chunk: Chunk, size: number | undefined): Chunk {
  const text = size === undefined ? undefined : SIZES[size];
  if (text === undefined) return chunk;
  const fields = { ...chunk } as Record<string, unknown>;
  for (const name of ["input", "output", "data"]) if (name in fields) fields[name] = { was: fields[name], text };
  if (chunk.type === "file" || chunk.type === "reasoning-file") fields.url = `data:text/plain,${text}`;
  // Half a JSON text, so that the next delta goes on in it.
  if (chunk.type === "tool-input-delta") fields.inputTextDelta = chunk.inputTextDelta.includes('"') ? text : `"${text}`;
  return fields as unknown as Chunk;
}

const inflated = (streams: fc.Arbitrary<Chunk[]>): fc.Arbitrary<Chunk[]> =>
  fc
    .tuple(streams, fc.array(fc.nat(4), { minLength: 40, maxLength: 40 }))
    .map(([chunks, sizes]) => chunks.map((chunk, at) => inflate(chunk, sizes[at % sizes.length])));

const empty = (): LiveState => emptyLive(MESSAGE_ID);
const text = (value: unknown): string => JSON.stringify(value);
const holdsStub = (value: unknown): boolean => text(value).includes("truncated");

describe.each([
  ["a valid stream", validStreams, 120],
  ["chunks in any order", chunkSoup, 250],
] as const)("the fold of %s with large payloads", (_, streams, numRuns) => {
  it("is, stubbed, the fold of the stubbed chunks at every seq, field by field in the same order", () => {
    let stubs = 0;
    fc.assert(
      fc.property(inflated(streams), (chunks) => {
        let whole = empty();
        let sent = empty();
        for (const chunk of chunks) {
          whole = fold(whole, chunk);
          sent = fold(sent, stubChunk(chunk));
          expect(text(sent) === text(stubLive(whole))).toBe(true);
        }
        if (holdsStub(sent)) stubs++;
        expect(text(foldChunks(empty(), chunks.map(stubChunk))) === text(stubLive(foldChunks(empty(), chunks)))).toBe(true);
      }),
      { numRuns },
    );
    expect(stubs).toBeGreaterThan(numRuns / 10);
  });

  it("goes on from the stubbed live state at any seq", () => {
    fc.assert(
      fc.property(inflated(streams), fc.nat(40), (chunks, cut) => {
        const live = stubLive(foldChunks(empty(), chunks.slice(0, cut)));
        const end = foldChunks(json(live), chunks.slice(cut).map(stubChunk));
        expect(text(end) === text(stubLive(foldChunks(empty(), chunks)))).toBe(true);
      }),
      { numRuns },
    );
  });

  it("settles to what is loaded of the stored message, wherever the turn ends", () => {
    fc.assert(
      fc.property(inflated(streams), fc.nat(40), (all, length) => {
        const chunks = all.slice(0, length);
        const live = foldChunks(empty(), chunks);
        const closing = closingChunks(live, "Interrupted");
        const stored = foldChunks(live, closing).message;
        const settled = foldChunks(foldChunks(empty(), chunks.map(stubChunk)), closing.map(stubChunk)).message;
        expect(text(settled) === text(stubMessage(stored))).toBe(true);
      }),
      { numRuns },
    );
  });
});

describe("the fold of an input that streams", () => {
  const call = { toolCallId: "c", toolName: "write" };
  const raw = text({ text: LARGE });
  const deltas: Chunk[] = [raw.slice(0, 200_000), raw.slice(200_000)].map((inputTextDelta) => ({
    type: "tool-input-delta",
    toolCallId: "c",
    inputTextDelta,
  }));
  const start: Chunk[] = [{ type: "start-step" }, { type: "tool-input-start", ...call }, ...deltas];
  const inputOf = ({ message }: LiveState): unknown => (message.parts[1] as { input?: unknown }).input;
  const bytes = text({ text: LARGE }).length;

  it("holds it as far as it came, then a stub, while the server has it whole", () => {
    const end: Chunk = { type: "tool-input-available", ...call, input: { text: LARGE } };
    const open = foldChunks(empty(), start.map(stubChunk));
    expect(inputOf(open)).toEqual({ text: LARGE });
    expect(stubLive(open)).toBe(open);
    expect(inputOf(fold(open, stubChunk(end)))).toEqual({ truncated: true, bytes });
    expect(inputOf(foldChunks(empty(), [...start, end]))).toEqual({ text: LARGE });
  });

  it.each<[string, Chunk[]]>([
    ["an outcome", [{ type: "tool-output-error", toolCallId: "c", errorText: "no" }]],
    ["a request for approval", [{ type: "tool-approval-request", toolCallId: "c", approvalId: "a" }]],
    ["a later step, and a stop there", [{ type: "start-step" }]],
  ])("that no chunk ever stated is a stub everywhere after %s", (_, chunks) => {
    let live = foldChunks(empty(), [...start, ...chunks]);
    live = foldChunks(live, closingChunks(live, "Stopped"));
    expect(inputOf(live)).toEqual({ truncated: true, bytes });
    expect(text(live).length).toBeLessThan(1_000);
  });
});

it("folds input that goes on in another call of its id in the same way", () => {
  const call = { toolCallId: "c", toolName: "write" };
  const chunks: Chunk[] = [
    { type: "tool-input-start", ...call },
    { type: "tool-input-available", ...call, dynamic: true, input: LARGE },
    { type: "tool-input-start", ...call },
    { type: "tool-input-delta", toolCallId: "c", inputTextDelta: `"${LARGE}` },
  ];
  const sent = foldChunks(emptyLive(MESSAGE_ID), chunks.map(stubChunk));
  expect(text(sent) === text(stubLive(foldChunks(emptyLive(MESSAGE_ID), chunks)))).toBe(true);
  expect(holdsStub(sent)).toBe(true);
});

describe("a stub", () => {
  it("takes the place of what has more than 262,144 bytes as JSON, and of nothing less", () => {
    const just = "x".repeat(MAX_PAYLOAD_BYTES - 2);
    expect(stubOf(just)).toBe(just);
    expect(stubOf(`${just}x`)).toEqual({ truncated: true, bytes: MAX_PAYLOAD_BYTES + 1 });
    const wide = "é".repeat((MAX_PAYLOAD_BYTES - 2) / 2);
    expect(stubOf(wide)).toBe(wide);
    expect(stubOf(`${wide}é`)).toEqual({ truncated: true, bytes: MAX_PAYLOAD_BYTES + 2 });
    for (const value of [null, undefined, 0, "", {}, []]) expect(stubOf(value)).toBe(value);
  });

  it("is read from a payload and from a URL, and from nothing else", () => {
    const part = stubPart({ type: "file", mediaType: "image/png", url: `data:image/png;base64,${LARGE}` }) as { url: string };
    expect(() => new URL(part.url)).not.toThrow();
    expect(tryReadStub(part.url)).toEqual({ truncated: true, bytes: MAX_PAYLOAD_BYTES + 24 });
    expect(tryReadStub(stubOf(LARGE))).toEqual({ truncated: true, bytes: MAX_PAYLOAD_BYTES + 2 });
    const others = [null, undefined, 7, "", "text", {}, { truncated: true }, { truncated: "yes", bytes: 1 }, "data:application/json,7"];
    for (const value of [...others, "data:application/json,%", "data:application/json,{"]) expect(tryReadStub(value)).toBeNull();
  });

  it("stands for no text, no reasoning and no small payload, which stay the same objects", () => {
    const parts: Part[] = [
      { type: "text", text: LARGE },
      { type: "reasoning", text: LARGE },
      { type: "tool-t", toolCallId: "c", state: "output-available", input: {}, output: "small" },
      { type: "data-d", data: 1 },
      { type: "source-url", sourceId: "s", url: "https://example.com" },
    ];
    const message: Message = { id: "m", parent: null, role: "assistant", parts, createdAt: 1 };
    expect(stubMessage(message)).toBe(message);
    const chunks = [{ type: "text-delta", id: "t", delta: LARGE }, { type: "data-d", data: 1 }, { type: "finish-step" }].map(chunkOf);
    for (const chunk of chunks) expect(stubChunk(chunk)).toBe(chunk);
    const frame: ServerFrame = { type: "chunks", turnId: "t", from: 1, items: chunks };
    expect(stubFrame(frame)).toBe(frame);
  });

  it("changes nothing that it is given, and nothing when made twice", () => {
    fc.assert(
      fc.property(inflated(chunkSoup), (chunks) => {
        const { message } = foldChunks(empty(), deepFreeze(chunks));
        const parts = deepFreeze(message.parts).map(stubPart);
        parts.forEach((part) => expect(stubPart(part)).toBe(part));
        chunks.map(stubChunk).forEach((chunk) => expect(stubChunk(chunk)).toBe(chunk));
      }),
      { numRuns: 60 },
    );
  });

  const large: Part = { type: "data-d", data: LARGE };
  const message: Message = { id: "m", parent: null, role: "assistant", parts: [large, { type: "text", text: "t" }], createdAt: 1 };
  const live: LiveState = { ...empty(), message: { id: "m", role: "assistant", parts: [large] }, seq: 1 };
  const session = { threadId: "t", epoch: "e", rev: 1, status: "active", title: null, metaRev: 0, stateRev: 0 } as const;

  it.each<[string, ServerFrame]>([
    ["snapshot", { type: "snapshot", session, messages: [message], hasEarlier: false, queue: [], turn: null, live }],
    ["delta", { type: "delta", from: 0, to: 1, messages: [message], turn: null }],
    ["delta with a live state", { type: "delta", from: 0, to: 1, turn: null, live }],
    ["page", { type: "page", ref: "r", messages: [message], hasEarlier: true }],
    ["chunks", { type: "chunks", turnId: "t", from: 1, items: [chunkOf({ ...large })] }],
  ])("takes its place in a frame of type %s, which is else the same", (_, frame) => {
    const sent = encodeFrame(frame);
    expect(sent.length).toBeLessThan(1_000);
    const { length } = text(LARGE);
    expect(sent).toBe(text(frame).replaceAll(text(LARGE), text({ truncated: true, bytes: length })));
  });

  it("is not in the answer to who asks for the part", () => {
    const frame: ServerFrame = { type: "page", ref: "r", part: large };
    expect(encodeFrame(frame)).toBe(text(frame));
  });

  it("is what is counted of a message", () => {
    expect(bytesAsSent(message, stubMessage)).toBe(Buffer.byteLength(text(stubMessage(message))));
  });
});
