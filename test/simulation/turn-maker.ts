// Random scripts of turns: what a model and its tools may do, from one word to a stream that never ends.
import type { Chunk } from "../../src/protocol/messages.ts";
import type { SeededRandom } from "../../src/testing/world/seeded-random.ts";
import type { ModelPart } from "../../src/testing/world/scripted-stream.ts";
import { ScriptedFailure, type TurnScript, type TurnStep } from "../../src/testing/world/turn-script.ts";
import { CLIENT_TOOLS, SERVER_TOOLS, type ToolInput } from "./world-tools.ts";

/** What a run is, as far as its script depends on it. */
export interface RunSetting {
  /** Number of the run in its turn. */
  run: number;
  /** Of the turn: names its calls. */
  turnId: string;
  /** Short and complete, for the end of a simulation. */
  isCalm: boolean;
  /** Chance of a run with a model and tools; one that goes on after answers has always a model. */
  tools: number;
  hasAnswers: boolean;
}

/** A run with a model that calls tools. */
export interface ModelScript {
  form: "model";
  steps: ModelPart[][];
  isEager: boolean;
  isDeaf: boolean;
}

export function makeTurn(random: SeededRandom, setting: RunSetting): TurnScript | ModelScript {
  const { isCalm, hasAnswers, run, tools } = setting;
  // Now and then a run forgets what it was called again for, or fails at once.
  if (hasAnswers ? isCalm || random.chance(0.95) : !isCalm && random.chance(tools)) return makeModel(random, setting);
  if (isCalm) return { form: "text", steps: [{ chunk: { type: "text-delta", id: "t", delta: "calm" } }] };
  const form = random.weighted({ iterable: 55, stream: 25, text: 10, nothing: 4, throws: 6 });
  if (form === "nothing" || form === "throws") return { form, steps: random.chance(0.6) ? [wait(random)] : [] };
  if (form === "text") return { form, steps: [wait(random), delta(random, "t")] };
  return { form, steps: streamSteps(random, run), isDeaf: random.chance(0.1) };
}

function makeModel(random: SeededRandom, { run, turnId, isCalm }: RunSetting): ModelScript {
  if (isCalm) return { form: "model", steps: [[{ text: "calm" }]], isEager: false, isDeaf: false };
  const count = random.between(1, run > 3 ? 1 : 3);
  // Some providers count the calls of each step from 0.
  const isCounted = random.chance(0.3);
  const steps = Array.from({ length: count }, (_, step) => {
    const calls = step === count - 1 && random.chance(run > 1 ? 0.75 : 0.4) ? 0 : random.weighted({ 1: 70, 2: 20, 3: 10 });
    const parts: ModelPart[] = [];
    if (random.chance(0.2)) parts.push({ reasoning: words(random) });
    if (random.chance(0.7)) parts.push(...said(random));
    for (let call = 0; call < Number(calls); call++) {
      const id = isCounted ? `call_${call}` : `call_${run}_${step}_${call}`;
      parts.push(makeCall(random, id, `${turnId}/${run}/${step}/${call}`));
      if (random.chance(0.2)) parts.push(modelWait(random));
    }
    if (random.chance(0.2) || parts.length === 0) parts.push(...said(random));
    return parts;
  });
  const end = random.weighted({ whole: 88, breaks: 6, never: 6 });
  if (end === "breaks") steps.at(-1)!.push({ breaks: new ScriptedFailure("The model breaks off.") });
  if (end === "never") steps.at(-1)!.push({ waitMs: Infinity });
  return { form: "model", steps, isEager: random.chance(0.4), isDeaf: random.chance(0.1) };
}

function makeCall(random: SeededRandom, id: string, uid: string): ModelPart {
  const isClients = random.chance(0.25);
  const input: ToolInput = {
    uid,
    act: random.weighted({ succeeds: 70, fails: 12, never: 8, "says more": 10 }),
    waitMs: random.chance(0.3) ? 0 : random.between(0, random.chance(0.25) ? 40_000 : 2_500),
    effect: random.pick(["at start", "at end"]),
    isDeaf: random.chance(0.2),
    approval: isClients ? "none" : random.weighted({ none: 50, user: 36, approved: 8, denied: 6 }),
  };
  return { call: random.pick(isClients ? CLIENT_TOOLS : [...SERVER_TOOLS, "fetch"]), id, input };
}

function said(random: SeededRandom): ModelPart[] {
  const parts: ModelPart[] = [];
  for (let count = random.between(1, 5); count > 0; count--) {
    if (random.chance(0.6)) parts.push(modelWait(random));
    parts.push({ text: words(random) });
  }
  return parts;
}

function modelWait(random: SeededRandom): ModelPart {
  return { waitMs: random.between(0, random.chance(0.1) ? 8_000 : 300) };
}

function streamSteps(random: SeededRandom, attempt: number): TurnStep[] {
  const steps: TurnStep[] = [];
  if (random.chance(0.7)) steps.push({ chunk: { type: "start", ...(random.chance(0.3) ? { messageMetadata: { model: "m" } } : {}) } });
  if (random.chance(0.5)) steps.push(wait(random));
  const blocks = random.between(0, 4);
  for (let block = 0; block < blocks; block++) steps.push(...blockSteps(random, block, attempt));
  return withEnd(random, steps);
}

function blockSteps(random: SeededRandom, block: number, attempt: number): TurnStep[] {
  switch (random.weighted({ text: 55, reasoning: 12, tool: 13, data: 8, transient: 6, write: 6 })) {
    case "text":
      return textSteps(random, "text", `t${block}`);
    case "reasoning":
      return textSteps(random, "reasoning", `r${block}`);
    case "tool":
      return toolSteps(random, `call-${attempt}-${block}`);
    case "data":
      return [{ chunk: { type: "data-card", id: random.pick(["a", "b"]), data: { n: random.between(0, 9) } } as Chunk }];
    case "transient":
      return [{ chunk: { type: "data-progress", data: random.between(0, 100), transient: true } as Chunk }];
    case "write":
      return [{ write: { type: "data-note", data: { n: random.between(0, 9) } } as Chunk }, wait(random)];
  }
}

function textSteps(random: SeededRandom, type: "text" | "reasoning", id: string): TurnStep[] {
  const steps: TurnStep[] = [];
  if (random.chance(0.6)) steps.push({ chunk: { type: "start-step" } });
  steps.push({ chunk: { type: `${type}-start`, id } });
  const deltas = random.between(0, 12);
  for (let count = 0; count < deltas; count++) {
    if (random.chance(0.7)) steps.push(wait(random));
    steps.push(type === "text" ? delta(random, id) : { chunk: { type: "reasoning-delta", id, delta: words(random) } });
  }
  if (random.chance(0.85)) steps.push({ chunk: { type: `${type}-end`, id } });
  if (random.chance(0.4)) steps.push({ chunk: { type: "finish-step" } });
  return steps;
}

function toolSteps(random: SeededRandom, toolCallId: string): TurnStep[] {
  const input = { city: random.pick(WORDS) };
  const steps: TurnStep[] = [{ chunk: { type: "tool-input-start", toolCallId, toolName: "weather" } }];
  for (const piece of JSON.stringify(input).match(/.{1,5}/gs) ?? []) {
    steps.push({ chunk: { type: "tool-input-delta", toolCallId, inputTextDelta: piece } });
    if (random.chance(0.2)) steps.push(wait(random));
  }
  if (random.chance(0.1)) return steps;
  steps.push({ chunk: { type: "tool-input-available", toolCallId, toolName: "weather", input } });
  if (random.chance(0.6)) steps.push(wait(random));
  if (random.chance(0.15)) return steps;
  if (random.chance(0.2)) steps.push({ chunk: { type: "tool-output-error", toolCallId, errorText: "No weather today." } });
  else steps.push({ chunk: { type: "tool-output-available", toolCallId, output: { degrees: random.between(-9, 30) } } });
  return steps;
}

function withEnd(random: SeededRandom, steps: TurnStep[]): TurnStep[] {
  switch (random.weighted({ finish: 60, cut: 8, error: 8, breaks: 6, never: 8, stall: 10 })) {
    case "finish":
      return [...steps, { chunk: { type: "finish", finishReason: "stop" } }];
    case "cut":
      return steps;
    case "error":
      // Before the first chunk, or after any.
      return [...steps.slice(0, random.between(0, steps.length)), { chunk: { type: "error", errorText: "The model is tired." } }];
    case "breaks":
      return [...steps.slice(0, random.between(0, steps.length)), { breaks: "The stream breaks." }];
    case "never":
      return [...steps, { waitMs: Infinity }];
    case "stall":
      return [...steps, { waitMs: random.between(1_000, 100_000) }, { chunk: { type: "text-start", id: "late" } }, delta(random, "late")];
  }
}

function wait(random: SeededRandom): TurnStep {
  return {
    waitMs:
      random.weighted({ short: 6, middle: 3, long: 1 }) === "short"
        ? random.between(0, 60)
        : random.between(0, random.chance(0.2) ? 8_000 : 700),
  };
}

function delta(random: SeededRandom, id: string): TurnStep {
  return { chunk: { type: "text-delta", id, delta: words(random) } };
}

const WORDS = ["alpha ", "beta ", "γ ", "δέλτα ", "five\n", "six, ", "😀 ", '\\eight" ', "n ", "<ten> "];

/** Mostly some words; now and then more than a flush, a log block, a page or a row may hold. */
function words(random: SeededRandom): string {
  const size = random.next();
  if (size < 0.0003) return "xl ".repeat(400_000);
  if (size < 0.001) return "big ".repeat(70_000);
  if (size < 0.006) return "block ".repeat(random.between(1_000, 8_000));
  return Array.from({ length: random.between(1, 6) }, () => random.pick(WORDS)).join("");
}
