// A scene: what the model and the tools of one thread do, kept outside of its object, with the real AI SDK in between. A test
// holds a run where one of its tools waits at a gate. No assertions, except that a prompt breaks no rule of a provider.
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import * as ai7 from "ai";
import * as ai6 from "ai-6";
import { z } from "zod";
import { cursorOf, type Replica } from "../../../src/client/replica.ts";
import type { Turn, TurnResult } from "../../../src/entries/index.ts";
import type { ServerFrame } from "../../../src/protocol/frames.ts";
import { newId } from "../../../src/protocol/ids.ts";
import type { Message, TurnFacts } from "../../../src/protocol/messages.ts";
import { checkProviderRules, type PromptMessage } from "../../../src/testing/provider-rules.ts";
import { scriptedModel, type Script, type ScriptedModel } from "../../../src/testing/scripted-model.ts";
import { scenes, scriptedId, type SceneHooks } from "../scripted.ts";
import { openCall, replicaOf } from "./calls.ts";
import { call, TestSocket } from "./client.ts";
import { idOf, query, stubOf } from "./objects.ts";

export const SDKS = ["streamText of ai 7", "ToolLoopAgent of ai 7", "streamText of ai 6", "ToolLoopAgent of ai 6"] as const;
export type Sdk = (typeof SDKS)[number];
export const SDKS_7 = SDKS.filter((sdk) => sdk.endsWith("7"));

export interface SceneOptions {
  script: Script;
  /** As the app gives them to `turn.tools`. */
  tools?: Record<string, object>;
  /** Tools that the app forgot to wrap. */
  bare?: Record<string, object>;
  sdk?: Sdk;
  /** Settings of `streamText` or of the agent. */
  settings?: object;
  errorText?: (error: unknown) => string | undefined;
}

type Settings7 = Parameters<typeof ai7.streamText>[0];
type Settings6 = Parameters<typeof ai6.streamText>[0];

/** Holds whoever waits at it until it is opened. */
export class Gate {
  readonly reached: Promise<void>;
  readonly opened: Promise<unknown>;
  open!: (value?: unknown) => void;
  fail!: (error: unknown) => void;
  #reach!: () => void;

  constructor() {
    this.reached = new Promise((resolve) => (this.#reach = resolve));
    this.opened = new Promise((resolve, reject) => {
      this.open = resolve;
      this.fail = reject;
    });
    this.opened.catch(() => {});
  }

  pass(): Promise<unknown> {
    this.#reach();
    return this.opened;
  }
}

/** One thing that a tool did to the world. */
export interface Effect {
  tool: string;
  input: unknown;
  key: string;
  callId: string;
}

export class Scene implements SceneHooks {
  readonly threadId = scriptedId(newId());
  readonly model: ScriptedModel;
  /** What the tools did, over all lives of the object. */
  readonly effects: Effect[] = [];
  /** Each run of `onTurn`. */
  readonly turns: Turn[] = [];
  /** Runs from here on do this instead, one each. */
  readonly stunts: ((turn: Turn) => TurnResult | Promise<TurnResult>)[] = [];
  readonly #options: SceneOptions;
  socket!: TestSocket;

  constructor(options: SceneOptions) {
    this.#options = options;
    this.model = scriptedModel(options.script);
    scenes.set(idOf(this.threadId).toString(), this);
  }

  /** A scene whose thread is open, with the tools that `toolsOf` makes for it. It is one of those that {@link faultsOfScenes} looks at. */
  static async stage(toolsOf: (scene: Scene) => Record<string, object>, options: Omit<SceneOptions, "tools">): Promise<Scene> {
    const tools: Record<string, object> = {};
    const scene = new Scene({ ...options, tools });
    Object.assign(tools, toolsOf(scene));
    staged.push(scene);
    return scene.open();
  }

  /** The thread with a live socket of its owner. */
  async open(): Promise<this> {
    this.socket = await TestSocket.open(this.threadId, "user-1", { create: true });
    return this;
  }

  async onTurn(turn: Turn): Promise<TurnResult> {
    this.turns.push(turn);
    const stunt = this.stunts.shift();
    if (stunt) return stunt(turn);
    return this.answer(turn);
  }

  /** What `onTurn` of an app would do. */
  async answer(turn: Turn): Promise<TurnResult> {
    const { sdk = SDKS[0], tools = {}, bare = {}, settings = {} } = this.#options;
    const messages = await turn.modelMessages();
    note(messages, this.faults);
    const asked = { tools: { ...turn.tools(tools), ...bare }, ...settings };
    const quiet = { onError: () => {} };
    const model6 = { ...this.model, specificationVersion: "v3" };
    switch (sdk) {
      case "streamText of ai 7": {
        const { model } = this;
        return ai7.streamText({ stopWhen: ai7.stepCountIs(6), ...quiet, ...asked, model, messages, abortSignal: turn.signal } as Settings7);
      }
      case "ToolLoopAgent of ai 7": {
        const agent = new ai7.ToolLoopAgent({ ...asked, model: this.model } as ConstructorParameters<typeof ai7.ToolLoopAgent>[0]);
        return agent.stream({ messages, abortSignal: turn.signal } as Parameters<typeof agent.stream>[0]) as Promise<TurnResult>;
      }
      case "streamText of ai 6": {
        const all = { stopWhen: ai6.stepCountIs(6), ...quiet, ...asked, model: model6, messages, abortSignal: turn.signal };
        return ai6.streamText(all as unknown as Settings6);
      }
      case "ToolLoopAgent of ai 6": {
        const agent = new ai6.ToolLoopAgent({ ...asked, model: model6 } as unknown as ConstructorParameters<typeof ai6.ToolLoopAgent>[0]);
        return agent.stream({ messages, abortSignal: turn.signal } as unknown as Parameters<typeof agent.stream>[0]);
      }
    }
  }

  errorText(error: unknown): string | undefined {
    return this.#options.errorText?.(error);
  }

  /** What the rules of providers say against `turn.modelMessages()`. */
  readonly faults: string[] = [];

  /**
   * What they say against what the model was asked. Within one run the prompt is the AI SDK's: that a provider uses an id of its
   * own again is nothing that could be repaired there.
   */
  get promptFaults(): string[] {
    return this.prompts.flatMap(checkProviderRules).filter((fault) => !fault.includes("stands for two calls"));
  }

  get prompts(): PromptMessage[][] {
    return this.model.calls.map(({ prompt }) => prompt as PromptMessage[]);
  }

  /** A tool whose every run is an effect. Without `does` it gives "done". */
  tool(name: string, does: (input: never, options: { abortSignal: AbortSignal }) => unknown = () => "done", extra: object = {}): object {
    return {
      description: name,
      inputSchema: z.looseObject({}),
      execute: (input: never, options: { idempotencyKey: string; toolCallId: string; abortSignal: AbortSignal }) => {
        this.effects.push({ tool: name, input, key: options.idempotencyKey, callId: options.toolCallId });
        return does(input, options);
      },
      ...extra,
    };
  }

  /** Runs `act` inside the object, as its own code would. */
  inside<T>(act: () => T | Promise<T>): Promise<T> {
    return runInDurableObject(stubOf(this.threadId), act);
  }

  /**
   * The process dies in whatever it is doing, and the socket with it; its client comes back with its cursor, which is the visit
   * that finds what was left. Hold the run at a gate or with {@link silence}: where it dies in an `import()`, no later one ever
   * comes back from the module loader of the tests.
   */
  async crash(): Promise<void> {
    await abortAllDurableObjects();
    await this.comeBack();
  }

  /** The next run never does anything. */
  silence(): void {
    this.stunts.push(() => new Promise<void>(() => {}));
  }

  /** The client of the scene connects anew, and goes on with what it has. */
  async comeBack(): Promise<void> {
    const { frames } = this.socket;
    this.socket = await TestSocket.open(this.threadId, "user-1", { cursor: cursorOf(replicaOf(this.socket)) });
    this.socket.frames.unshift(...frames);
    // What its cursor lacked has come when the next answer has.
    await this.socket.ask({ type: "page", id: newId(), before: newId() });
  }

  /** Waits until a tool has come to the gate. */
  async reach(gate: Gate): Promise<void> {
    await this.inside(() => gate.reached);
  }

  async pass(gate: Gate, value?: unknown): Promise<void> {
    await this.inside(() => gate.open(value));
  }

  async send(text = "Go"): Promise<string> {
    return (await this.socket.send(text)).ref;
  }

  /** The rows of the ledger. */
  rows(): Promise<{ n: number; call_id: string; name: string; run: number; body: string; outcome: string | null }[]> {
    return query(this.threadId, "SELECT n, call_id, name, run, body, outcome FROM cc_tool_call ORDER BY n");
  }

  turnRows(): Promise<{ id: string; state: string; attempt: number; due_at: number | null }[]> {
    return query(this.threadId, "SELECT id, state, attempt, due_at FROM cc_turn ORDER BY ord");
  }
}

const staged: Scene[] = [];

/** What is wrong with the scenes that were staged since the last call: with their prompts, or with what their clients hold. */
export async function faultsOfScenes(): Promise<string[]> {
  const faults: string[] = [];
  for (const scene of staged.splice(0)) {
    faults.push(...scene.faults, ...scene.promptFaults);
    const late = await TestSocket.open(scene.threadId, "user-1");
    const [held, fresh] = [scene.socket, late].map((socket) => JSON.stringify({ ...pick(replicaOf(socket)) }));
    if (held !== fresh) faults.push(`The client that watched holds ${held}, a fresh one ${fresh}`);
    late.close();
    scene.socket.close();
  }
  return faults;
}

/** What any two clients of a thread must agree on. */
function pick({ messages, queue, turn, live, session }: Replica): object {
  return { session, messages, queue, turn, live: live?.message };
}

function note(messages: readonly PromptMessage[], faults: string[]): void {
  faults.push(...checkProviderRules(messages));
}

/** Waits until the turn waits for a person or a client. */
export async function waiting(scene: Scene, count = 1): Promise<void> {
  const isWaiting = (frame: ServerFrame): boolean =>
    (frame.type === "delta" || frame.type === "snapshot") && frame.turn?.state === "waiting";
  await scene.socket.until(({ frames }) => frames.filter(isWaiting).length >= count);
}

/** Waits until so many turns have ended and none runs, and returns the message that bears the facts of the last one. */
export async function ended(scene: Scene, count = 1): Promise<Message & { facts: TurnFacts }> {
  const bearers = ({ messages }: Replica) =>
    messages.filter((message): message is Message & { facts: TurnFacts } => message.facts !== undefined);
  await scene.socket.until((socket) => {
    const replica = replicaOf(socket);
    return replica.turn === null && replica.session !== null && bearers(replica).length >= count;
  });
  return bearers(replicaOf(scene.socket)).at(-1)!;
}

/** The thread as a fresh client gets it. */
export async function stored(threadId: string, user = "user-1"): Promise<Message[]> {
  const socket = await TestSocket.open(threadId, user);
  const { messages } = socket.of("snapshot")[0]!;
  socket.close();
  return messages;
}

/** A `resolve` for the approval of the last call of a tool. */
export function approvalOf(scene: Scene, name: string, approved: boolean, reason?: string) {
  const { id: approvalId } = openCall(scene.socket, name).approval!;
  return { ...resolveOf(scene), approvalId, approved, ...(reason !== undefined ? { reason } : {}) };
}

/** A `resolve` for the output of the last call of a client tool. */
export function outputOf(scene: Scene, name: string, output: unknown) {
  return { ...resolveOf(scene), callId: openCall(scene.socket, name).toolCallId, output };
}

export function resolveOf({ socket }: Scene) {
  return { type: "resolve", id: newId(), epoch: socket.epoch, turnId: replicaOf(socket).turn?.id ?? "none" };
}

export function claimOf(scene: Scene, name: string) {
  return { ...resolveOf(scene), type: "claim", callId: openCall(scene.socket, name).toolCallId };
}

/** A command over HTTP. */
export async function post(threadId: string, user: string, command: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await call(`/chat/threads/${threadId}/commands`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${user}` },
    body: JSON.stringify(command),
  });
  return { status: response.status, body: await response.json() };
}
