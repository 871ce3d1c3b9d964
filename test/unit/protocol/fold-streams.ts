// Streams for the property tests of the fold: valid ones from a model of what the AI SDK sends, with ids, tool names and
// metadata keys that would trip an ordinary object.
import fc from "fast-check";
import type { Chunk } from "../../../src/protocol/messages.ts";
import { chunkOf, json, MESSAGE_ID, streamableJson } from "./fold-support.ts";

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
      rest: isText ? wish.text : streamableJson(input),
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
    const url = `https://example.com/${encodeURIComponent(wish.text)}`;
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

/** Streams that the AI SDK's reader takes without an error, finished, stopped or cut. */
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
