// What the ledger of tool calls knows and the message of the turn does not say. The AI SDK runs ahead of its reader: a tool
// may have run, and even have ended, before the chunk of its call was read. Pure.
import { lastStepParts } from "../history/repair-parts.ts";
import { utf8Length } from "../protocol/bytes.ts";
import { outcomeOf } from "../protocol/close-open-parts.ts";
import { stepStart } from "../protocol/fold-tools.ts";
import { foldChunks } from "../protocol/fold.ts";
import type { Chunk, LiveState } from "../protocol/messages.ts";
import { isCall, isShadowed, toolNameOf, UNKNOWN_OUTCOME, type ToolPart } from "../protocol/tool-part.ts";
import type { ToolCallRow, ToolOutcome } from "../storage/tool-call-table.ts";
import { isSameJson } from "./same-json.ts";

/** The outcome of a call whose own outcome would take the message over its bound. */
const NO_ROOM = "The result did not fit into the reply.";

/** A row with the outcome that it is to get. */
export type SettledRow = ToolCallRow & { outcome: ToolOutcome };

/** A call of the message that a tool may have run for, at its place among the parts. */
interface PlacedCall {
  at: number;
  part: ToolPart;
}

/** True for a call that has its final outcome. */
function isSettled(part: ToolPart): boolean {
  return part.state === "output-error" || (part.state === "output-available" && part.preliminary !== true);
}

function hasNoRoom(part: ToolPart): boolean {
  return part.state === "output-error" && part.errorText === NO_ROOM;
}

/** False for a call that the provider ran, and for one that waits for a person or was refused: no tool was started for it. */
function mayHaveStarted({ providerExecuted, state, approval }: ToolPart): boolean {
  if (providerExecuted === true || state === "output-denied") return false;
  // The answer of the app may be lost, and its tool have run ahead: also when the call has got an outcome since.
  return approval === undefined || approval.approved === true || (approval.isAutomatic === true && approval.approved === undefined);
}

/** True for a call whose outcome is that of the row. */
function hasOutcome(part: ToolPart, { outcome }: ToolCallRow): boolean {
  if (outcome === null || !isSettled(part)) return false;
  return outcome.type === "output"
    ? part.state === "output-available" && isSameJson(part.output, outcome.output)
    : part.state === "output-error" && part.errorText === outcome.errorText;
}

/**
 * Which row is which part, of those with the same id and name, in order: what has the same input and outcome, the same outcome
 * (what was told before is told of the same part again), the same input, and what is left over.
 */
function pair(live: LiveState, rows: readonly ToolCallRow[], base: number): Map<ToolCallRow, PlacedCall> {
  const free = live.message.parts.flatMap((part, at): PlacedCall[] =>
    at >= base && isCall(part) && mayHaveStarted(part) ? [{ at, part }] : [],
  );
  const pairs = new Map<ToolCallRow, PlacedCall>();
  const pairUp = (isPair: (row: ToolCallRow, part: ToolPart) => boolean): void => {
    for (const row of rows) {
      if (pairs.has(row)) continue;
      const index = free.findIndex(({ part }) => part.toolCallId === row.callId && toolNameOf(part) === row.name && isPair(row, part));
      if (index >= 0) pairs.set(row, free.splice(index, 1)[0]!);
    }
  };
  pairUp((row, part) => isSameJson(part.input, row.input) && hasOutcome(part, row));
  pairUp((row, part) => hasOutcome(part, row));
  pairUp((row, part) => part.state !== "input-streaming" && isSameJson(part.input, row.input));
  // Input that never completed, or that the tool changed. One whose outcome is of another kind is another call: its input was
  // bad, for example, so that no tool ran for it.
  pairUp((row, part) => !isSettled(part) || hasNoRoom(part) || row.outcome?.type === (part.state === "output-error" ? "error" : "output"));
  return pairs;
}

/**
 * The chunks that make a message say what the ledger knows: for a call that it lacks the call and its outcome, for one whose
 * outcome it lacks that. First the calls that are in the message, then the others, each in the order of their starts. Each
 * applies to the message as the ones before it leave it; one that begins without a `step-start` gets none before its call.
 *
 * @param base number of leading parts that are not of this turn
 */
export function missingChunks(live: LiveState, rows: readonly ToolCallRow[], base = 0): Chunk[] {
  const pairs = pair(live, rows, base);
  const chunks: Chunk[] = [];
  let state = live;
  const add = (...more: Chunk[]): void => {
    chunks.push(...more);
    state = foldChunks(state, more);
  };
  for (const row of rows) {
    const placed = pairs.get(row);
    if (placed) add(...completion(state, row, placed));
  }
  for (const row of rows) {
    if (pairs.has(row)) continue;
    add(...makeWay(state, row), announcement(row, row.isDynamic), ...outcomeChunks(row, row.isDynamic));
  }
  return chunks;
}

/** What comes before a call whose id is in the message already: every later chunk of that id is the new call's. */
function makeWay({ message: { parts } }: LiveState, { callId }: ToolCallRow): Chunk[] {
  const at = parts.findLastIndex((part) => isCall(part) && part.toolCallId === callId);
  if (at < 0) return [];
  const isInStep = at >= stepStart(parts);
  const outcome = outcomeOf(parts[at] as ToolPart, isInStep, UNKNOWN_OUTCOME);
  // In its step the new call would take its place.
  return [...(outcome ? [outcome] : []), ...(isInStep ? [{ type: "start-step" as const }] : [])];
}

/** Facts as chunks within `room` UTF-8 bytes: of one that does not fit only its call and that are told, which are never refused. */
export function withinRoom(chunks: readonly Chunk[], room: number): Chunk[] {
  let left = room;
  return chunks.map((chunk) => {
    const bytes = utf8Length(JSON.stringify(chunk));
    const fitting = bytes <= left ? chunk : withoutPayload(chunk);
    left -= fitting === chunk ? bytes : 0;
    return fitting;
  });
}

function withoutPayload(chunk: Chunk): Chunk {
  if (chunk.type === "tool-input-available") return { ...chunk, input: {} };
  if (chunk.type !== "tool-output-available") return chunk;
  const { output: _output, ...call } = chunk;
  return { ...call, type: "tool-output-error", errorText: NO_ROOM };
}

/** What a call of the message lacks of its input and outcome. */
function completion({ message: { parts } }: LiveState, row: ToolCallRow, { at, part }: PlacedCall): Chunk[] {
  if (isSettled(part) || isShadowed(parts, at)) return [];
  const isDynamic = part.type === "dynamic-tool";
  const isAnnounced = part.state !== "input-streaming" || at < stepStart(parts);
  return [...(isAnnounced ? [] : [announcement(row, isDynamic)]), ...outcomeChunks(row, isDynamic)];
}

function announcement({ callId, name, input }: ToolCallRow, isDynamic: boolean): Chunk {
  return { type: "tool-input-available", toolCallId: callId, toolName: name, input, ...(isDynamic && { dynamic: true }) };
}

function outcomeChunks({ callId, outcome }: ToolCallRow, isDynamic: boolean): Chunk[] {
  if (outcome === null) return [];
  const kind = isDynamic ? { dynamic: true } : {};
  return outcome.type === "output"
    ? [{ type: "tool-output-available", toolCallId: callId, output: outcome.output, ...kind }]
    : [{ type: "tool-output-error", toolCallId: callId, errorText: outcome.errorText, ...kind }];
}

/**
 * The calls that the next run can run again before it asks the model: idempotent, without an outcome, in the last step. Ask
 * after {@link missingChunks} were folded in. At most one of an id.
 */
export function rerunnableCalls(live: LiveState, rows: readonly ToolCallRow[], base = 0): ToolCallRow[] {
  const step = new Set<unknown>(lastStepParts(live.message.parts));
  const ids = new Set<string>();
  return [...pair(live, rows, base)].flatMap(([row, { part }]) => {
    const isOpen = row.outcome === null && row.isIdempotent && part.state !== "input-streaming" && !isSettled(part);
    // With another input it would be another call: that of the ledger did not fit into the message.
    return isOpen && isSameJson(part.input, row.input) && step.has(part) && !ids.has(row.callId) && ids.add(row.callId) ? [row] : [];
  });
}

/** The calls without an outcome, with the one that is true of them; without those of `keep`, which are to run again. */
export function unknownOutcomes(rows: readonly ToolCallRow[], { keep = [] }: { keep?: readonly ToolCallRow[] } = {}): SettledRow[] {
  return rows
    .filter(({ n, outcome }) => outcome === null && !keep.some((kept) => kept.n === n))
    .map((row) => ({ ...row, outcome: { type: "error", errorText: UNKNOWN_OUTCOME } }));
}
