// The app of a simulated thread: models and tools by script, hooks that are slow or throw. It notes what it is called with, and
// looks at what a run is given.
import type { ModelMessage } from "ai";
import { ChatError, isChatError } from "../../src/errors.ts";
import type { Chunk, LiveState } from "../../src/protocol/messages.ts";
import type { SessionHooks, TurnEndEvent } from "../../src/session/hooks.ts";
import { DEFAULT_RECOVERY } from "../../src/session/recovery.ts";
import type { Turn } from "../../src/session/turn-context.ts";
import { GENERIC_ERROR_TEXT, type TurnResult } from "../../src/stream/source.ts";
import { scriptedStream } from "../../src/testing/world/scripted-stream.ts";
import { playTurn, ScriptedFailure } from "../../src/testing/world/turn-script.ts";
import type { Incarnation } from "../../src/testing/world/virtual-incarnation.ts";
import { InjectedFailure } from "./faults.ts";
import { textOf } from "./page-watch.ts";
import { lookAtPrompt } from "./prompt-check.ts";
import { liveIdOf, progressOf } from "./rows.ts";
import type { SimulatedThread } from "./simulated-thread.ts";
import { makeTurn } from "./turn-maker.ts";
import { isClientTool, WorldTools, type ToolInput } from "./world-tools.ts";

/** One call of `onTurn`. */
export interface ModelCall {
  turnId: string;
  /** Id of its live message. */
  liveId: string;
  /** Number in its turn. */
  run: number;
  attempt: number;
  /** Why it is called again. */
  resume: string | undefined;
  /** True for one with a model and tools. */
  isModel?: boolean;
  /** Text that earlier runs of the turn have left in its message. */
  base: string;
  /** `base`, and all text that this run has handed to the session so far. */
  said: string;
  life: Incarnation;
  signal: AbortSignal;
  /** Undefined while it runs; then whether it was cut off, by a crash or by a storage that failed, before its turn waited or ended. */
  isCut?: boolean;
}

/** A hook call of `onTurnEnd`. */
export interface EndCall {
  turnId: string;
  again: boolean;
  hasReturned: boolean;
}

export class SimulatedApp {
  readonly #thread: SimulatedThread;
  /** The runs of each turn. */
  readonly calls = new Map<string, ModelCall[]>();
  readonly endCalls: EndCall[] = [];
  readonly tools: WorldTools;
  readonly #runs = new Map<string, ModelCall[]>();
  /** Turns with a run that neither waited nor ended. */
  readonly #running = new Set<string>();

  /** @param thread with its watches */
  constructor(thread: SimulatedThread) {
    this.#thread = thread;
    this.tools = new WorldTools(thread.commits, thread.findings, () => thread.faults.inTool());
  }

  /** Every run of the turns of a live message, in their order. */
  runsOf(liveId: string): ModelCall[] {
    return this.#runs.get(liveId) ?? [];
  }

  /** A commit has been looked at: which runs have come to their end with it. */
  lookAtCommit(): void {
    const { live, history } = this.#thread.commits;
    // A run that ends with this commit is aborted after it.
    for (const id of this.#running) {
      const isOver = history.ended.has(id) || (live?.id === id && live.state === "waiting");
      const call = isOver ? this.calls.get(id)?.at(-1) : undefined;
      if (call) call.isCut ??= call.life.isDead || call.signal.aborted;
      if (isOver) this.#running.delete(id);
    }
  }

  /** The object has been given an event: whatever a crash has left running is taken up by then. */
  lookAtOrphan(): void {
    const { commits, faults, object, findings } = this.#thread;
    const { live } = commits;
    const call = live?.state === "running" ? this.calls.get(live.id)?.at(-1) : undefined;
    const isOrphan = object.isAwake && faults.failures === 0 && call?.life.isDead && call.run === progressOf(live!).run;
    if (isOrphan) findings.say("orphan", `run ${call.run} of ${call.turnId} died, and the object is awake`);
  }

  /** What the app is to the session, for one incarnation. */
  hooks(life: Incarnation): SessionHooks {
    const { hook, people } = this.#thread.schedule;
    return {
      onTurn: (turn) => this.#onTurn(turn, life),
      ...(hook ? { onTurnEnd: (event: TurnEndEvent) => this.#onTurnEnd(event, life) } : {}),
      onConnect: (connection) => (this.#thread.clock.now() % 2 ? connection.setState({ since: this.#thread.clock.now() }) : undefined),
      onDisconnect: () => {},
      authorize: () => true,
      authorizeCreate: () => true,
      authorizeThread: () => (people === "one" ? null : "member"),
      parseBody: (value) => value,
      parseState,
      isClientTool,
      parseToolOutput: (_name, output) => output,
      errorText: () => GENERIC_ERROR_TEXT,
    };
  }

  async #onTurn(turn: Turn, life: Incarnation): Promise<TurnResult> {
    const text = textOf(turn.message);
    const { commits } = this.#thread;
    const row = commits.live;
    const run = row ? progressOf(row).run : 0;
    const liveId = row ? liveIdOf(row) : turn.id;
    const left = commits.log.live;
    const base = textOf(left.message);
    const former = this.calls.get(turn.id) ?? [];
    const call: ModelCall = {
      turnId: turn.id,
      liveId,
      run,
      attempt: turn.attempt,
      resume: turn.resume?.kind,
      base,
      said: base,
      life,
      signal: turn.signal,
    };
    this.#lookAtRun(call, turn, former.at(-1));
    this.#lookAtLeft(call, turn, left);
    this.calls.set(turn.id, [...former, call]);
    this.#running.add(turn.id);
    this.#runs.set(liveId, [...this.runsOf(liveId), call]);
    this.#thread.tell(`onTurn ${turn.id} "${text}", run ${run}, attempt ${turn.attempt} ${JSON.stringify(turn.resume ?? {})}`);
    // The same message may be answered more than once.
    const asked = [...this.calls.keys()].filter((id) => commits.accepted.get(id)?.message_id === turn.message.id).length;
    const random = this.#thread.random.fork(`turn/${text}/${asked}/${run}`);
    const hasAnswers = turn.resume?.kind === "approval" || turn.resume?.kind === "client-tool";
    const { tools } = this.#thread.schedule;
    const script = makeTurn(random, { run, turnId: turn.id, isCalm: this.#thread.isCalm, tools, hasAnswers });
    call.isModel = script.form === "model";
    const messages = script.form === "model" || random.chance(0.5) ? await this.#prompt(turn) : [];
    const onChunk = (chunk: Chunk): void => {
      if (chunk.type === "text-delta" && !turn.signal.aborted) call.said += chunk.delta;
    };
    if (script.form !== "model") return playTurn(script, turn, life, onChunk);
    return scriptedStream({
      ...script,
      messages,
      tools: turn.tools(this.tools.of(life, turn.id, run)),
      approvalOf: (input) => (input as ToolInput).approval,
      newId: () => this.#thread.newId(),
      signal: turn.signal,
      life,
      onChunk,
    });
  }

  async #prompt(turn: Turn): Promise<ModelMessage[]> {
    const check = lookAtPrompt(this.#thread, turn);
    const messages = turn.modelMessages();
    // The AI SDK is loaded at the first call, which takes real time.
    this.#thread.clock.hold(messages);
    const prompt = await messages;
    check(prompt);
    return prompt;
  }

  /** A run is stored and counted before it begins, begins once, and goes on from what the one before it said. */
  #lookAtRun({ turnId, run, attempt, base }: ModelCall, turn: Turn, former: ModelCall | undefined): void {
    const { live, stateAt } = this.#thread.commits;
    const progress = live && progressOf(live);
    if (live?.id !== turnId || live.attempt !== attempt || live.state !== "running" || turn.resume?.kind !== progress?.resume)
      this.#thread.findings.say(
        "run before stored",
        `run ${run}, attempt ${attempt} of ${turnId} began, stored is ${JSON.stringify(live)}`,
      );
    if (former && former.run >= run) this.#thread.findings.say("run once", `run ${run} of ${turnId} began after run ${former.run}`);
    if (attempt > DEFAULT_RECOVERY.maxAttempts) this.#thread.findings.say("run once", `${turnId} runs for the ${attempt}th time`);
    if (former && !former.said.startsWith(base))
      this.#thread.findings.say("recovery", `"${base}" was kept of ${turnId}, said was "${former.said}"`);
    if (stateAt.get(turnId) !== JSON.stringify(turn.state))
      this.#thread.findings.say(
        "turn state",
        `${turnId} has the state ${JSON.stringify(turn.state)}, at its acceptance it was ${stateAt.get(turnId)}`,
      );
  }

  /** What a run goes on from is whole: a step without a call was discarded, and nothing of the rest is open. */
  #lookAtLeft({ turnId, run }: ModelCall, { resume }: Turn, { message: { parts }, open }: LiveState): void {
    const step = parts.slice(parts.findLastIndex(({ type }) => type === "step-start") + 1);
    const isOwn = parts.length > (this.#thread.commits.live?.base ?? 0);
    const isUnfinished = resume?.kind === "recovery" && isOwn && step.length > 0 && !step.some((part) => "toolCallId" in part);
    const isOpen = Object.keys({ ...open.text, ...open.reasoning }).length > 0;
    if (isUnfinished || isOpen) this.#thread.findings.say("recovery", `run ${run} of ${turnId} goes on from ${JSON.stringify(parts)}`);
  }

  async #onTurnEnd(event: TurnEndEvent, life: Incarnation): Promise<void> {
    const call: EndCall = { turnId: event.turnId, again: event.again, hasReturned: false };
    this.endCalls.push(call);
    const random = this.#thread.random.fork(`end/${event.turnId}/${this.endCalls.length}`);
    const { hook } = this.#thread.schedule;
    const end = life.begin();
    try {
      if (hook === "slow") await life.sleep(random.between(0, 20_000));
      if (hook === "throws" && !this.#thread.isCalm && random.chance(0.4)) throw new ScriptedFailure("onTurnEnd throws.");
      call.hasReturned = true;
    } finally {
      end();
    }
  }

  /** What the session logs must be what a run made go wrong. */
  report(error: unknown): void {
    // A hook that is cut off or throws five times is given up.
    if (this.#thread.schedule.hook && this.#thread.schedule.hook !== "calm" && String(error).includes("given up")) return;
    this.#thread.tell(`reported ${error instanceof Error ? error.stack : String(error)}`);
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof InjectedFailure || cause instanceof ScriptedFailure) return;
      if (isChatError(cause) && cause.code === "model_error" && cause.cause === undefined) return;
      // A model that knows no signal, with a tool that does.
      if (cause.name === "AbortError" || (isChatError(cause, "interrupted") && cause.message.startsWith("The turn has ended"))) return;
      // A tool that was not done in time.
      if (isChatError(cause, "interrupted") && this.#thread.schedule.toolTimeoutMs < 300_000) return;
    }
    this.#thread.findings.say("reported", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

/** The app state of this app: two fields with defaults. */
export function parseState(value: object): { count: number; mode: string } {
  const { count = 0, mode = "calm" } = value as { count?: unknown; mode?: unknown };
  if (typeof count !== "number" || typeof mode !== "string") throw new ChatError("bad_request", "The state is not valid.");
  return { count, mode };
}
