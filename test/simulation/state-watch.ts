// Looks at the app state and the title after every commit: each change is that of the command which is carried out, upon the
// value that the command says it knows.
import type { SetCommand } from "../../src/protocol/frames.ts";
import type { CommitStep, WatchPorts } from "./commit-watch.ts";
import type { SessionRow } from "./rows.ts";

export class StateWatch {
  readonly #ports: WatchPorts;
  changes = 0;

  constructor(ports: WatchPorts) {
    this.#ports = ports;
  }

  /** The app state as clients see it. */
  of(session: Pick<SessionRow, "state">): unknown {
    return this.#ports.parseState(JSON.parse(session.state ?? "{}") as object);
  }

  look({ before, now, commands, present }: CommitStep): void {
    if (!before) return;
    const [old, session] = [before.session, now.session];
    const command = present?.command.type === "set" ? present.command : undefined;
    const isAccepted = command !== undefined && (commands.length === 1 || present!.principalId === SERVER);
    for (const field of ["state", "title"] as const) {
      const rev = field === "state" ? session.state_rev : session.meta_rev;
      const oldRev = field === "state" ? old.state_rev : old.meta_rev;
      const isSet = isAccepted && command.field === field && rev !== oldRev;
      if (commands.length === 1 && command?.field === field)
        this.#expect(isSet, () => `${JSON.stringify(command)} was accepted, and set nothing`);
      if (!isSet) this.#expect(rev === oldRev && old[field] === session[field], () => `the ${field} changed, and nobody set it`);
      else this.#lookAtSet(command, old, session, rev, oldRev);
    }
  }

  #lookAtSet(command: SetCommand, old: SessionRow, session: SessionRow, rev: number, oldRev: number): void {
    this.changes++;
    const { field, value, ifRev } = command;
    this.#expect(ifRev === undefined || ifRev === oldRev, () => `${field} was at ${oldRev}, ${JSON.stringify(command)} knew ${ifRev}`);
    this.#expect(rev > oldRev && rev <= session.rev, () => `the rev of ${field} went from ${oldRev} to ${rev}`);
    const merged = field === "title" ? value : this.#ports.parseState({ ...(this.of(old) as object), ...(value as object) });
    const stored = field === "title" ? session.title : this.of(session);
    this.#expect(JSON.stringify(stored) === JSON.stringify(merged), () => {
      return `${field} is ${JSON.stringify(stored)} after ${JSON.stringify(command)}, before it was ${old[field]}`;
    });
  }

  #expect(isRight: boolean, text: () => string): void {
    this.#ports.findings.expect(isRight, "compare and set", text);
  }
}

/** Who sets a value that the server itself sets. */
export const SERVER = "the server itself";
