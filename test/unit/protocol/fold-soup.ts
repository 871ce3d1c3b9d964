// Chunks in any order for the property tests of the fold.
import fc from "fast-check";
import type { Chunk } from "../../../src/protocol/messages.ts";
import { json } from "./fold-support.ts";

const pick = <T>(...values: T[]) => fc.constantFrom(...values);
const providerMetadata = pick(undefined, { p: { n: 1 } }, { p: { m: 2 } });

/** Chunks that are well-formed one by one, in any order: what a broken producer could send. A call id has one tool kind. */
export const chunkSoup: fc.Arbitrary<Chunk[]> = (() => {
  const id = pick("__proto__", "t", "constructor");
  const kinds = pick({ toolCallId: "__proto__", toolName: "one" }, { toolCallId: "c", toolName: "two", dynamic: true });
  const flag = pick(undefined, true, false);
  const text = pick("", "x", '{"a":', "1", "}");
  // Any of them after one another is the beginning of a JSON text: of others the two parsers make different things.
  const inputText = pick("", "7", "42");
  const value = pick<unknown>(null, 1, "s", { a: [1] });
  const title = pick(undefined, "T");
  const toolMetadata = pick(undefined, { m: 1 });
  const inputEncoding = pick(undefined, "json", "text");
  const common = { kinds, providerExecuted: flag, providerMetadata, toolMetadata };
  const announced = fc.record({ ...common, title });
  const answered = fc.record(common);
  const part = fc.record({ type: pick("text-start", "text-end", "reasoning-start", "reasoning-end"), id, providerMetadata });
  const delta = fc.record({ type: pick("text-delta", "reasoning-delta"), id, delta: text, providerMetadata });
  const start = fc
    .tuple(announced, inputEncoding)
    .map(([{ kinds: kind, ...rest }, encoding]) => ({ type: "tool-input-start", ...kind, ...rest, inputEncoding: encoding }));
  const available = fc
    .tuple(announced, value)
    .map(([{ kinds: kind, ...rest }, input]) => ({ type: "tool-input-available", ...kind, ...rest, input }));
  const bad = fc
    .tuple(announced, value)
    .map(([{ kinds: kind, ...rest }, input]) => ({ type: "tool-input-error", ...kind, ...rest, input, errorText: "bad" }));
  const inputDelta = fc
    .tuple(kinds, inputText)
    .map(([{ toolCallId }, inputTextDelta]) => ({ type: "tool-input-delta", toolCallId, inputTextDelta }));
  const reason = pick(undefined, "", "r");
  const request = fc
    .tuple(kinds, reason)
    .map(([{ toolCallId }, why]) => ({ type: "tool-approval-request", toolCallId, approvalId: `a-${toolCallId}`, reason: why }));
  const response = fc
    .tuple(kinds, fc.boolean(), reason)
    .map(([{ toolCallId }, approved, why]) => ({ type: "tool-approval-response", approvalId: `a-${toolCallId}`, approved, reason: why }));
  const output = fc.tuple(answered, value, flag).map(([{ kinds: kind, ...rest }, out, preliminary]) => ({
    type: "tool-output-available",
    toolCallId: kind.toolCallId,
    ...rest,
    output: out,
    preliminary,
  }));
  const error = answered.map(({ kinds: kind, ...rest }) => ({
    type: "tool-output-error",
    toolCallId: kind.toolCallId,
    ...rest,
    errorText: "no",
  }));
  const denied = kinds.map(({ toolCallId }) => ({ type: "tool-output-denied", toolCallId }));
  const data = fc.record({ type: pick("data-a", "data-b"), id: pick(undefined, "1", "__proto__"), data: value, transient: flag });
  const other = pick(
    { type: "start-step" },
    { type: "reset-step" },
    { type: "finish-step" },
    { type: "start" },
    { type: "error", errorText: "e" },
  );
  const metadata = fc.record({
    type: pick("start", "finish", "message-metadata"),
    messageMetadata: pick<unknown>(undefined, { a: { b: 1 } }, { a: { c: [2] } }, { a: 3 }, { a: null }),
  });
  const chunk = fc.oneof(
    part,
    delta,
    start,
    available,
    bad,
    inputDelta,
    inputDelta,
    request,
    response,
    output,
    error,
    denied,
    data,
    other,
    metadata,
  );
  return fc.array(chunk, { maxLength: 25 }).map((chunks) => json(chunks) as unknown as Chunk[]);
})();
