// Commands about what is in a thread already, what the model is given, and what a message says. No assertions.
import type {
  AckFrame,
  ContinueCommand,
  EditMessageCommand,
  EditQueuedCommand,
  RegenerateCommand,
  ServerFrame,
} from "../../../src/protocol/frames.ts";
import type { Turn } from "../../../src/entries/index.ts";
import { newId } from "../../../src/protocol/ids.ts";
import type { Message, Part } from "../../../src/protocol/messages.ts";
import { call, type TestSocket } from "./client.ts";
import { play, query, reply } from "./objects.ts";
import { ask, openThread, sendOf, type OpenThread } from "./threads.ts";

const textPart = (text: string): Part => ({ type: "text", text });

export const editOf = (epoch: string, messageId: string, text: string): EditMessageCommand => ({
  type: "edit",
  id: newId(),
  epoch,
  messageId,
  newMessageId: newId(),
  parts: [textPart(text)],
});

export const editQueuedOf = (epoch: string, turnId: string, text: string, body?: unknown): EditQueuedCommand => ({
  type: "edit",
  id: newId(),
  epoch,
  turnId,
  parts: [textPart(text)],
  ...(body !== undefined ? { body } : {}),
});

export const regenerateOf = (epoch: string, messageId: string): RegenerateCommand => ({
  type: "regenerate",
  id: newId(),
  epoch,
  messageId,
});

export const continueOf = (epoch: string, messageId: string): ContinueCommand => ({ type: "continue", id: newId(), epoch, messageId });

/** Sends a command that is accepted. */
export async function accepted(socket: TestSocket, command: object): Promise<AckFrame> {
  const answer: ServerFrame = await ask(socket, command);
  if (answer.type !== "ack") throw new Error(JSON.stringify(answer));
  return answer;
}

export function post(threadId: string, user: string, command: unknown): Promise<Response> {
  return call(`/chat/threads/${threadId}/commands`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${user}` },
    body: JSON.stringify(command),
  });
}

export const textOf = ({ parts }: Pick<Message, "parts">): string => parts.map((part) => (part.type === "text" ? part.text : "")).join("");

/** What a model is given: role and text of each message. */
export async function promptOf(turn: Turn): Promise<string[]> {
  return (await turn.modelMessages()).map(({ role, content }) => {
    const text = typeof content === "string" ? content : content.map((part) => (part.type === "text" ? part.text : part.type)).join("");
    return `${role}: ${text}`;
  });
}

/** Answers the next run, and returns its prompt. */
export async function nextPrompt(threadId: string, answer: string): Promise<string[]> {
  let prompt: string[] = [];
  await play(threadId, async (run) => {
    prompt = await promptOf(run.turn);
    run.text(answer);
    run.end();
  });
  return prompt;
}

export interface Talk extends OpenThread {
  /** Ids of the messages, in order: u1, a1, u2, a2, … */
  ids: string[];
}

/** A thread of `pairs` questions `u1`, `u2`, … with answers `a1`, `a2`, …, all of them completed. */
export async function openTalk(pairs: number): Promise<Talk> {
  const thread = await openThread();
  const { threadId, socket, epoch } = thread;
  const ids: string[] = [];
  for (let n = 1; n <= pairs; n++) {
    const command = sendOf(epoch, `u${n}`);
    await accepted(socket, command);
    await reply(threadId, `a${n}`);
    await socket.next("turn", n);
    ids.push(command.messageId, command.id);
  }
  return { ...thread, ids };
}

/** Every message that is stored, in order of storing: its id and what it says. */
export async function storedTexts(threadId: string): Promise<string[]> {
  const rows = await query<{ body: string }>(threadId, "SELECT body FROM cc_message ORDER BY rev");
  return rows.map(({ body }) => textOf(JSON.parse(body) as Message));
}
