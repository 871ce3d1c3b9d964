// Histories for the tests of the repair: valid ones as a session stores them, and what can become of them.
import fc from "fast-check";
import { emptyLive, foldChunks } from "../../../src/protocol/fold.ts";
import type { Message } from "../../../src/protocol/messages.ts";
import { chunkSoup } from "../protocol/fold-soup.ts";
import { validStreams } from "../protocol/fold-streams.ts";
import { json } from "../protocol/fold-support.ts";

export type Fields = Record<string, unknown>;

/** A message of the given parts, as plain fields. */
export function messageOf(role: Message["role"], parts: unknown, id = "m"): Message {
  return { id, parent: null, role, parts, createdAt: 0 } as Message;
}

export const user = (...parts: (string | Fields)[]): Message =>
  messageOf(
    "user",
    parts.map((part) => (typeof part === "string" ? { type: "text", text: part } : part)),
  );

export const reply = (...parts: (string | Fields)[]): Message =>
  messageOf(
    "assistant",
    parts.map((part) => (typeof part === "string" ? { type: "text", text: part } : part)),
  );

/** A settled call of a tool. */
export const call = (toolCallId: unknown, fields: Fields = {}): Fields => ({
  type: "tool-roll",
  toolCallId,
  state: "output-available",
  input: { sides: 6 },
  output: { value: 4 },
  ...fields,
});

const text = fc.string({ minLength: 1, maxLength: 6, unit: "grapheme" }).filter((value) => value.trim() !== "");
const metadata = fc.constantFrom({}, { providerMetadata: { test: { signature: "s" } } });
const filePart = fc.constantFrom<Fields[]>(
  { type: "file", mediaType: "image/png", url: "https://example.com/a.png", filename: "a.png" },
  { type: "file", mediaType: "image/png", url: "data:image/png;base64,AAAA" },
  { type: "file", mediaType: "image/png", url: "", providerReference: { test: "file-1" } },
);
const textPart = fc.tuple(text, metadata).map(([value, rest]): Fields => ({ type: "text", text: value, ...rest }));
const passedOver = fc.constantFrom<Fields[]>(
  { type: "data-weather", data: { sun: true } },
  { type: "source-url", sourceId: "s", url: "https://example.com" },
  { type: "of-a-later-version", text: "?" },
);
const thought = fc.constantFrom<Fields[]>(
  { type: "reasoning", text: "Hm." },
  { type: "reasoning", text: "", providerMetadata: { test: { signature: "s" } } },
);

const outcome = fc.oneof(
  fc
    .jsonValue({ maxDepth: 2 })
    .map((output): Fields => ({ state: "output-available", output: typeof output === "string" ? "done" : output })),
  fc.constantFrom<Fields[]>(
    { state: "output-error", errorText: "It broke." },
    { state: "output-denied" },
    { state: "output-denied", approval: { id: "$", approved: false, reason: "No." } },
    { state: "output-available", output: 1, approval: { id: "$", approved: true } },
    { state: "approval-responded", approval: { id: "$", approved: false } },
  ),
);
const localCall = fc
  .tuple(
    outcome,
    fc.boolean(),
    fc.dictionary(fc.constantFrom("a", "__proto__", "constructor"), fc.jsonValue({ maxDepth: 1 })),
    fc.boolean(),
  )
  .map(([ending, isDynamic, input, hasMetadata]): Fields => ({
    ...(isDynamic ? { type: "dynamic-tool", toolName: "search" } : { type: "tool-roll" }),
    toolCallId: "$",
    input,
    ...ending,
    ...(hasMetadata && { callProviderMetadata: { test: { signature: "s" } } }),
  }));
const providerCall = fc.constantFrom<Fields[]>(
  { type: "tool-web", toolCallId: "$", state: "output-available", input: { q: 1 }, output: [1], providerExecuted: true },
  {
    type: "tool-web",
    toolCallId: "$",
    state: "output-error",
    input: { q: 1 },
    errorText: '{"errorCode":"unavailable"}',
    providerExecuted: true,
  },
);
const content = fc.oneof(
  textPart,
  textPart,
  localCall,
  providerCall,
  filePart,
  passedOver,
  fc.constant<Fields>({ type: "custom", kind: "test.custom" }),
);

/** A step with a call, after which the model went on, and one that may be the last. */
const step = fc.tuple(fc.option(thought), fc.array(content, { maxLength: 2 }), localCall);
const lastStep = fc.tuple(fc.option(thought), textPart, fc.array(content, { maxLength: 3 }));
const replyParts = fc
  .tuple(fc.array(step, { maxLength: 2 }), lastStep)
  .map(([steps, last]) =>
    [...steps, last].flatMap((parts): Fields[] => [{ type: "step-start" }, ...parts.flat().filter((part) => part !== null)]),
  );

/** Puts ids of their own where a `$` stands. */
function numbered(messages: Message[]): Message[] {
  let next = 0;
  return JSON.parse(JSON.stringify(messages), (_, value: unknown) => (value === "$" ? `id-${++next}` : value)) as Message[];
}

const userMessage = fc
  .array(fc.oneof(textPart, textPart, filePart), { minLength: 1, maxLength: 3 })
  .map((parts) => messageOf("user", parts));

/** Whole conversations that end with the user and that every provider takes as they are. */
export const validHistories: fc.Arbitrary<Message[]> = fc
  .tuple(fc.array(fc.tuple(userMessage, replyParts), { maxLength: 3 }), fc.array(userMessage, { minLength: 1, maxLength: 2 }))
  .map(([turns, last]) => numbered([...turns.flatMap(([asked, parts]) => [asked, messageOf("assistant", parts)]), ...last]));

/** Replies as the fold makes them of what a producer sends, cut anywhere and settled by nobody. */
const foldedReplies = fc
  .oneof(validStreams, chunkSoup)
  .map((chunks) => messageOf("assistant", json(foldChunks(emptyLive("m"), chunks).message.parts)));

const histories = fc.oneof(
  validHistories,
  fc.array(fc.oneof(userMessage, foldedReplies, foldedReplies), { maxLength: 5 }),
  fc.tuple(validHistories, foldedReplies).map(([before, last]) => [...before, last]),
);

const hostile = fc.constantFrom<unknown[]>(
  null,
  "",
  " \n",
  "id-1",
  "functions.Bash:0",
  "__proto__",
  "a".repeat(100),
  "\ud83d",
  0,
  true,
  [],
  {},
  { id: "id-1", approved: true },
  { id: "id-2", approved: false, reason: "" },
  { id: 5, approved: "yes" },
  { test: { itemId: "fc_1" } },
  { test: "x" },
  JSON.parse('{"__proto__":{"a":"\\udc00"}}'),
  "http://[",
  "blob:https://example.com/1",
  "data:,hello",
  '{"a":1}',
);
const TYPES = [
  "text",
  "file",
  "reasoning",
  "reasoning-file",
  "custom",
  "tool-",
  "tool-a.b",
  "dynamic-tool",
  "step-start",
  "steering-message",
  "unknown",
];
const STATES = [
  "input-streaming",
  "input-available",
  "approval-requested",
  "approval-responded",
  "output-available",
  "output-error",
  "output-denied",
  "of-a-later-version",
];
const KEYS = [
  "type",
  "state",
  "toolCallId",
  "toolName",
  "input",
  "rawInput",
  "output",
  "errorText",
  "approval",
  "preliminary",
  "providerExecuted",
].concat([
  "providerMetadata",
  "callProviderMetadata",
  "resultProviderMetadata",
  "text",
  "url",
  "mediaType",
  "filename",
  "providerReference",
  "kind",
  "parts",
]);

/** One thing that goes wrong. */
interface Break {
  op: number;
  message: number;
  part: number;
  other: number;
  key: string;
  value: unknown;
}

const breaks = fc.record<Break>({
  op: fc.nat(13),
  message: fc.nat(20),
  part: fc.nat(20),
  other: fc.nat(20),
  key: fc.constantFrom(...KEYS),
  value: fc.oneof(hostile, hostile, fc.jsonValue({ maxDepth: 2 })),
});

function applyBreak(list: unknown[], { op, message, part, other, key, value }: Break): void {
  const at = message % Math.max(list.length, 1);
  const target = list[at] as Fields | null | undefined;
  const parts = target?.parts;
  if (op < 4) {
    if (op === 0) list.splice(at, 1);
    else if (op === 1) list.splice(other % (list.length + 1), 0, json(target ?? null));
    else if (op === 2) list.reverse();
    else if (target) list[at] = other % 5 === 0 ? value : { ...target, role: ["user", "system", "assistant", "robot"][other % 4] };
    return;
  }
  if (!target || !Array.isArray(parts)) return;
  const index = part % Math.max(parts.length, 1);
  const found = parts[index] as Fields | undefined;
  const isField = typeof found === "object" && found !== null;
  if (op === 4) parts.splice(index, 1);
  else if (op === 5) parts.splice(other % (parts.length + 1), 0, json(found ?? null));
  else if (op === 6) parts.splice(index);
  else if (op === 7) parts.push(value);
  else if (op === 8 && other === 0) target.parts = value;
  else if (op === 9 && isField) found.state = STATES[other % STATES.length];
  else if (op === 10 && isField) found.type = TYPES[other % TYPES.length];
  else if (op === 11 && isField) delete found[key];
  else if (isField) found[key] = value;
}

/** Histories in which anything may be wrong that JSON can hold. */
export const brokenHistories: fc.Arbitrary<Message[]> = fc.tuple(histories, fc.array(breaks, { maxLength: 12 })).map(([messages, list]) => {
  const broken = json(messages) as unknown[];
  for (const wrong of list) applyBreak(broken, json(wrong));
  // As a row would give it back: no undefined, nothing shared.
  return JSON.parse(JSON.stringify(broken.map((message) => message ?? null))) as Message[];
});
