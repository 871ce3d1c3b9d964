// The rows of a thread as a watch reads them from storage, all of them after one commit.
import type { VirtualObject } from "../../src/testing/world/virtual-object.ts";
import type { TurnInput, TurnProgress, TurnRowKind } from "../../src/storage/turn-table.ts";
import type { ToolOutcome } from "../../src/storage/tool-call-table.ts";

export interface TurnRow {
  id: string;
  ord: number;
  kind: TurnRowKind;
  state: "queued" | "running" | "waiting";
  message_id: string;
  principal: string;
  body: string;
  overflow: number;
  base: number;
  due_at: number | null;
  attempt: number;
  progress: string;
}

export interface MessageRow {
  rev: number;
  id: string;
  parent: string | null;
  role: string;
  author: string | null;
  facts: string | null;
  last_turn: string | null;
  body: string;
  overflow: number;
  changed: number | null;
}

export interface CommandRow {
  id: string;
  rev: number;
  result: string | null;
}

export interface SessionRow {
  epoch: string;
  rev: number;
  head: string | null;
  head_rev: number;
  title: string | null;
  meta_rev: number;
  state: string | null;
  state_rev: number;
  due_at: number | null;
  end_marks: string | null;
}

/** A call whose tool was started. */
export interface LedgerRow {
  n: number;
  turn_id: string;
  call_id: string;
  run: number;
  name: string;
  is_idempotent: number;
  body: string;
  overflow: number;
  outcome: string | null;
  outcome_overflow: number;
}

/** A thread after a commit, but for its messages and its log, which grow. */
export interface View {
  session: SessionRow;
  turns: TurnRow[];
  ledger: LedgerRow[];
}

export function readView({ storage }: VirtualObject): View {
  return {
    session: storage.query<SessionRow>(
      "SELECT epoch, rev, head, head_rev, title, meta_rev, state, state_rev, due_at, end_marks FROM cc_session",
    )[0]!,
    turns: storage.query<TurnRow>("SELECT * FROM cc_turn ORDER BY ord"),
    ledger: storage.query<LedgerRow>("SELECT * FROM cc_tool_call ORDER BY n"),
  };
}

export const progressOf = (turn: Pick<TurnRow, "progress">): TurnProgress => JSON.parse(turn.progress) as TurnProgress;
/** What was asked for; nothing of one that is too long for its row. */
export const inputOf = (turn: Pick<TurnRow, "body" | "overflow">): Partial<TurnInput> =>
  turn.overflow > 0 ? {} : (JSON.parse(turn.body) as TurnInput);
/** Id of the live message of a turn. */
export const liveIdOf = (turn: TurnRow): string => (turn.kind === "continue" ? (inputOf(turn).target ?? turn.id) : turn.id);
/** The running or waiting turn. */
export const liveOf = (turns: readonly TurnRow[]): TurnRow | undefined => turns.find(({ state }) => state !== "queued");
export const outcomeOf = (row: LedgerRow): ToolOutcome | null =>
  row.outcome === null || row.outcome_overflow > 0 ? null : (JSON.parse(row.outcome) as ToolOutcome);
export const ledgerInputOf = (row: LedgerRow): Record<string, unknown> =>
  row.overflow > 0 ? {} : (JSON.parse(row.body) as { input: Record<string, unknown> }).input;
