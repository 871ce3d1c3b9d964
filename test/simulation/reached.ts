// What a run has come by: a simulation that never gets to where faults could be finds none.
import type { SimulatedThread } from "./simulated-thread.ts";
import { outcomeOf } from "./rows.ts";

/** How often each thing happened. */
export type Reached = Record<string, number>;

export function reachedBy({ commits, frames, app: { tools, calls } }: SimulatedThread): Reached {
  const reached: Reached = {};
  const count = (what: string, times = 1): void => void (reached[what] = (reached[what] ?? 0) + times);
  for (const { kind } of commits.accepted.values()) count(`turn: ${kind}`);
  for (const [id, { facts, hasOutput }] of commits.history.ended) {
    const kind = commits.accepted.get(id)?.kind ?? "";
    count(`ended: ${facts.outcome}`);
    if (kind === "continue" || kind === "regenerate") count(`${kind}: ${hasOutput ? "with" : "without"} output`);
    if (facts.error) count(`failed: ${facts.error.code}`);
  }
  for (const command of commits.carriedOut.values()) {
    if (command.type === "resolve")
      count("approvalId" in command ? `approval: ${command.approved}` : `output: ${command.errorText === undefined}`);
    else if (command.type === "edit") count("turnId" in command ? "command: edit of a queued turn" : "command: edit of a message");
    else count(`command: ${command.type}`);
  }
  for (const [code, times] of frames.refusals) count(`refused: ${code}`, times);
  for (const call of [...calls.values()].flat()) if (call.resume) count(`run again: ${call.resume}`);
  for (const { starts, isIdempotent } of tools.calls.values()) {
    count("tool: started");
    if (isIdempotent && starts > 1) count("tool: run again");
  }
  for (const row of commits.log.ledger.values()) if (outcomeOf(row) === null) count("tool: without outcome");
  for (const chunk of [...commits.log.chunks.values()].flat()) {
    if (chunk.type === "reset-step") count("other: discard");
    if (chunk.type === "tool-approval-response" && (chunk as { by?: string }).by === "system:expiry") count("approval: expired");
    if ("preliminary" in chunk && chunk.preliminary) count("tool: preliminary output");
  }
  count("other: waits", commits.waits);
  count("other: superseded", commits.superseded.size);
  count("other: state set", commits.state.changes);
  return reached;
}
