import { convertToModelMessages, type UIMessage } from "ai";
import { describe, expect, it } from "vitest";
import { closingChunks } from "../../../src/protocol/close-open-parts.ts";
import { emptyLive, foldChunks } from "../../../src/protocol/fold.ts";
import type { Chunk, LiveState } from "../../../src/protocol/messages.ts";
import { canonical, chunkOf, isSettled, json, MESSAGE_ID, sdkFold } from "./fold-support.ts";

const live = (...chunks: Chunk[]): LiveState => foldChunks(emptyLive(MESSAGE_ID), chunks);
const call = (type: string, fields = {}): Chunk => chunkOf({ type: `tool-${type}`, toolCallId: "c", ...fields });
const named = { toolName: "search" };
const available = call("input-available", { ...named, input: { q: 1 } });
const request = call("approval-request", { approvalId: "a" });
const response = (approved: boolean): Chunk => ({ type: "tool-approval-response", approvalId: "a", approved });

describe("closingChunks", () => {
  it("gives nothing for a settled message", () => {
    const text: Chunk[] = [
      { type: "text-start", id: "t" },
      { type: "text-end", id: "t" },
    ];
    expect(closingChunks(live(...text, available, call("output-available", { output: 1 })), "Stopped")).toStrictEqual([]);
  });

  it("ends text and reasoning in the order of the message, then the calls", () => {
    const chunks: Chunk[] = [
      available,
      { type: "text-start", id: "9" },
      { type: "reasoning-start", id: "r" },
      { type: "text-start", id: "1" },
    ];
    expect(closingChunks(json(live(...chunks)), "Stopped")).toStrictEqual([
      { type: "text-end", id: "9" },
      { type: "reasoning-end", id: "r" },
      { type: "text-end", id: "1" },
      { type: "tool-output-error", toolCallId: "c", errorText: "Stopped" },
    ]);
  });

  it.each<[string, Chunk[], string]>([
    ["unfinished input", [call("input-start", named), call("input-delta", { inputTextDelta: '{"q":"x' })], "output-error"],
    ["input that has not begun", [call("input-start", named)], "output-error"],
    ["text input that has not begun", [call("input-start", { ...named, inputEncoding: "text" })], "output-error"],
    ["unfinished input of a dynamic call", [call("input-start", { ...named, dynamic: true })], "output-error"],
    ["unfinished input of an earlier step", [call("input-start", named), { type: "start-step" }], "output-error"],
    ["no output", [available], "output-error"],
    ["no output from the provider", [call("input-available", { ...named, input: {}, providerExecuted: true })], "output-error"],
    ["no output, in an earlier step", [available, { type: "start-step" }], "output-error"],
    ["an open approval", [available, request], "output-error"],
    ["a granted approval", [available, request, response(true)], "output-error"],
    ["a refused approval", [available, request, response(false)], "output-denied"],
    ["preliminary output", [available, call("output-available", { output: 1, preliminary: true })], "output-error"],
  ])("settles a call with %s", async (_, chunks, state) => {
    const before = live({ type: "start-step" }, ...chunks);
    const closing = closingChunks(before, "Interrupted, outcome unknown");
    const after = foldChunks(before, closing);
    expect(isSettled(after)).toBe(true);
    expect(after.message.parts).toHaveLength(before.message.parts.length);
    const part = after.message.parts.find(({ type }) => type !== "step-start");
    expect(part).toMatchObject({ state, ...(state === "output-error" && { errorText: "Interrupted, outcome unknown" }) });

    expect(canonical(after.message)).toBe(canonical((await sdkFold([{ type: "start-step" }, ...chunks, ...closing])).message));
    const text = JSON.stringify(await convertToModelMessages([json(after.message) as UIMessage]));
    expect(text).toContain('"type":"tool-result"');
  });

  it("leaves a model an object where input was cut before it could be read", () => {
    const before = live(call("input-start", named));
    expect(foldChunks(before, closingChunks(before, "Stopped")).message.parts[0]).toMatchObject({ input: {} });
  });
});
