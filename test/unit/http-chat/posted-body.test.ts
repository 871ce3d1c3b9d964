// The body of a post, cut into pieces at any byte: what is read of it is what a parser of the whole would have last.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readPostedBody } from "../../../src/http-chat/posted-body.ts";

const MB = 1_048_576;

function requestOf(pieces: (string | Uint8Array)[], headers: Record<string, string> = {}): { request: Request; pulled: () => number } {
  let pulled = 0;
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const piece = pieces[pulled++];
      if (piece === undefined) return controller.close();
      controller.enqueue(typeof piece === "string" ? encoder.encode(piece) : piece);
    },
  });
  const init = { method: "POST", body, duplex: "half", headers: { "content-type": "application/json", ...headers } };
  return { request: new Request("https://chat.example/", init), pulled: () => pulled };
}

const read = (...pieces: (string | Uint8Array)[]) => readPostedBody(requestOf(pieces).request);

describe("the body of a post", () => {
  it("is the whole, with the last of its messages, wherever it is cut", async () => {
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("messages", 'messages":[', "]", "},{", '\\"', "\\"));
    const entry = fc.oneof(fc.jsonValue({ depthSize: "small" }), fc.record({ text, parts: fc.array(text) }));
    const body = fc.tuple(
      fc.dictionary(text, entry),
      fc.array(entry),
      fc.dictionary(
        text.filter((key) => key !== "messages"),
        entry,
      ),
    );
    await fc.assert(
      fc.asyncProperty(body, fc.array(fc.nat()), fc.boolean(), async ([before, messages, behind], cuts, isSpaced) => {
        const { messages: _messages, ...head } = before;
        const all = { ...head, messages, ...behind };
        const bytes = new TextEncoder().encode(JSON.stringify(all, null, isSpaced ? 1 : 0));
        const points = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
        const pieces = points.slice(1).map((to, i) => bytes.slice(points[i], to));
        const whole = JSON.parse(new TextDecoder().decode(bytes)) as { messages: unknown[] };
        expect(await read(...pieces)).toEqual({ ...whole, messages: whole.messages.slice(-1) });
      }),
      { numRuns: 200 },
    );
  });

  it("keeps a transcript only in the place where it belongs", async () => {
    expect(await read('{"a":{"messages":[1,2]},"b":"messages","messages":[3,4],"c":[5,6]}')).toEqual({
      a: { messages: [1, 2] },
      b: "messages",
      messages: [4],
      c: [5, 6],
    });
  });

  it.each([
    ["nothing", [""]],
    ["no JSON", ["{"]],
    ["a list", ["[1]"]],
    ["a cut in a character", [new Uint8Array([0x7b, 0x22, 0xc3])]],
    ["no UTF-8", [new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])]],
    ["a nesting without end", ["[".repeat(1_000)]],
    ["closings without end", ["}".repeat(1_000)]],
  ])("is refused when it is %s", async (_name, pieces) => {
    await expect(read(...pieces)).rejects.toMatchObject({ code: "bad_request" });
  });

  it("is refused without its content type, which a form of another page cannot send", async () => {
    await expect(readPostedBody(requestOf(["{}"], { "content-type": "text/plain" }).request)).rejects.toMatchObject({
      code: "bad_request",
    });
  });

  it("has any length of what is dropped, and bounds for what is kept and for all", async () => {
    const megabyte = `"${"x".repeat(MB)}"`;
    const long = ['{"messages":[', ...Array.from({ length: 20 }, () => `${megabyte},`), '"last"]}'];
    expect(await read(...long)).toEqual({ messages: ["last"] });
    const tooLarge = { code: "too_large" };
    await expect(
      read(
        '{"messages":["',
        ..."x"
          .repeat(5)
          .split("")
          .map((x) => x.repeat(MB)),
        '"]}',
      ),
    ).rejects.toMatchObject(tooLarge);
    await expect(read(`{"a":[${Array.from({ length: 5 }, () => megabyte).join()}],"messages":[1]}`)).rejects.toMatchObject(tooLarge);
    const { request, pulled } = requestOf(['{"messages":[', ...Array.from({ length: 100 }, () => `${megabyte},`), '"last"]}']);
    await expect(readPostedBody(request)).rejects.toMatchObject(tooLarge);
    expect(pulled()).toBeLessThan(40);
    await expect(readPostedBody(requestOf(["{}"], { "content-length": "99999999" }).request)).rejects.toMatchObject(tooLarge);
  });
});
