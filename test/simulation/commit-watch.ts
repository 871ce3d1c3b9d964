// Looks at the whole thread after every commit: each one must be a legal step of the one before.
import type { Chunk } from "../../src/protocol/messages.ts";
import type { VirtualObject } from "../../src/testing/world/virtual-object.ts";
import type { Findings } from "./findings.ts";

export interface TurnRow {
  id: string;
  ord: number;
  state: "queued" | "running";
  message_id: string;
  body: string;
  overflow: number;
  due_at: number | null;
  attempt: number;
}

export interface MessageRow {
  rev: number;
  id: string;
  parent: string | null;
  role: string;
  facts: string | null;
  body: string;
  overflow: number;
  changed: number | null;
}

export interface CommandRow {
  id: string;
  rev: number;
  result: string | null;
}

interface SessionRow {
  epoch: string;
  rev: number;
  head: string | null;
  due_at: number | null;
}

const LEASE_MS = 30_000;

export class CommitWatch {
  readonly #object: VirtualObject;
  readonly #now: () => number;
  readonly #findings: Findings;
  #exists = false;
  session: SessionRow | null = null;
  turns: TurnRow[] = [];
  readonly messages = new Map<string, MessageRow>();
  readonly commands = new Map<string, CommandRow>();
  /** Every turn that was ever accepted, in the order of acceptance, as it came. */
  readonly accepted = new Map<string, TurnRow>();
  /** Turns that began, in their order. */
  readonly started: string[] = [];
  /** Turns that were run again after a run was cut off. */
  readonly rerun = new Set<string>();
  /** Turns that ended, in their order, and the message that says how. */
  readonly ended = new Map<string, string>();
  readonly dropped = new Set<string>();
  /** Rev of the last commit that changed the queue. */
  queueChangedAt = 0;
  /** The chunks of each turn that were ever in its log; index is seq - 1. */
  readonly logs = new Map<string, Chunk[]>();
  #log = { turnId: "", text: "" };
  /** True after a fault of the storage: the alarm may then be set without a row that says so. */
  mayRetry = false;
  commits = 0;

  constructor(object: VirtualObject, now: () => number, findings: Findings) {
    this.#object = object;
    this.#now = now;
    this.#findings = findings;
  }

  /** True once there is a thread. */
  get exists(): boolean {
    return this.#exists;
  }

  /** The thread as it is now is where the run begins. */
  adopt(): void {
    this.#exists = true;
    this.session = this.#readSession();
    for (const row of this.#query<MessageRow>("SELECT * FROM cc_message ORDER BY rev")) this.messages.set(row.id, row);
  }

  look(): void {
    this.commits++;
    if (!this.#exists && !this.#isMade()) return;
    const former = this.session;
    const session = this.#readSession();
    this.session = session;
    if (former) {
      this.#expect(former.epoch === session.epoch, "epoch", () => "the epoch changed");
      this.#expect(former.rev <= session.rev, "rev", () => `rev went from ${former.rev} to ${session.rev}`);
    }
    const turns = this.#query<TurnRow>("SELECT * FROM cc_turn ORDER BY ord");
    const before = this.turns;
    this.turns = turns;
    const commands = this.#newCommands();
    if (queueOf(before) !== queueOf(turns)) this.queueChangedAt = session.rev;
    this.#lookAtTurns(before, turns, commands);
    this.#lookAtMessages(former, session, before);
    this.#lookAtLog(turns);
    this.#lookAtAlarm(session, turns);
  }

  #isMade(): boolean {
    this.#exists = this.#query("SELECT 1 FROM sqlite_master WHERE name = 'cc_session'").length > 0;
    this.#expect(this.#exists || this.#object.alarm.at === null, "blank", () => "a blank object has an alarm");
    return this.#exists;
  }

  #lookAtTurns(before: TurnRow[], now: TurnRow[], commands: CommandRow[]): void {
    const running = now.filter(({ state }) => state === "running");
    this.#expect(running.length <= 1, "one running", () => `${running.length} turns run`);
    this.#expect(now.length === 0 || now[0]!.state === "running", "head of line", () => `${now.length} turns wait, none of them runs`);
    for (const turn of now) {
      const old = before.find(({ id }) => id === turn.id);
      if (!old) this.#lookAtAccepted(turn, before, commands);
      if (turn.state === "running" && old?.state !== "running") this.started.push(turn.id);
      if (turn.attempt > 1) this.rerun.add(turn.id);
      this.#expect(
        !old || turn.attempt >= old.attempt,
        "attempts",
        () => `${turn.id} went from attempt ${old!.attempt} to ${turn.attempt}`,
      );
      this.#expect(old?.state !== "running" || turn.state === "running", "turn state", () => `${turn.id} runs no more`);
    }
    for (const { id, result } of commands) {
      // What is neither accepted here nor said to be in line was stopped or taken back.
      const turnId = (JSON.parse(result ?? "null") as { turnId?: string } | null)?.turnId;
      const isLeft = turnId !== id && now.some((turn) => turn.id === turnId);
      this.#expect(!isLeft, "stop", () => `${id} was to end ${turnId}, which is still there`);
    }
    for (const turn of before) {
      if (now.some(({ id }) => id === turn.id)) continue;
      if (turn.state === "running") continue;
      this.dropped.add(turn.id);
      const isAsked = commands.some(({ id, result }) => id !== turn.id && result?.includes(`"${turn.id}"`));
      this.#expect(isAsked, "queue", () => `${turn.id} left the queue and nobody asked for it`);
    }
  }

  #lookAtAccepted(turn: TurnRow, before: TurnRow[], commands: CommandRow[]): void {
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
    this.accepted.set(turn.id, turn);
  }

  #lookAtMessages(former: SessionRow | null, session: SessionRow, before: TurnRow[]): void {
    const since = former?.rev ?? 0;
    let head = former?.head ?? null;
    let seen = 0;
    const ended = before.filter(({ id, state }) => state === "running" && !this.turns.some((turn) => turn.id === id));
    for (const row of this.#query<MessageRow>("SELECT * FROM cc_message WHERE rev > ? OR changed > ? ORDER BY rev", since, since)) {
      const old = this.messages.get(row.id);
      if (old) this.#lookAtChange(old, row, ended);
      else {
        this.#expect(row.parent === head, "order", () => `${row.id} stands under ${row.parent}, the head was ${head}`);
        head = row.id;
        if (row.role === "user") {
          const turn = this.turns.find(({ message_id }) => message_id === row.id);
          this.#expect(
            turn?.state === "running",
            "user message",
            () => `${row.id} entered history, and its turn is ${turn?.state ?? "none"}`,
          );
        } else {
          this.#expect(
            ended.some(({ id }) => id === row.id),
            "reply",
            () => `${row.id} is the reply of no turn that ended`,
          );
          this.#expect(row.facts !== null, "reply", () => `${row.id} was stored without facts`);
          this.#noteEnd(row.id, row.id);
        }
      }
      this.messages.set(row.id, row);
      seen++;
    }
    this.#expect(session.head === head, "head", () => `the head is ${session.head}, the last message ${head}`);
    this.#expect(seen === 0 || session.rev > since, "rev", () => "messages changed and rev did not");
    for (const { id } of ended) this.#expect(this.ended.has(id), "every turn ends", () => `${id} is gone and nothing says how it ended`);
    const count = this.#query<{ n: number }>("SELECT count(*) AS n FROM cc_message")[0]!.n;
    this.#expect(count === this.messages.size, "append only", () => `${this.messages.size} messages were stored, ${count} are`);
  }

  #lookAtChange(old: MessageRow, row: MessageRow, ended: TurnRow[]): void {
    const isSame = old.body === row.body && old.parent === row.parent && old.rev === row.rev && old.role === row.role;
    this.#expect(isSame, "append only", () => `${row.id} changed from ${old.body} to ${row.body}`);
    if (old.facts === row.facts) return;
    this.#expect(old.facts === null, "append only", () => `the facts of ${row.id} changed`);
    const turn = ended.find(({ message_id }) => message_id === row.id);
    this.#expect(turn !== undefined, "facts", () => `${row.id} got facts, and its turn did not end`);
    if (turn) this.#noteEnd(turn.id, row.id);
  }

  #noteEnd(turnId: string, messageId: string): void {
    this.#expect(!this.ended.has(turnId), "once", () => `${turnId} ended twice`);
    this.ended.set(turnId, messageId);
  }

  #lookAtLog(turns: TurnRow[]): void {
    const rows = this.#query<{ turn_id: string; body: string }>("SELECT turn_id, body FROM cc_log ORDER BY n");
    const running = turns[0]?.id ?? "";
    const isOther = rows.some(({ turn_id }) => turn_id !== running);
    this.#expect(!isOther, "log", () => `the log holds chunks of ${rows[0]!.turn_id}, running is ${running || "none"}`);
    const former = this.#log.turnId === running ? this.#log.text : "";
    const text = rows.map(({ body }) => body).join("");
    this.#expect(text.startsWith(former), "log", () => `the log of ${running} is no continuation of what it was`);
    this.#log = { turnId: running, text };
    if (text.length === former.length) return;
    const chunks = this.logs.get(running) ?? [];
    const added = text.slice(former.length).split("\n").slice(0, -1);
    this.logs.set(running, [...chunks, ...added.map((line) => JSON.parse(line) as Chunk)]);
  }

  #lookAtAlarm(session: SessionRow, turns: TurnRow[]): void {
    const { at, isDelivering } = this.#object.alarm;
    if (isDelivering) return;
    const running = turns.find(({ state }) => state === "running");
    if (running) {
      this.#expect(at !== null, "alarm", () => `${running.id} runs, and there is no alarm`);
      const isNear = at === null || this.mayRetry || at <= this.#now() + LEASE_MS;
      this.#expect(isNear, "alarm", () => `the alarm of a running turn is ${at! - this.#now()} ms ahead`);
    }
    if (session.due_at !== null) this.#expect(at !== null, "alarm", () => "something is due, and there is no alarm");
    const isNeeded = running !== undefined || session.due_at !== null || this.mayRetry;
    this.#expect(at === null || isNeeded, "idle alarm", () => "there is an alarm and nothing is due");
  }

  #newCommands(): CommandRow[] {
    const count = this.#query<{ n: number }>("SELECT count(*) AS n FROM cc_command")[0]!.n;
    if (count === this.commands.size) return [];
    const added: CommandRow[] = [];
    for (const row of this.#query<CommandRow>("SELECT id, rev, result FROM cc_command")) {
      if (this.commands.has(row.id)) continue;
      this.commands.set(row.id, row);
      added.push(row);
    }
    this.#expect(count === this.commands.size, "append only", () => "a command was forgotten");
    return added;
  }

  #readSession(): SessionRow {
    return this.#query<SessionRow>("SELECT epoch, rev, head, due_at FROM cc_session")[0]!;
  }

  #query<Row extends object>(sql: string, ...params: number[]): Row[] {
    return this.#object.storage.query<Row>(sql, ...params);
  }

  #expect(isRight: boolean, check: string, text: () => string): void {
    this.#findings.expect(isRight, check, text);
  }
}

function queueOf(turns: readonly TurnRow[]): string {
  return turns
    .filter(({ state }) => state === "queued")
    .map(({ id }) => id)
    .join();
}
