// The tools of a turn with its ledger: `execute` runs only after its call is stored, and what it gives is stored before the
// AI SDK has it. Tools are known by their shape: those of `ai` 6 and 7, of MCP and of agents are all taken.
import { ChatError } from "../errors.ts";
import { isApprovedNow } from "../history/rerun.ts";
import { ToolCall, type ToolPorts } from "./tool-call.ts";

export type { ToolPorts } from "./tool-call.ts";

/** A tool, as far as it is looked at. */
interface ToolShape {
  type?: unknown;
  execute?: unknown;
  idempotent?: unknown;
  needsApproval?: unknown;
}

/** What the AI SDK gives to `execute` and to `needsApproval`, as far as it is looked at. */
interface CallOptions {
  toolCallId?: unknown;
  messages?: unknown;
  abortSignal?: AbortSignal | undefined;
}

/** `execute` or `needsApproval`: a method, which may use its tool as `this`. */
type Method = (this: unknown, input: unknown, options: CallOptions) => unknown;

/**
 * The tools with the ledger around each `execute`: the same keys and types; a tool without `execute` (a client's or the
 * provider's) is the same object, any other a copy. An `execute` gets `idempotencyKey` beside the AI SDK's options (see
 * {@link idempotencyKeyOf}) and an `abortSignal` that also aborts with the turn and at the timeout; a tool that does not
 * heed it is not waited for, and what it gives later is dropped.
 */
export function wrapTools<Tools extends { [Name in keyof Tools]: object }>(tools: Tools, ports: ToolPorts): Tools {
  return Object.fromEntries(Object.entries<object>(tools).map(([name, tool]) => [name, wrapTool(name, tool, ports)])) as Tools;
}

function wrapTool(name: string, tool: ToolShape, ports: ToolPorts): object {
  const { execute } = tool;
  if (!isMethod(execute)) return tool;
  const isIdempotent = tool.idempotent === true;
  return copyWith(tool, {
    execute: wrapExecute(name, tool, execute, isIdempotent, ports),
    // `ai` 6 refuses to run an approved call when its tool needs no approval.
    ...(isIdempotent && { needsApproval: approvalOf(tool) }),
  });
}

function wrapExecute(name: string, tool: ToolShape, execute: Method, isIdempotent: boolean, ports: ToolPorts): Method {
  const isDynamic = tool.type === "dynamic";
  return (input, options) => {
    const callId: unknown = options?.toolCallId;
    if (typeof callId !== "string") {
      throw new ChatError(
        "configuration",
        `The tool ${JSON.stringify(name)} was run without a toolCallId. Let the AI SDK run it, or pass { toolCallId } on.`,
      );
    }
    const call = ToolCall.begin({ callId, name, input, isDynamic, isIdempotent }, options.abortSignal, ports);
    const { idempotencyKey, signal: abortSignal } = call;
    return call.settle(() => execute.call(tool, input, { ...options, idempotencyKey, abortSignal } as CallOptions));
  };
}

/** The tool's own answer, except for the approved call that is about to run. */
function approvalOf(tool: ToolShape): Method {
  const { needsApproval } = tool;
  return (input, options) => {
    if (isApprovedNow(options?.messages, options?.toolCallId)) return true;
    return isMethod(needsApproval) ? needsApproval.call(tool, input, options) : needsApproval === true;
  };
}

function isMethod(value: unknown): value is Method {
  return typeof value === "function";
}

/** A copy with own properties and prototype, getters as they are. */
function copyWith<T extends object>(value: T, fields: object): T {
  const changes = Object.entries(fields).map(([key, field]) => [
    key,
    { value: field as unknown, enumerable: true, configurable: true, writable: true },
  ]);
  const own = { ...Object.getOwnPropertyDescriptors(value), ...(Object.fromEntries(changes) as PropertyDescriptorMap) };
  return Object.create(Object.getPrototypeOf(value) as object | null, own) as T;
}

/**
 * Marks a tool as one that may run again for the same call when a crash left its outcome unknown: because it only reads, or
 * because it gives its {@link idempotencyKeyOf} to whoever it acts on. A copy; the same as `{ ...tool, idempotent: true }`.
 *
 * @example
 * import { tool } from "ai";
 * import { idempotent } from "chatcell";
 * import { z } from "zod";
 *
 * export const length = idempotent(tool({ inputSchema: z.object({ text: z.string() }), execute: ({ text }) => text.length }));
 */
export function idempotent<T extends object>(tool: T): T & { readonly idempotent: true } {
  return copyWith(tool, { idempotent: true }) as T & { readonly idempotent: true };
}

/**
 * The idempotency key of a call, from the options that `execute` is given: the same whenever this call is run, different for
 * every other one. Give it to a service that runs each request once per key.
 * @throws {ChatError} `configuration` when the tool did not come from `turn.tools`
 *
 * @example
 * import { tool } from "ai";
 * import { idempotencyKeyOf } from "chatcell";
 * import { z } from "zod";
 *
 * export const charge = tool({
 *   inputSchema: z.object({ order: z.string() }),
 *   execute: ({ order }, options) =>
 *     fetch("https://example.com/charge", { method: "POST", body: order, headers: { "idempotency-key": idempotencyKeyOf(options) } })
 *       .then(({ ok }) => ok),
 * });
 */
export function idempotencyKeyOf(options: object): string {
  const key: unknown = "idempotencyKey" in options ? options.idempotencyKey : undefined;
  if (typeof key === "string") return key;
  throw new ChatError("configuration", "There is no idempotency key: this tool does not run as one of turn.tools(…).");
}
