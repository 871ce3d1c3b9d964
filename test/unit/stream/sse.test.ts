import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Chunk } from "../../../src/protocol/messages.ts";
import { ChunkReader, feedOfStream } from "../../../src/stream/chunk-reader.ts";
import { MAX_SSE_EVENT_BYTES, SseDecoder } from "../../../src/stream/sse.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Decodes the bytes cut at the given places. Returns what came out, and the error's message when it failed. */
function decode(bytes: Uint8Array, cuts: number[] = []): { chunks: Chunk[]; error?: string; code?: unknown } {
  const decoder = new SseDecoder();
  const chunks: Chunk[] = [];
  try {
    let from = 0;
    for (const cut of [...cuts].sort((a, b) => a - b)) {
      decoder.push(bytes.subarray(from, cut), chunks);
      from = cut;
    }
    decoder.push(bytes.subarray(from), chunks);
    decoder.end(chunks);
    return { chunks };
  } catch (error) {
    return { chunks, error: (error as Error).message, code: (error as { code?: unknown }).code };
  }
}

const delta = (text: string): Chunk => ({ type: "text-delta", id: "1", delta: text });
const event = (chunk: Chunk, eol = "\n"): string => `data: ${JSON.stringify(chunk)}${eol}${eol}`;

const CHUNKS: Chunk[] = [
  { type: "start", messageId: "m" },
  { type: "start-step" },
  { type: "text-start", id: "1" },
  delta("plain"),
  delta("漢字かな"),
  delta("👩‍👩‍👧‍👦 🏳️‍🌈 é ß \u{1d11e} \ufeff inside"),
  delta("line\nbreak\r\nand data: not a field"),
  { type: "text-end", id: "1" },
  { type: "finish-step" },
  { type: "finish" },
];

const BODIES: Record<string, string> = {
  LF: CHUNKS.map((chunk) => event(chunk, "\n")).join("") + "data: [DONE]\n\n",
  CR: CHUNKS.map((chunk) => event(chunk, "\r")).join("") + "data: [DONE]\r\r",
  CRLF: CHUNKS.map((chunk) => event(chunk, "\r\n")).join("") + "data: [DONE]\r\n\r\n",
  "a BOM, comments and other fields":
    "\ufeff: hello\n\n" +
    CHUNKS.map((chunk) => `id: 7\n: keep-alive\nevent: x\nretry: 5\ndata:${JSON.stringify(chunk)}\ndatas: no\n\n`).join(""),
  "data over several lines": CHUNKS.map((chunk) => `data: ${JSON.stringify(chunk, null, 1).replaceAll("\n", "\r\ndata: ")}\r\n\r\n`).join(
    "",
  ),
  "no blank line at the end": CHUNKS.map((chunk) => event(chunk))
    .join("")
    .trimEnd(),
  "an end between CR and LF": CHUNKS.map((chunk) => event(chunk, "\r\n"))
    .join("")
    .slice(0, -1),
};

describe("SseDecoder", () => {
  for (const [name, body] of Object.entries(BODIES)) {
    it(`gives the same chunks wherever a body with ${name} is cut`, () => {
      const bytes = encode(body);
      expect(decode(bytes)).toEqual({ chunks: CHUNKS });
      for (let cut = 0; cut <= bytes.length; cut += 1) expect(decode(bytes, [cut]).chunks).toEqual(CHUNKS);
      expect(decode(bytes, [...bytes.keys()])).toEqual({ chunks: CHUNKS });
    });
  }

  it("gives the same chunks and the same failure for any cuts of any body", () => {
    const line = fc.oneof(
      fc.string({ unit: "grapheme" }).map((text) => `data: ${JSON.stringify(delta(text))}`),
      fc.constantFrom(
        "",
        "",
        "data: [DONE]",
        "data",
        "data:",
        ": c",
        "event: e",
        "data: {",
        'data: {"type":1}',
        "dat",
        "\ufeffdata: x",
        "data: null",
      ),
    );
    const body = fc
      .array(fc.tuple(line, fc.constantFrom("\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "\r\r", "")))
      .map((lines) => lines.flat().join(""));
    fc.assert(
      fc.property(body, fc.array(fc.nat(), { maxLength: 6 }), (text, places) => {
        const bytes = encode(text);
        const cuts = places.map((place) => place % (bytes.length + 1));
        expect(decode(bytes, cuts)).toEqual(decode(bytes));
      }),
      { numRuns: 400 },
    );
  });

  it("gives the same chunks for two cuts in a body of random text", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "binary" }), { maxLength: 5 }),
        fc.constantFrom("\n", "\r", "\r\n"),
        fc.nat(),
        fc.nat(),
        (texts, eol, a, b) => {
          const chunks = texts.map(delta);
          const bytes = encode(chunks.map((chunk) => event(chunk, eol)).join("") + `data: [DONE]${eol}${eol}`);
          expect(decode(bytes, [a % (bytes.length + 1), b % (bytes.length + 1)])).toEqual({ chunks });
        },
      ),
      { numRuns: 400 },
    );
  });

  it("dispatches an event at the CR that ends it, before a possible LF", () => {
    const decoder = new SseDecoder();
    const chunks: Chunk[] = [];
    decoder.push(encode(event(delta("a"), "\r\n").slice(0, -1)), chunks);
    expect(chunks).toEqual([delta("a")]);
    decoder.push(encode("\n" + event(delta("b"))), chunks);
    expect(chunks).toEqual([delta("a"), delta("b")]);
  });

  it("ignores what follows [DONE]", () => {
    expect(decode(encode(`${event(delta("a"))}data: [DONE]\n\n${event(delta("b"))}data: {`))).toEqual({ chunks: [delta("a")] });
    expect(decode(encode(`${event(delta("a"))}data: [DONE]`))).toEqual({ chunks: [delta("a")] });
  });

  const ENDS: [string, string][] = [
    ["inside JSON", 'data: {"type":"text-del'],
    ["inside the field name", "dat"],
    ["after the field name", "data:"],
    ["after JSON cut at a line", 'data: {"type":\n'],
    ["inside a character", "data: é"],
  ];
  for (const [name, tail] of ENDS) {
    it(`fails when the body ends ${name}, after the chunks before it`, () => {
      const bytes = encode(event(delta("a")) + tail);
      const cut = name === "inside a character" ? bytes.subarray(0, -1) : bytes;
      expect(decode(cut)).toEqual({
        chunks: [delta("a")],
        code: "model_error",
        error: "The turn's stream ended in the middle of an event.",
      });
    });
  }

  const HOSTILE: [string, string][] = [
    ["is not JSON", "secret"],
    ["is null", "null"],
    ["is an array", "[1]"],
    ["is a string", '"secret"'],
    ["has no type", '{"secret":1}'],
    ["has a type that is no string", '{"type":{"secret":1}}'],
    ["is a delta without text", '{"type":"text-delta","id":"1","delta":{"secret":1}}'],
    ["is a call without an id", '{"type":"tool-input-available","toolName":"secret"}'],
  ];
  for (const [name, data] of HOSTILE) {
    it(`fails without quoting it when an event ${name}, after the chunks before it`, () => {
      const result = decode(encode(`${event(delta("a"))}data: ${data}\n\n${event(delta("b"))}`));
      expect(result).toMatchObject({ chunks: [delta("a")], code: "model_error" });
      expect(result.error).not.toContain("secret");
    });
  }

  it("passes chunks of unknown types and names of object members as types", () => {
    const body = ["future-thing", "__proto__", "constructor"].map((type) => `data: {"type":"${type}","x":[1]}\n\n`).join("");
    expect(decode(encode(body)).chunks.map((chunk) => chunk.type)).toEqual(["future-thing", "__proto__", "constructor"]);
  });

  it("strips a BOM at the start of the body only", () => {
    expect(decode(encode(`\ufeff${event(delta("a"))}\ufeff${event(delta("b"))}${event(delta("c"))}`)).chunks).toEqual([
      delta("a"),
      delta("c"),
    ]);
    expect(decode(encode(`data: \ufeff${JSON.stringify(delta("a"))}\n\n`))).toMatchObject({ chunks: [], code: "model_error" });
  });

  it("joins data lines with a line feed", () => {
    expect(decode(encode('data: {"type":"te\ndata: xt"}\n\n'))).toMatchObject({ chunks: [], code: "model_error" });
  });

  it("skips events with empty data", () => {
    expect(decode(encode(`data:\n\ndata\n\n${event(delta("a"))}data: [DONE]\n\n`))).toEqual({ chunks: [delta("a")] });
  });

  it("takes a body that ends before the stream says that it is over as cut, after its chunks", () => {
    const { chunks, ...failure } = decode(encode(event(delta("a"))));
    expect(chunks).toEqual([delta("a")]);
    expect(failure).toMatchObject({ code: "model_error", error: expect.stringContaining("broke off") as string });
    for (const end of [{ type: "finish" }, { type: "abort" }, { type: "error", errorText: "no" }] as Chunk[]) {
      expect(decode(encode(event(delta("a")) + event(end)))).toEqual({ chunks: [delta("a"), end] });
    }
  });

  it("takes an event of the largest size and refuses one byte more, however it is cut", () => {
    const shell = JSON.stringify(delta("")).length;
    const fits = encode(`data: ${JSON.stringify(delta("x".repeat(MAX_SSE_EVENT_BYTES - shell - 6)))}\n\n`);
    expect(decode(fits).chunks).toHaveLength(1);
    expect(decode(fits, [5, 1000, fits.length - 2]).chunks).toHaveLength(1);
    const over = new Uint8Array(MAX_SSE_EVENT_BYTES + 1).fill(0x61);
    expect(decode(over)).toMatchObject({ chunks: [], code: "model_error" });
    const line = encode(`data: ${"a".repeat(1024 * 1024)}\n`);
    const decoder = new SseDecoder();
    expect(() => {
      for (let sent = 0; sent < 17; sent += 1) decoder.push(line, []);
    }).toThrow(/larger than/);
  });

  it("decodes a large event in tiny reads in linear time", () => {
    const time = (size: number): number => {
      const bytes = encode(event(delta("y".repeat(size))));
      const decoder = new SseDecoder();
      const chunks: Chunk[] = [];
      const began = performance.now();
      for (let at = 0; at < bytes.length; at += 4) decoder.push(bytes.subarray(at, at + 4), chunks);
      expect(chunks).toHaveLength(1);
      return performance.now() - began;
    };
    time(250_000);
    // Quadratic work would be 64 times as much; the slack is for a busy machine.
    expect(time(2_000_000)).toBeLessThan(Math.max(time(250_000), 5) * 32);
  });

  it("keeps two decoders apart", () => {
    const [a, b] = [new SseDecoder(), new SseDecoder()];
    const [fromA, fromB]: [Chunk[], Chunk[]] = [[], []];
    const [left, right] = [encode(event(delta("a"))), encode(event(delta("b")))];
    for (let at = 0; at < left.length; at += 1) {
      a.push(left.subarray(at, at + 1), fromA);
      b.push(right.subarray(at, at + 1), fromB);
    }
    expect([fromA, fromB]).toEqual([[delta("a")], [delta("b")]]);
  });
});

/** The chunks of the body of an event stream. */
const chunksOf = (body: ReadableStream<Uint8Array>): ChunkReader => ChunkReader.over(feedOfStream(body), new SseDecoder(), () => {});

describe("the body of an event stream", () => {
  it("cancels the body at [DONE], once, and leaves it unlocked", async () => {
    const cancels: unknown[] = [];
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(encode(event(delta("a")) + "data: [DONE]\n\n")),
      cancel: (reason) => void cancels.push(reason),
    });
    const chunks: Chunk[] = [];
    for await (const chunk of chunksOf(body)) chunks.push(chunk);
    expect(chunks).toEqual([delta("a")]);
    expect(cancels).toHaveLength(1);
    expect(body.locked).toBe(false);
  });

  it("gives every whole chunk before it rejects, then is done", async () => {
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(encode(event(delta("a")) + "data: {\n\n")) });
    const reader = chunksOf(body);
    expect(await reader.next()).toEqual({ done: false, value: delta("a") });
    await expect(reader.next()).rejects.toMatchObject({ code: "model_error" });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
    expect(body.locked).toBe(false);
  });
});
