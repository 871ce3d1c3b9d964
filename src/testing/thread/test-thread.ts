// `createTestThread`: one thread of an app's own class in plain Node, with a real client before it.
import type { ChatSessionObject } from "../../session/chat-session-object.ts";
import type { ChatClient, ChatMessage, ChatSnapshot, ChatTypes } from "../../client/types.ts";
import { ChatError } from "../../errors.ts";
import type { ToolPart } from "../../protocol/tool-part.ts";
import type { Principal } from "../../protocol/principal.ts";
import type { ChatNamespace } from "../../router/namespace.ts";
import { isAwaitingApproval, isAwaitingClient } from "../../session/open-calls.ts";
import type { Turn } from "../../session/turn-context.ts";
import type { SqlParam, SqlRow } from "../../storage/database.ts";
import type { Fault } from "./faults.ts";
import { ThreadWorld, type Latency } from "./thread-world.ts";
import type { ChatClass } from "./user-object.ts";

/** A class that extends `ChatSessionObject` of `chatcell`, as Node resolves it. */
export type TestableClass = ChatClass;

/** What the class types: its `env`, and the `body` and `state` of its turns. */
type EnvOf<Class> = Class extends new (ctx: DurableObjectState, env: infer Env) => ChatSessionObject ? Env : never;
type TypesOf<Class extends TestableClass> =
  InstanceType<Class> extends { onTurn(turn: Turn<infer Body, infer State>): unknown } ? { body: Body; state: State } : ChatTypes;

export interface TestThreadOptions<Env = unknown> {
  /** What the class finds as `this.env`, as far as the test needs it. @default {} */
  env?: Partial<Env>;
  /** Who the thread's own client is. @default { id: "user-1" } */
  principal?: Principal;
  /** The tenant of that principal, when it does not say. */
  tenant?: string;
  /** @default an id made from `seed` */
  threadId?: string;
  /** Ids, jitter and whatever else is chance come from it: equal seeds, equal threads. @default "1" */
  seed?: string | number;
  /** Its clock begins here; epoch ms. @default the present time */
  now?: number;
  /** Hears what the object reports to its log, which is also in `errors`. @default prints it */
  onError?: (error: unknown) => void;
}

/** A part of a message that is a tool call. */
export type TestToolPart = ToolPart;

/**
 * A thread under test. The members of its own client are here too: `send`, `approve`, `addToolOutput` and so on do what they
 * do in a browser, over a virtual network, and their promises come true by themselves.
 */
export interface TestThread<Types extends ChatTypes = ChatTypes> extends Pick<
  ChatClient<Types>,
  "send" | "retry" | "edit" | "regenerate" | "continue" | "stop" | "cancel" | "addToolOutput" | "claim" | "setState" | "setTitle"
> {
  readonly id: string;
  /** As `approve` of a client; takes the part that asks too. */
  approve(approval: string | TestToolPart, answer: Parameters<ChatClient["approve"]>[1]): Promise<void>;
  /** What the thread's own client shows. */
  snapshot(): ChatSnapshot<Types>;
  /** Its messages. */
  messages(): readonly ChatMessage<Types>[];
  /** Calls that wait for a person's approval. */
  approvals(): readonly TestToolPart[];
  /** Calls that wait for the output of a client. */
  clientCalls(): readonly TestToolPart[];
  /**
   * Another client of the thread: another tab, or another person. Connects by itself, as soon as there is a thread.
   * @param principal of the thread's own client by default
   */
  client(principal?: Principal): ChatClient<Types>;
  /**
   * The process dies now: memory and what is not committed are gone, the sockets die, the clients come back. The object wakes
   * with the next event, or with its alarm. JavaScript cannot be killed: what the app had under way goes on, but its storage
   * throws and its sockets send nothing.
   */
  crash(): void;
  /**
   * The object leaves memory as in hibernation: its fields are gone, its sockets stay. Waits for what is under way.
   * @throws {ChatError} `turn_active` while a turn runs: such an object is not evicted, only a crash ends it
   */
  evict(): Promise<void>;
  /** Time passes, with everything that is due in it: alarms, leases, timeouts, attempts to connect. Epoch and intervals in ms. */
  advance(ms: number): Promise<void>;
  /**
   * Resolves when nothing is under way: every turn has ended or waits for a person, `onTurnEnd` has returned, clients are connected.
   * @throws {Error} when that does not come about within hours of the thread's time
   */
  settle(): Promise<void>;
  /** The thread's time; epoch ms. */
  now(): number;
  /** Reads or writes the object's SQLite, past the object. Rows are plain objects. */
  sql<Row extends object = SqlRow>(query: string, ...params: SqlParam[]): Row[];
  /** When the object's alarm is due (epoch ms); null for none. */
  readonly alarm: number | null;
  /** True while the object is in memory. */
  readonly isAwake: boolean;
  /** What the object has reported to its log: errors of hooks, models and tools, and faults. */
  readonly errors: readonly unknown[];
  /** The binding of the class in this world: for `getThread` and for code that is given it. */
  readonly namespace: ChatNamespace;
  /** Ends it all. Whatever waits for an answer is refused with `interrupted`. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What `explore` decides for a thread. */
export interface ThreadSchedule {
  seed: string;
  faults: readonly Fault[];
  latency: Latency;
  onError: (error: unknown) => void;
  /** Is given each thread that is made. */
  adopt: (world: ThreadWorld) => void;
}

/**
 * One thread of your own class in plain Node: the class on a simulated Durable Object (SQLite in memory, virtual sockets, alarm
 * and clock), a real client before it. Nothing exists before the first `send`, which makes the thread.
 *
 * Time: it jumps over every wait as long as only chatcell waits; while your own code is at work it passes as it really does.
 *
 * @throws {ChatError} `configuration` for what is no class of `chatcell`
 * @example
 * import { ChatSessionObject } from "chatcell";
 * import { createTestThread } from "chatcell/testing";
 *
 * class Echo extends ChatSessionObject {
 *   onTurn() {
 *     return "Hello.";
 *   }
 * }
 *
 * const thread = createTestThread(Echo);
 * const reply = await thread.send("Hi").settled;
 * console.log(reply?.parts);
 * await thread.close();
 */
export function createTestThread<Class extends TestableClass>(
  Class: Class,
  options: TestThreadOptions<EnvOf<Class>> = {},
): TestThread<TypesOf<Class>> {
  return makeTestThread<TypesOf<Class>>(Class, options);
}

/** {@link createTestThread}, under a schedule of `explore` when there is one. */
export function makeTestThread<Types extends ChatTypes>(
  Class: TestableClass,
  { env = {}, principal = { id: "user-1" }, tenant, threadId, seed = "1", now = Date.now(), onError = print }: TestThreadOptions = {},
  schedule?: ThreadSchedule,
): TestThread<Types> {
  if (typeof Class !== "function" || typeof (Class.prototype as Partial<ChatSessionObject>).admit !== "function") {
    throw new ChatError("configuration", "createTestThread takes a class that extends ChatSessionObject of `chatcell`.");
  }
  const world = new ThreadWorld({
    Class,
    env,
    principal: { ...(tenant !== undefined ? { tenant } : {}), ...principal },
    threadId,
    seed: `${schedule?.seed ?? ""}/${seed}`,
    now: Math.round(now),
    faults: schedule?.faults ?? [],
    latency: schedule?.latency ?? "none",
    onError: onError === print && schedule ? schedule.onError : onError,
  });
  schedule?.adopt(world);
  return threadOf<Types>(world);
}

function threadOf<Types extends ChatTypes>(world: ThreadWorld): TestThread<Types> {
  const { object, pace } = world;
  const client = world.openClient(world.principal, { create: true }).client as unknown as ChatClient<Types>;
  const { send, retry, edit, regenerate, stop, cancel, addToolOutput, claim, setState, setTitle } = client;
  const live = (): readonly TestToolPart[] => {
    const { turn, messages } = client.getSnapshot();
    const parts = (turn ? (messages.at(-1)?.parts ?? []) : []) as unknown as readonly Partial<TestToolPart>[];
    return parts.filter((part): part is TestToolPart => part.toolCallId !== undefined);
  };
  const close = (): Promise<void> => world.close();
  return {
    id: world.threadId,
    send,
    retry,
    edit,
    regenerate,
    continue: client.continue,
    stop,
    cancel,
    addToolOutput,
    claim,
    setState,
    setTitle,
    approve: (approval, answer) => client.approve(typeof approval === "string" ? approval : approvalIdOf(approval), answer),
    snapshot: () => client.getSnapshot(),
    messages: () => client.getSnapshot().messages,
    approvals: () => live().filter(isAwaitingApproval),
    clientCalls: () => live().filter((part) => isAwaitingClient(part, (name) => world.isClientTool(name))),
    client: (principal = world.principal) => world.openClient(principal).client,
    crash: () => {
      world.requireOpen();
      object.crash();
      pace.wake();
    },
    evict: () => world.evict(),
    advance: (ms) => pace.advance(ms),
    settle: () => pace.settle(),
    now: world.clock.now,
    sql: <Row extends object>(query: string, ...params: SqlParam[]) =>
      object.storage.query<Row>(query, ...params).map((row) => ({ ...row })),
    get alarm() {
      return object.alarm.at;
    },
    get isAwake() {
      return object.isAwake;
    },
    get errors() {
      return world.errors;
    },
    get namespace() {
      return world.network.namespace;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function approvalIdOf(part: TestToolPart): string {
  const { approval } = part as { approval?: { id: string } };
  if (approval) return approval.id;
  throw new ChatError("bad_request", `The call ${part.toolCallId} does not ask for an approval.`);
}

function print(error: unknown): void {
  console.error("chatcell:", error);
}
