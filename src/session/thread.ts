// Whether there is a thread in this object, and making one. The only owner of the schema's state: a blank object stays blank
// until an authorised create, and what a crash left is looked for once each wake.
import type { Database } from "../storage/database.ts";
import { createSchema, openSchema, type SchemaPlan } from "../storage/migrate.ts";
import type { Tables } from "../storage/tables.ts";
import { noSuchThread } from "./access.ts";
import type { Alarms } from "./alarms.ts";
import type { Commit, Committer } from "./commit.ts";
import type { Deps } from "./deps.ts";

export interface ThreadPorts {
  db: Database;
  tables: Tables;
  committer: Committer;
  alarms: Alarms;
  deps: Deps;
  schema: SchemaPlan;
  /** Brings what a crash left to its end: once, before the first event of this incarnation is carried out. */
  recover(): void;
}

/** Of a new thread. */
export interface ThreadIdentity {
  tenant: string;
  threadId: string;
  owner: string;
}

export class Thread {
  readonly #ports: ThreadPorts;
  /** HIBERNATION: `blank` and `ready` are read again from storage. */
  #schema: "unknown" | "blank" | "ready" = "unknown";
  /** HIBERNATION: it is looked again after each wake. */
  #isRecovered = false;

  constructor(ports: ThreadPorts) {
    this.#ports = ports;
  }

  /** True when there is a thread. Opens the schema where that failed before. @throws {ChatError} `schema_ahead`, `migration_failed` */
  isReady(): boolean {
    if (this.#schema !== "ready") this.#schema = openSchema(this.#ports.db, this.#ports.schema);
    if (this.#schema === "blank") return false;
    if (!this.#isRecovered) {
      this.#ports.recover();
      this.#isRecovered = true;
    }
    return true;
  }

  /** True when there is a thread and its schema is open already: asks nothing and recovers nothing. */
  get isOpen(): boolean {
    return this.#schema === "ready";
  }

  /** Brings the schema up to the code. A blank object stays blank. @throws as {@link isReady} */
  open(): void {
    this.#schema = openSchema(this.#ports.db, this.#ports.schema);
  }

  /** @throws {ChatError} `not_found` */
  require(): void {
    if (!this.isReady()) throw noSuchThread();
  }

  /** Schema, thread and owner, and what `body` does, in one transaction: a refusal in it leaves a blank object. */
  make<T>({ tenant, threadId, owner }: ThreadIdentity, body: (commit: Commit) => T): T {
    const { db, tables, committer, alarms, deps, schema } = this.#ports;
    try {
      const result = committer.run(body, () => {
        createSchema(db, schema);
        alarms.fired(); // A blank object has none, which need not be said again.
        tables.session.create({ threadId, tenant, epoch: deps.newId(), now: deps.now() });
        tables.members.put(owner, "owner");
      });
      this.#schema = "ready";
      this.#isRecovered = true;
      return result;
    } catch (error) {
      // A hook of the app that asked for the state in there has seen a thread, which is no more.
      this.#schema = "unknown";
      this.#isRecovered = false;
      throw error;
    }
  }
}
