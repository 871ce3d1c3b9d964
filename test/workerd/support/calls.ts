// What a client holds of a thread, and the tool calls in it, as tests look at them. No assertions.
import { applyFrame, EMPTY_REPLICA, type Replica } from "../../../src/client/replica.ts";
import type { Part } from "../../../src/protocol/messages.ts";
import type { PromptMessage } from "../../../src/testing/provider-rules.ts";
import type { TestSocket } from "./client.ts";

/** A tool call as a test looks at it. */
export interface CallPart {
  type: string;
  toolCallId: string;
  toolName?: string;
  state: string;
  input?: unknown;
  output?: unknown;
  preliminary?: boolean;
  errorText?: string;
  approval?: { id: string; approved?: boolean; reason?: string; by?: string; at?: number; isAutomatic?: boolean; expiresAt?: number };
}

/** What a socket's client would hold: the client's own code over the frames. @throws when a frame leaves something out */
export function replicaOf(socket: TestSocket): Replica {
  return socket.frames.reduce<Replica>((replica, frame) => {
    const next = applyFrame(replica, frame);
    if (!next) throw new Error(`A gap before ${JSON.stringify(frame).slice(0, 300)}`);
    return next;
  }, EMPTY_REPLICA);
}

/** Every part of the last reply: the live one, or else the last stored one. */
export function partsOf(socket: TestSocket): readonly Part[] {
  const { live, messages } = replicaOf(socket);
  return live && live.message.parts.length > 0 ? live.message.parts : (messages.findLast(({ role }) => role === "assistant")?.parts ?? []);
}

export function callsOf(parts: readonly Part[]): CallPart[] {
  return parts.filter((part): part is Part & CallPart => part.type.startsWith("tool-") || part.type === "dynamic-tool");
}

export function nameOf({ type, toolName }: CallPart): string {
  return type === "dynamic-tool" ? toolName! : type.slice("tool-".length);
}

/** The calls of the last reply as this socket shows them. */
export const shownCalls = (socket: TestSocket): CallPart[] => callsOf(partsOf(socket));

/** The last call of a tool, as this socket shows it. */
export function openCall(socket: TestSocket, name: string): CallPart {
  const found = shownCalls(socket).findLast((part) => nameOf(part) === name);
  if (!found) throw new Error(`No call of ${name}: ${JSON.stringify(partsOf(socket))}`);
  return found;
}

/** The outcomes that a prompt tells of, in order: the name of the tool, and what the model reads. */
export function outcomesIn(prompt: readonly PromptMessage[]): [string, unknown][] {
  type Result = { type: string; toolName: string; output: { type: string; value?: unknown; reason?: unknown } };
  const results = prompt
    .flatMap(({ role, content }) => (role === "tool" ? (content as Result[]) : []))
    .filter(({ type }) => type === "tool-result");
  return results.map(({ toolName, output }) => [toolName, output.value ?? output.reason ?? output.type]);
}
