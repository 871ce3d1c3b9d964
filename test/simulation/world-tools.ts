// The tools of a simulated app, and what they did to the world outside of the object, which no crash takes back.
import type { Incarnation } from "../../src/testing/world/virtual-incarnation.ts";
import type { Approval, StreamTool } from "../../src/testing/world/scripted-stream.ts";
import { ScriptedFailure } from "../../src/testing/world/turn-script.ts";
import type { CommitWatch } from "./commit-watch.ts";
import type { Findings } from "./findings.ts";
import { callsOf } from "./log-watch.ts";
import { ledgerInputOf, progressOf } from "./rows.ts";

/** What a call asks for. */
export interface ToolInput extends Record<string, unknown> {
  /** Of this call of the model, whatever id a provider gives it. */
  uid: string;
  act: "succeeds" | "fails" | "never" | "says more";
  waitMs: number;
  /** When the world outside is changed. */
  effect: "at start" | "at end";
  /** Knows no signal. */
  isDeaf: boolean;
  approval: Approval;
}

/** Tools by name. Those of `CLIENT_TOOLS` have no `execute`. */
const TOOLS = {
  charge: {},
  fetch: { idempotent: true },
  remote: { type: "dynamic" },
} as const;

export const SERVER_TOOLS = Object.keys(TOOLS) as (keyof typeof TOOLS)[];
export const CLIENT_TOOLS: readonly string[] = ["pick", "sign"];

export const isClientTool = (name: string): boolean => CLIENT_TOOLS.includes(name);

/** What a call has done, over all its runs. */
interface Done {
  turnId: string;
  isIdempotent: boolean;
  starts: number;
  /** How often the world was changed. */
  effects: number;
  keys: Set<string>;
}

export class WorldTools {
  readonly calls = new Map<string, Done>();
  readonly #keys = new Map<string, string>();
  readonly #commits: CommitWatch;
  readonly #findings: Findings;

  /** Called before and after what a tool does: the object may die there. */
  readonly #moment: () => void;

  constructor(commits: CommitWatch, findings: Findings, moment: () => void) {
    this.#commits = commits;
    this.#findings = findings;
    this.#moment = moment;
  }

  /** The tools for one run of a turn, before `turn.tools` has them. */
  of(life: Incarnation, turnId: string, run: number): Record<string, StreamTool> {
    const client = Object.fromEntries(CLIENT_TOOLS.map((name) => [name, {}]));
    const server = Object.entries(TOOLS).map(([name, tool]): [string, StreamTool] => {
      const isIdempotent = "idempotent" in tool;
      const execute = (input: ToolInput, options: { toolCallId: string; idempotencyKey?: string; abortSignal: AbortSignal }): unknown => {
        const done = this.#enter(input, { turnId, run, name, isIdempotent, callId: options.toolCallId, key: options.idempotencyKey });
        return input.act === "says more"
          ? this.#sayMore(input, life, options.abortSignal, done)
          : this.#act(input, life, options.abortSignal, done);
      };
      return [name, { ...tool, execute: execute }];
    });
    return { ...client, ...Object.fromEntries(server) };
  }

  async #act(input: ToolInput, life: Incarnation, signal: AbortSignal, done: Done): Promise<unknown> {
    this.#moment();
    if (input.effect === "at start") done.effects++;
    this.#moment();
    await this.#wait(input, life, signal);
    if (signal.aborted && !input.isDeaf) throw signal.reason as Error;
    if (input.effect === "at end") done.effects++;
    this.#moment();
    if (input.act === "fails") throw new ScriptedFailure("The tool fails.");
    return { done: input.uid };
  }

  async *#sayMore(input: ToolInput, life: Incarnation, signal: AbortSignal, done: Done): AsyncGenerator<unknown> {
    done.effects++;
    yield { half: input.uid };
    await this.#wait(input, life, signal);
    yield { done: input.uid };
  }

  async #wait({ waitMs, act, isDeaf }: ToolInput, life: Incarnation, signal: AbortSignal): Promise<void> {
    const end = life.begin();
    await life.sleep(waitMs, isDeaf ? undefined : signal);
    end();
    // Nothing of it is under way any more: it only never answers.
    if (act === "never") await life.sleep(Infinity, isDeaf ? undefined : signal);
  }

  /** A tool starts: its call is stored, its turn runs, nobody refused it, and it has not run before unless it may. */
  #enter(
    input: ToolInput,
    call: { turnId: string; run: number; name: string; isIdempotent: boolean; callId: string; key: string | undefined },
  ): Done {
    const { uid } = input;
    const { turnId, run, name, isIdempotent, callId, key } = call;
    const say = (check: string, text: string): void => this.#findings.say(check, `${name} ${uid} of ${turnId}: ${text}`);
    const live = this.#commits.live;
    if (live?.id !== turnId || progressOf(live).run !== run)
      say("tool after the end", `starts in run ${run}, stored is ${JSON.stringify(live)}`);
    const row = (this.#commits.view?.ledger ?? []).find(
      (one) => one.outcome === null && one.call_id === callId && ledgerInputOf(one).uid === uid,
    );
    if (!row) say("tool before stored", `starts, and the ledger has ${JSON.stringify(this.#commits.view?.ledger)}`);
    else if (key !== `${turnId}:${row.n}`) say("key", `has key ${key}, the ledger has ${row.n}`);
    if (key === undefined || (this.#keys.get(key) ?? uid) !== uid) say("key", `has key ${key} of ${this.#keys.get(key ?? "")}`);
    if (key !== undefined) this.#keys.set(key, uid);
    this.#lookAtApproval(input, say);
    const done = this.calls.get(uid) ?? { turnId, isIdempotent, starts: 0, effects: 0, keys: new Set() };
    done.starts++;
    done.keys.add(key ?? "");
    this.calls.set(uid, done);
    if (done.starts > 1 && !isIdempotent) say("at most once", `starts for the ${done.starts}th time`);
    if (done.keys.size > 1) say("key", `was given ${[...done.keys].join()}`);
    return done;
  }

  /** What a person has to allow runs only when somebody has. */
  #lookAtApproval({ uid, approval }: ToolInput, say: (check: string, text: string) => void): void {
    if (approval === "denied") return say("approval", "runs, and the app refused it");
    if (approval !== "user") return;
    const part = callsOf(this.#commits.log.live.message.parts).find((call) => (call.input as Partial<ToolInput> | undefined)?.uid === uid);
    const id = part?.approval?.id ?? "";
    const live = this.#commits.live!;
    const answer = this.#commits.carriedOut.get(this.#commits.log.answers.get(`${live.id} ${id}`) ?? "");
    const isApproved = answer?.type === "resolve" && "approvalId" in answer && answer.approved;
    if (!isApproved) say("approval", `runs, and the answer is ${JSON.stringify(answer)}, its part ${JSON.stringify(part)}`);
  }
}
