// What the tests of the fold share: the AI SDK's own reader as the reference, and a model of the streams that it accepts.
import { readUIMessageStream, type UIMessage } from "ai";
import fc from "fast-check";
import type { Chunk, LiveMessage, LiveState, Part } from "../../../src/protocol/messages.ts";

export const MESSAGE_ID = "reply-1";

export const json = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** `value` as JSON text with sorted keys: what to compare, since matchers stumble over keys such as `constructor`. */
export function canonical(value: unknown): string {
  const sorted = (_: string, inner: unknown): unknown =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner;
  return JSON.stringify(value, sorted, 1) ?? "undefined";
}

/** The chunk with a type that TypeScript cannot see through. */
export const chunkOf = (fields: { type: string } & Record<string, unknown>): Chunk => fields as unknown as Chunk;

export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

/** The message that the AI SDK's reader makes of `chunks`, as JSON; the error when it throws. */
export async function sdkFold(chunks: readonly Chunk[]): Promise<{ message: LiveMessage; error: unknown }> {
  // The reader works on this very object; its snapshots would miss what it does not announce, such as a step's start.
  const message: UIMessage = { id: MESSAGE_ID, role: "assistant", parts: [] };
  let error: unknown;
  const stream = new ReadableStream<Chunk>({
    start(controller) {
      for (const chunk of json(chunks)) controller.enqueue(chunk);
      controller.close();
    },
  });
  const reader = readUIMessageStream({ message, stream, onError: (reason) => (error ??= reason) });
  for await (const _ of reader);
  return { message: json(message) as LiveMessage, error };
}

/** Whether nothing of the message awaits another chunk. */
export function isSettled({ message, open }: LiveState): boolean {
  const openStates = ["streaming", "input-streaming", "input-available", "approval-requested", "approval-responded"];
  const isOpen = (part: Part): boolean =>
    "state" in part && (openStates.includes(part.state as string) || (part.state === "output-available" && !!part.preliminary));
  return !message.parts.some(isOpen) && [open.text, open.reasoning, open.input].every((record) => Object.keys(record).length === 0);
}

/** One wish of the generator; the builder reads from it what the moment allows. */
interface Wish {
  op: number;
  pick: number;
  text: string;
  value: unknown;
  flags: number;
}

interface CallModel {
  id: string;
  name: string;
  dynamic: boolean;
  phase: "input" | "ready" | "asked" | "answered" | "preliminary" | "done";
  /** The rest of the input text; undefined when the input comes at once. */
  rest: string;
  input: unknown;
}

const IDS = ["__proto__", "constructor", "toString", "7", "0", "a b"];
const METADATA_KEYS = ["a", "b", "__proto__", "constructor", "toString"];

/** An object from its entries, in which `__proto__` is an ordinary key. */
const objectOf = (entries: [string, unknown][]): Record<string, unknown> => Object.fromEntries(entries);

/** Builds a stream that the AI SDK could send: several steps, parts and calls side by side, in whatever order is allowed. */
class StreamBuilder {
  readonly chunks: Chunk[] = [];
  #texts: string[] = [];
  #reasonings: string[] = [];
  #calls: CallModel[] = [];
  #count = 0;
  #hasOpenedStep = false;

  #emit(fields: { type: string } & Record<string, unknown>): void {
    this.chunks.push(chunkOf(json(fields)));
  }

  #metadata(wish: Wish): Record<string, unknown> {
    return wish.flags & 1 ? { providerMetadata: { test: { signature: wish.text } } } : {};
  }

  #id(wish: Wish): string {
    return `${IDS[wish.pick % IDS.length]}${this.#count++ % 3 === 0 ? "" : this.#count}`;
  }

  #ofPhase(wish: Wish, ...phases: CallModel["phase"][]): CallModel | undefined {
    const calls = this.#calls.filter((call) => phases.includes(call.phase));
    return calls[wish.pick % Math.max(calls.length, 1)];
  }

  #part(wish: Wish, kind: "text" | "reasoning"): void {
    const open = kind === "text" ? this.#texts : this.#reasonings;
    const at = wish.pick % Math.max(open.length, 1);
    const id = open[at];
    const metadata = this.#metadata(wish);
    if (id === undefined || wish.flags % 8 === 0) {
      const fresh = this.#id(wish);
      if (open.includes(fresh)) return;
      open.push(fresh);
      this.#emit({ type: `${kind}-start`, id: fresh, ...metadata });
    } else if (wish.flags % 4 === 1) {
      open.splice(at, 1);
      const citations = kind === "text" && wish.flags & 16 ? { citations: [{ type: "url", text: wish.text }] } : {};
      this.#emit({ type: `${kind}-end`, id, ...metadata, ...citations });
    } else {
      this.#emit({ type: `${kind}-delta`, id, delta: wish.text, ...metadata });
    }
  }

  #newCall(wish: Wish): CallModel | undefined {
    const id = this.#id(wish);
    if (this.#calls.some((call) => call.id === id)) return undefined;
    const isText = (wish.flags & 6) === 6;
    const input = isText ? wish.text : wish.value;
    const call: CallModel = {
      id,
      name: wish.flags & 16 ? "search-web" : "__proto__",
      dynamic: !!(wish.flags & 8),
      phase: "input",
      rest: isText ? wish.text : JSON.stringify(input),
      input,
    };
    this.#calls.push(call);
    return call;
  }

  /** The fields that announce a call, with the optional ones by flag. */
  #announcement(call: CallModel, wish: Wish): Record<string, unknown> {
    return {
      toolCallId: call.id,
      toolName: call.name,
      ...(call.dynamic && { dynamic: true }),
      ...(wish.flags & 32 && { providerExecuted: true }),
      ...(wish.flags & 64 && { title: wish.text }),
      ...(wish.flags & 128 && { toolMetadata: { from: wish.text } }),
      ...this.#metadata(wish),
    };
  }

  #callInput(wish: Wish): void {
    const call = this.#ofPhase(wish, "input");
    if (!call || wish.flags % 16 === 0) {
      const fresh = this.#newCall(wish);
      if (!fresh) return;
      const inputEncoding = (wish.flags & 6) === 6 ? { inputEncoding: "text" } : wish.flags & 2 ? { inputEncoding: "json" } : {};
      return this.#emit({ type: "tool-input-start", ...this.#announcement(fresh, wish), ...inputEncoding });
    }
    if (call.rest && wish.flags % 8 !== 1) {
      const length = 1 + (wish.flags % 9);
      this.#emit({ type: "tool-input-delta", toolCallId: call.id, inputTextDelta: call.rest.slice(0, length) });
      call.rest = call.rest.slice(length);
      return;
    }
    this.#settleInput(call, wish);
  }

  #settleInput(call: CallModel, wish: Wish): void {
    const isBad = wish.flags % 32 === 9;
    call.phase = isBad ? "done" : "ready";
    // With bad input the SDK marks a call dynamic that it had announced as static.
    const bad = isBad ? { errorText: wish.text, ...(wish.flags & 64 && { dynamic: true }) } : {};
    this.#emit({ type: isBad ? "tool-input-error" : "tool-input-available", ...this.#announcement(call, wish), input: call.input, ...bad });
  }

  #callAtOnce(wish: Wish): void {
    const call = this.#newCall(wish);
    if (call) this.#settleInput(call, wish);
  }

  #approval(wish: Wish): void {
    const asked = this.#ofPhase(wish, "asked");
    if (asked && wish.flags & 2) {
      asked.phase = "answered";
      const reason = wish.flags & 8 ? { reason: wish.text } : {};
      const executed = wish.flags & 16 ? { providerExecuted: true } : {};
      const approvalId = `approval-${asked.id}`;
      return this.#emit({
        type: "tool-approval-response",
        approvalId,
        approved: !!(wish.flags & 4),
        ...reason,
        ...executed,
        ...this.#metadata(wish),
      });
    }
    const call = this.#ofPhase(wish, "ready");
    if (!call) return;
    call.phase = "asked";
    this.#emit({
      type: "tool-approval-request",
      toolCallId: call.id,
      approvalId: `approval-${call.id}`,
      ...(wish.flags & 4 && { approvalDescriptor: wish.value }),
      ...(wish.flags & 8 && { inputSchemaInput: wish.value }),
      ...(wish.flags & 16 && { reason: wish.text }),
      ...(wish.flags & 32 && { isAutomatic: !!(wish.flags & 64) }),
      ...(wish.flags & 128 && { signature: wish.text }),
    });
  }

  #outcome(wish: Wish): void {
    const call = this.#ofPhase(wish, "ready", "answered", "preliminary");
    if (!call) return;
    const rest = {
      ...(wish.flags & 32 && { providerExecuted: true }),
      ...(wish.flags & 64 && { toolMetadata: { to: wish.text } }),
      ...(call.dynamic && { dynamic: true }),
      ...this.#metadata(wish),
    };
    call.phase = "done";
    if (wish.flags % 8 === 2) return this.#emit({ type: "tool-output-denied", toolCallId: call.id });
    if (wish.flags % 8 === 3) return this.#emit({ type: "tool-output-error", toolCallId: call.id, errorText: wish.text, ...rest });
    const isPreliminary = wish.flags % 8 > 5;
    if (isPreliminary) call.phase = "preliminary";
    const preliminary = isPreliminary ? { preliminary: true } : {};
    this.#emit({ type: "tool-output-available", toolCallId: call.id, output: wish.value, ...preliminary, ...rest });
  }

  #plain(wish: Wish): void {
    const metadata = this.#metadata(wish);
    const url = `https://example.com/${encodeURIComponent(wish.text.toWellFormed())}`;
    const kinds = [
      { type: "file", url, mediaType: "image/png", ...metadata },
      { type: "reasoning-file", url, mediaType: "image/png", ...metadata },
      { type: "source-url", sourceId: wish.text, url, ...(wish.flags & 2 && { title: wish.text }), ...metadata },
      {
        type: "source-document",
        sourceId: "s",
        mediaType: "text/plain",
        title: wish.text,
        ...(wish.flags & 2 && { filename: "f" }),
        ...metadata,
      },
      { type: "custom", kind: "test.custom", ...metadata },
      { type: "steering-message", id: wish.text, parts: [{ type: "text", text: wish.text }] },
    ];
    this.#emit(kinds[wish.pick % kinds.length]!);
  }

  #data(wish: Wish): void {
    const id = wish.flags & 2 ? { id: IDS[wish.pick % 3] } : {};
    const transient = wish.flags & 4 ? { transient: !!(wish.flags & 8) } : {};
    this.#emit({ type: wish.flags & 16 ? "data-weather" : "data-__proto__", ...id, data: wish.value, ...transient });
  }

  #messageMetadata(wish: Wish): void {
    const inner = objectOf([[METADATA_KEYS[wish.flags % METADATA_KEYS.length]!, wish.value]]);
    const key = METADATA_KEYS[wish.pick % METADATA_KEYS.length]!;
    this.#emit({ type: "message-metadata", messageMetadata: objectOf([[key, wish.flags & 1 ? inner : wish.value]]) });
  }

  /** Ends what a step must not leave open: its texts and its unfinished inputs. */
  #closeStep(wish: Wish): void {
    for (const id of this.#texts.splice(0)) this.#emit({ type: "text-end", id });
    for (const id of this.#reasonings.splice(0)) this.#emit({ type: "reasoning-end", id });
    for (const call of this.#calls) if (call.phase === "input") this.#settleInput(call, wish);
    if (this.#hasOpenedStep) this.#emit({ type: "finish-step" });
  }

  #step(wish: Wish): void {
    if (wish.flags % 4 === 0 && this.#hasOpenedStep) {
      const step = this.chunks.findLastIndex((chunk) => chunk.type === "start-step");
      const ofStep = new Set(this.chunks.slice(step).map((chunk) => ("toolCallId" in chunk ? chunk.toolCallId : undefined)));
      this.#calls = this.#calls.filter((call) => !ofStep.has(call.id));
      this.#texts = [];
      this.#reasonings = [];
      return this.#emit({ type: "reset-step" });
    }
    this.#closeStep(wish);
    // A second run in the same log: its start carries nothing but metadata.
    if (wish.flags & 8) this.#emit({ type: "start", ...(wish.flags & 16 && { messageMetadata: { run: wish.pick } }) });
    this.#emit({ type: "start-step" });
    this.#hasOpenedStep = true;
  }

  add(wish: Wish): void {
    const ops = [
      () => this.#part(wish, "text"),
      () => this.#part(wish, "reasoning"),
      () => this.#callInput(wish),
      () => this.#callInput(wish),
      () => this.#callAtOnce(wish),
      () => this.#approval(wish),
      () => this.#outcome(wish),
      () => this.#outcome(wish),
      () => this.#plain(wish),
      () => this.#data(wish),
      () => this.#messageMetadata(wish),
      () => wish.flags < 100 && this.#step(wish),
      () => wish.flags < 30 && this.#emit({ type: "error", errorText: wish.text }),
    ];
    ops[wish.op % ops.length]!();
  }

  finish(how: number): void {
    if (how === 1) this.#emit({ type: "finish", finishReason: "stop", messageMetadata: { done: { at: 1 } } });
    if (how === 2) this.#emit({ type: "abort", reason: "stopped" });
  }
}

const wishes = fc.record<Wish>({
  op: fc.nat(12),
  pick: fc.nat(60),
  text: fc.string({ maxLength: 8, unit: "grapheme" }),
  value: fc.jsonValue({ maxDepth: 2 }),
  flags: fc.nat(255),
});

/** Valid streams, with chunk ids, tool names and metadata keys that would trip an ordinary object. */
export const validStreams: fc.Arbitrary<Chunk[]> = fc
  .tuple(
    fc.constantFrom({}, { messageId: MESSAGE_ID }, { messageMetadata: { a: { b: 1 } } }),
    fc.array(wishes, { maxLength: 40 }),
    fc.nat(2),
  )
  .map(([start, list, how]) => {
    const builder = new StreamBuilder();
    builder.chunks.push(chunkOf({ type: "start", ...start }));
    if (list[0] === undefined || list[0].flags & 1) builder.chunks.push({ type: "start-step" });
    for (const wish of list) builder.add(wish);
    builder.finish(how);
    return builder.chunks;
  });

const pick = <T>(...values: T[]) => fc.constantFrom(...values);
const providerMetadata = pick(undefined, { p: { n: 1 } }, { p: { m: 2 } });

/** Chunks that are well-formed one by one, in any order: what a broken producer could send. A call id has one tool kind. */
export const chunkSoup: fc.Arbitrary<Chunk[]> = (() => {
  const id = pick("__proto__", "t", "constructor");
  const kinds = pick({ toolCallId: "__proto__", toolName: "one" }, { toolCallId: "c", toolName: "two", dynamic: true });
  const flag = pick(undefined, true, false);
  const text = pick("", "x", '{"a":', "1", "}");
  const value = pick<unknown>(null, 1, "s", { a: [1] });
  const title = pick(undefined, "T");
  const toolMetadata = pick(undefined, { m: 1 });
  const inputEncoding = pick(undefined, "json", "text");
  const announced = fc.record({ kinds, providerExecuted: flag, providerMetadata, title, toolMetadata });
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
    .tuple(kinds, text)
    .map(([{ toolCallId }, inputTextDelta]) => ({ type: "tool-input-delta", toolCallId, inputTextDelta }));
  const request = kinds.map(({ toolCallId }) => ({ type: "tool-approval-request", toolCallId, approvalId: `a-${toolCallId}` }));
  const response = fc
    .tuple(kinds, fc.boolean())
    .map(([{ toolCallId }, approved]) => ({ type: "tool-approval-response", approvalId: `a-${toolCallId}`, approved }));
  const output = fc
    .tuple(announced, value, flag)
    .map(([{ kinds: kind, title: _, ...rest }, out, preliminary]) => ({
      type: "tool-output-available",
      toolCallId: kind.toolCallId,
      ...rest,
      output: out,
      preliminary,
    }));
  const error = announced.map(({ kinds: kind, title: _, ...rest }) => ({
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
