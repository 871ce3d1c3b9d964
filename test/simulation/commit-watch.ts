// Looks at the whole thread after every commit: each one must be a legal step of the one before. What is in history, in the log
// and in the app state is looked at by watches of their own; this one knows the turns, the line and the alarm.
import type { Command } from "../../src/protocol/frames.ts";
import type { VirtualConnection } from "../../src/testing/world/virtual-connection.ts";
import type { VirtualObject } from "../../src/testing/world/virtual-object.ts";
import type { BusyPolicy } from "../../src/session/line.ts";
import type { Findings } from "./findings.ts";
import { HistoryWatch } from "./history-watch.ts";
import { LogWatch } from "./log-watch.ts";
import { inputOf, liveOf, progressOf, readView, type CommandRow, type TurnRow, type View } from "./rows.ts";
import { StateWatch } from "./state-watch.ts";

/** The command that is being carried out. */
export interface Present {
  command: Command;
  /** Undefined where only the session knows. */
  principalId: string | undefined;
  connection: VirtualConnection | null;
}

/** What one commit did. */
export interface CommitStep {
  /** Null for the first one. */
  before: View | null;
  now: View;
  /** Commands that it accepted. */
  commands: readonly CommandRow[];
  present: Present | null;
  /** Turns that it accepted and ended: no row says that they ever were. */
  passed: readonly TurnRow[];
}

export interface WatchPorts {
  object: VirtualObject;
  now: () => number;
  findings: Findings;
  busy: BusyPolicy;
  isClientTool(name: string): boolean;
  parseState(value: object): unknown;
  /** The sockets of the object by the id of their connection, as far as their `welcome` was sent. */
  connectionOf(id: string): VirtualConnection | undefined;
  principalOf(connection: VirtualConnection): string | undefined;
}

const LEASE_MS = 30_000;

export class CommitWatch {
  readonly #ports: WatchPorts;
  readonly history: HistoryWatch;
  readonly log: LogWatch;
  readonly state: StateWatch;
  #exists = false;
  view: View | null = null;
  /** The command that is being carried out. */
  present: Present | null = null;
  readonly commands = new Map<string, CommandRow>();
  /** What each accepted command was. */
  readonly carriedOut = new Map<string, Command>();
  /** Every turn that was ever accepted, in the order of acceptance, as it came; without what the server appends. */
  readonly accepted = new Map<string, TurnRow>();
  /** The app state at the acceptance of each turn. */
  readonly stateAt = new Map<string, string>();
  /** Turns that began, in their order. */
  readonly started: string[] = [];
  /** Turns that were run again after a run was cut off. */
  readonly rerun = new Set<string>();
  readonly dropped = new Set<string>();
  /** Turns that were ended by a message that came instead of an answer. */
  readonly superseded = new Set<string>();
  /** First rev of the last commit that changed the queue: at which of its revs that was, only the session knows. */
  queueChangedAt = 0;
  /** True after a fault of the storage: the alarm may then be set without a row that says so. */
  mayRetry = false;
  commits = 0;
  waits = 0;

  constructor(ports: WatchPorts) {
    this.#ports = ports;
    this.history = new HistoryWatch(ports);
    this.log = new LogWatch(ports);
    this.state = new StateWatch(ports);
  }

  /** True once there is a thread. */
  get exists(): boolean {
    return this.#exists;
  }

  get session(): View["session"] | null {
    return this.view?.session ?? null;
  }

  get turns(): readonly TurnRow[] {
    return this.view?.turns ?? [];
  }

  /** The running or waiting turn. */
  get live(): TurnRow | undefined {
    return liveOf(this.turns);
  }

  /** The thread as it is now is where the run begins. */
  adopt(): void {
    this.#exists = true;
    this.view = readView(this.#ports.object);
    this.history.adopt();
  }

  look(): void {
    this.commits++;
    if (!this.#exists && !this.#isMade()) return;
    const now = readView(this.#ports.object);
    const commands = this.#newCommands();
    const step: CommitStep = { before: this.view, now, commands, present: this.present, passed: this.#passedOf(now, commands) };
    this.view = now;
    this.#lookAtSession(step);
    if (queueOf(step.before?.turns ?? []) !== queueOf(now.turns)) this.queueChangedAt = (step.before?.session.rev ?? 0) + 1;
    this.history.look(step);
    this.#lookAtTurns(step);
    this.log.look(step, this.history);
    this.state.look(step);
    this.#lookAtAlarm(now);
  }

  #isMade(): boolean {
    const { object } = this.#ports;
    this.#exists = object.storage.query("SELECT 1 FROM sqlite_master WHERE name = 'cc_session'").length > 0;
    this.#expect(this.#exists || object.alarm.at === null, "blank", () => "a blank object has an alarm");
    return this.#exists;
  }

  /** A reply that cannot go on any more once the turn is over that waits: nobody else begins and ends at once. */
  #passedOf({ turns }: View, commands: readonly CommandRow[]): TurnRow[] {
    const { command } = this.present ?? {};
    if (commands.length === 0 || command?.type !== "continue" || turns.some(({ id }) => id === command.id)) return [];
    const row: TurnRow = {
      id: command.id,
      ord: 0,
      kind: "continue",
      state: "queued",
      message_id: this.history.messages.get(command.messageId)?.parent ?? "",
      principal: "",
      body: JSON.stringify({ parts: [], target: command.messageId }),
      overflow: 0,
      base: 0,
      due_at: null,
      attempt: 0,
      progress: "{}",
    };
    this.accepted.set(command.id, row);
    return [row];
  }

  #lookAtSession({ before, now }: CommitStep): void {
    if (!before) return;
    const [old, session] = [before.session, now.session];
    this.#expect(old.epoch === session.epoch, "epoch", () => "the epoch changed");
    this.#expect(old.rev <= session.rev, "rev", () => `rev went from ${old.rev} to ${session.rev}`);
  }

  #lookAtTurns(step: CommitStep): void {
    const before = step.before?.turns ?? [];
    const { turns } = step.now;
    const live = turns.filter(({ state }) => state !== "queued");
    this.#expect(live.length <= 1, "one running", () => `${live.length} turns run`);
    this.#expect(turns.length === 0 || turns[0]!.state !== "queued", "head of line", () => `${turns.length} turns wait, none of them runs`);
    for (const turn of turns) {
      const old = before.find(({ id }) => id === turn.id);
      if (!old) this.#lookAtAccepted(turn, before, step);
      else if (old.state === "queued") this.#lookAtQueued(old, turn, step);
      else this.#lookAtLive(old, turn);
      if (turn.state === "queued") this.#expect(turn.attempt === 0, "queue", () => `${turn.id} has not started, and has an attempt`);
      else if (!old || old.state === "queued") this.#lookAtStart(turn);
    }
    for (const turn of before) if (!turns.some(({ id }) => id === turn.id)) this.#lookAtGone(turn, step);
    this.#lookAtStopped(step);
    this.#lookAtBusy(step);
  }

  #lookAtAccepted(turn: TurnRow, before: readonly TurnRow[], { commands, present, now }: CommitStep): void {
    this.#expect(!this.accepted.has(turn.id), "once", () => `${turn.id} was accepted twice`);
    this.#expect(
      commands.some(({ id }) => id === turn.id),
      "command row",
      () => `${turn.id} was accepted without its command`,
    );
    this.#expect(
      before.every(({ ord }) => ord < turn.ord),
      "order",
      () => `${turn.id} is not the last in line`,
    );
    this.#expect(
      present?.command.id === turn.id && present.command.type === turn.kind,
      "kind",
      () => `${turn.id} is a ${turn.kind}, asked was ${JSON.stringify(present?.command)}`,
    );
    if (turn.kind === "append") return;
    this.accepted.set(turn.id, turn);
    this.stateAt.set(turn.id, JSON.stringify(this.#ports.parseState(JSON.parse(now.session.state ?? "{}") as object)));
  }

  /** One that waited for its turn: what it says changes by a command only, and its place never. */
  #lookAtQueued(old: TurnRow, turn: TurnRow, { present, commands }: CommitStep): void {
    this.#expect(old.ord === turn.ord && old.kind === turn.kind, "queue", () => `${turn.id} changed its place or kind`);
    const { command } = present ?? {};
    const isAsked = command?.type === "edit" && "turnId" in command && command.turnId === turn.id && commands.length === 1;
    if (old.body === turn.body && !isAsked) return;
    this.#expect(isAsked && turn.state === "queued", "queue edit", () => `${turn.id} says something else, and nobody asked for it`);
    if (isAsked) {
      const said = JSON.stringify(inputOf(turn).parts);
      this.#expect(
        said === JSON.stringify(command.parts),
        "queue edit",
        () => `${turn.id} says ${said}, asked was ${JSON.stringify(command)}`,
      );
    }
  }

  #lookAtStart(turn: TurnRow): void {
    this.started.push(turn.id);
    this.#expect(turn.attempt === 1, "attempts", () => `${turn.id} starts with attempt ${turn.attempt}`);
    const progress = progressOf(turn);
    this.#expect(progress.run === 1, "runs", () => `${turn.id} starts with run ${progress.run}`);
    this.#expect(turn.base === 0 || turn.kind === "continue", "base", () => `${turn.id} is a ${turn.kind} and has a base of ${turn.base}`);
  }

  /** One that runs or waits: attempts and runs are counted up; only an answer starts the count of attempts again. */
  #lookAtLive(old: TurnRow, turn: TurnRow): void {
    this.#expect(turn.state !== "queued", "turn state", () => `${turn.id} runs no more`);
    this.#expect(old.body === turn.body && old.base === turn.base, "turn state", () => `${turn.id} changed what it is about`);
    if (turn.state === "waiting" && old.state !== "waiting") this.waits++;
    const [was, is] = [progressOf(old), progressOf(turn)];
    this.#expect(is.run === was.run || is.run === was.run + 1, "runs", () => `${turn.id} went from run ${was.run} to ${is.run}`);
    if (is.run === was.run) {
      // Where an end cannot be stored, attempts are counted up until it is given up.
      const isCounted = turn.attempt === old.attempt || (this.mayRetry && turn.attempt > old.attempt);
      this.#expect(isCounted, "attempts", () => `${turn.id} went from attempt ${old.attempt} to ${turn.attempt} in one run`);
      this.#expect(turn.state === old.state || turn.state === "waiting", "runs", () => `${turn.id} runs again, and its run is not counted`);
      return;
    }
    this.#expect(turn.state === "running", "runs", () => `${turn.id} has another run and does not run`);
    if (is.resume === "recovery") {
      this.rerun.add(turn.id);
      this.#expect(turn.attempt === old.attempt + 1, "attempts", () => `${turn.id} went from attempt ${old.attempt} to ${turn.attempt}`);
    } else this.#expect(turn.attempt === 1, "attempts", () => `${turn.id} goes on after an answer with attempt ${turn.attempt}`);
  }

  #lookAtGone(turn: TurnRow, { commands, present }: CommitStep): void {
    if (turn.kind === "append" && this.history.messages.has(turn.id)) return;
    const isEnded = this.history.ended.has(turn.id);
    if (turn.state !== "queued" || isEnded)
      return this.#expect(isEnded, "every turn ends", () => `${turn.id} is gone and nothing says how it ended`);
    if (turn.kind !== "append") this.dropped.add(turn.id);
    const { command } = present ?? {};
    const isAsked =
      commands.length > 0 && (command?.type === "stop" || command?.type === "cancel") && "turnId" in command && command.turnId === turn.id;
    this.#expect(isAsked, "queue", () => `${turn.id} left the queue and nobody asked for it`);
  }

  /** What was accepted as ended has ended. */
  #lookAtStopped({ commands, present, now }: CommitStep): void {
    const { command } = present ?? {};
    if (commands.length === 0 || !command || (command.type !== "stop" && command.type !== "cancel")) return;
    const isLeft = now.turns.some(({ id }) => id === command.turnId);
    this.#expect(!isLeft, "stop", () => `${command.id} was to end ${command.turnId}, which is still there`);
  }

  /** A message that comes while a turn waits for a person ends that turn; one that comes while a turn runs may be refused. */
  #lookAtBusy({ before, now, present, commands }: CommitStep): void {
    const added = now.turns.find(({ id }) => commands.some((row) => row.id === id));
    if (!added || added.kind === "append" || !before) return;
    const old = liveOf(before.turns);
    // What goes on in a reply says nothing new: it waits in line.
    if (old?.state === "waiting" && added.kind !== "continue") {
      this.#expect(!now.turns.some(({ id }) => id === old.id), "supersede", () => `${added.id} came, and ${old.id} still waits`);
      this.superseded.add(old.id);
      const facts = this.history.factsOf(old.id);
      this.#expect(facts?.outcome === "stopped", "supersede", () => `${old.id} was superseded, its facts are ${JSON.stringify(facts)}`);
    }
    const isBusy = this.#ports.busy === "reject" && before.turns.length > 0 && old?.state !== "waiting";
    this.#expect(!isBusy, "busy", () => `${JSON.stringify(present?.command)} was accepted while a turn runs`);
  }

  #lookAtAlarm({ session, turns }: View): void {
    const { at, isDelivering } = this.#ports.object.alarm;
    if (isDelivering) return;
    const live = liveOf(turns);
    const dueAt = live?.due_at ?? null;
    if (live?.state === "running") {
      this.#expect(dueAt !== null && at !== null, "alarm", () => `${live.id} runs, and there is no alarm`);
      const isNear = at === null || this.mayRetry || at <= this.#ports.now() + LEASE_MS;
      this.#expect(isNear, "alarm", () => `the alarm of a running turn is ${at! - this.#ports.now()} ms ahead`);
    }
    const due = [dueAt, session.due_at].filter((time) => time !== null);
    if (due.length > 0)
      this.#expect(at !== null && (this.mayRetry || at <= Math.min(...due)), "alarm", () => `due is ${due.join()}, the alarm is at ${at}`);
    this.#expect(at === null || due.length > 0 || this.mayRetry, "idle alarm", () => "there is an alarm and nothing is due");
  }

  #newCommands(): CommandRow[] {
    const { object } = this.#ports;
    const count = object.storage.query<{ n: number }>("SELECT count(*) AS n FROM cc_command")[0]!.n;
    if (count === this.commands.size) return [];
    const added: CommandRow[] = [];
    for (const row of object.storage.query<CommandRow>("SELECT id, rev, result FROM cc_command")) {
      if (this.commands.has(row.id)) continue;
      this.commands.set(row.id, row);
      added.push(row);
      const isPresent = this.present?.command.id === row.id;
      this.#expect(isPresent, "command row", () => `${row.id} was accepted, carried out is ${JSON.stringify(this.present?.command)}`);
      if (isPresent) this.carriedOut.set(row.id, this.present!.command);
    }
    this.#expect(count === this.commands.size, "append only", () => "a command was forgotten");
    this.#expect(added.length <= 1, "command row", () => `${added.length} commands were accepted in one commit`);
    return added;
  }

  #expect(isRight: boolean, check: string, text: () => string): void {
    this.#ports.findings.expect(isRight, check, text);
  }
}

/** The turns in line, as clients are to see them. */
export function queueOf(turns: readonly TurnRow[]): string {
  return turns
    .filter(({ state, kind }) => state === "queued" && kind !== "append")
    .map(({ id, body }) => `${id} ${body}`)
    .join();
}
