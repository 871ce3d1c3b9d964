// What happens in one run, made from one number. A schedule is data, so that it can be printed, and shrunk step by step.
import { SeededRandom } from "../../src/testing/world/seeded-random.ts";

/** What can happen, beside what clients and the object do by themselves. `at`: ms since the start. */
export type Step = { at: number; /** Names the step's own chance. */ n: number } & Action;

export type Action =
  /** A page sends so many messages at once. */
  | { do: "send"; page: number; count: number }
  | { do: "stop"; page: number; what: "default" | "queued" | "old" }
  | { do: "cancel"; page: number }
  | { do: "retry"; page: number }
  | { do: "reconnect"; page: number }
  | { do: "load earlier"; page: number }
  /** The page is closed, and opened again as a new one. */
  | { do: "reopen"; page: number; afterMs: number }
  /** The line of a page dies; each end learns so after its time, or never. */
  | { do: "cut"; page: number; clientAfterMs: number | null; serverAfterMs: number | null }
  | { do: "offline"; page: number; forMs: number }
  /** Commands that were accepted are sent again, by another socket of the same user, by a ticket request or by HTTP. */
  | { do: "repeat"; page: number; count: number; over: "socket" | "ticket" | "http" }
  /** The next frames of a page arrive a second time, over another socket, at about the same time. */
  | { do: "echo"; page: number; count: number }
  /** The page's own socket asks for what an older cursor lacks: it gets things that it has. */
  | { do: "sync"; page: number }
  /** Frames to the page get lost in between, which its client has to see. Never an answer: those have no numbers. */
  | { do: "lose frames"; page: number; count: number }
  /** Another message under an id that is taken. */
  | { do: "forge"; page: number }
  /** What a queued message says is changed. */
  | { do: "edit queued"; page: number }
  /** Another message in the place of one that was sent. */
  | { do: "edit"; page: number; what: "last" | "any" }
  | { do: "regenerate"; page: number; what: "last" | "any" }
  | { do: "continue"; page: number; what: "last" | "any" }
  /** The state or the title, by the page's client or by a frame that names the rev that it knows, or an older one. */
  | { do: "set"; page: number; field: "state" | "title"; how: "client" | "known rev" | "old rev" | "no rev" }
  /** An answer to a call that the thread ever asked for; mostly it has one. */
  | { do: "answer"; page: number; over: "socket" | "http" }
  /** A claim of such a call. */
  | { do: "claim"; page: number }
  /** The server itself, by its binding or in its class. */
  | { do: "server"; what: "append" | "send" | "stop" | "set" | "setState" }
  | { do: "crash" }
  /** The object dies at the commit that is so many commits ahead, or at a statement, or in a tool. */
  | { do: "crash at"; when: "before commit" | "after commit" | "statement" | "tool"; ahead: number }
  /** The storage refuses a statement or a commit that is so many ahead, and those after it, so many in all. */
  | { do: "fail at"; when: "commit" | "statement"; ahead: number; times: number }
  | { do: "evict" }
  | { do: "alarm"; lateMs: number; againMs: number | null };

export interface Schedule {
  seed: number;
  /** Pages; all of them look at one thread. */
  pages: number;
  /** `users`: the pages of different people. */
  people: "one" | "users" | "anonymous";
  /** Messages that the thread has before; null: the first `send` makes it. */
  history: number | null;
  latency: "fast" | "slow" | "mixed";
  /** Share of HTTP requests or answers that are lost. */
  loss: number;
  /** What becomes of a reply that was cut off. */
  recovery: "keep" | "continue";
  /** How `onTurnEnd` behaves; null: the app has none. */
  hook: "calm" | "slow" | "throws" | null;
  busy: "queue" | "reject";
  /** Share of runs with a model that calls tools. */
  tools: number;
  toolTimeoutMs: number;
  approvalExpiresMs: number | null;
  /** Share of requests that a person does not answer. */
  silence: number;
  /** Who runs client tools: the client, or the person at the page. */
  clientTools: "by itself" | "by hand";
  steps: Step[];
}

const WEIGHTS = {
  send: 34,
  stop: 8,
  cancel: 5,
  retry: 2,
  reconnect: 5,
  "load earlier": 4,
  reopen: 4,
  cut: 8,
  offline: 3,
  repeat: 4,
  echo: 3,
  sync: 3,
  "lose frames": 3,
  forge: 2,
  crash: 4,
  "crash at": 9,
  "fail at": 5,
  evict: 6,
  alarm: 3,
  "edit queued": 4,
  edit: 5,
  regenerate: 5,
  continue: 6,
  set: 7,
  answer: 4,
  claim: 2,
  server: 7,
} satisfies Record<Action["do"], number>;

/** The schedule of a seed. */
export function makeSchedule(seed: number): Schedule {
  const random = new SeededRandom(`schedule/${seed}`);
  const pages = random.between(1, 3);
  const schedule: Schedule = {
    seed,
    pages,
    people: random.chance(0.08) ? "anonymous" : random.chance(0.5) ? "one" : "users",
    history: random.chance(0.55) ? null : random.chance(0.7) ? random.between(0, 6) : random.between(20, 70),
    latency: random.pick(["fast", "slow", "mixed"]),
    loss: random.chance(0.7) ? 0 : random.pick([0.05, 0.2]),
    recovery: random.pick(["keep", "continue"]),
    hook: random.chance(0.5) ? null : random.pick(["calm", "slow", "throws"]),
    busy: random.chance(0.85) ? "queue" : "reject",
    tools: random.pick([0.1, 0.4, 0.8]),
    toolTimeoutMs: random.chance(0.7) ? 300_000 : random.between(500, 20_000),
    approvalExpiresMs: random.chance(0.6) ? null : random.between(500, 40_000),
    silence: random.pick([0.1, 0.3, 0.7]),
    clientTools: random.pick(["by itself", "by hand"]),
    steps: [],
  };
  // Some runs are one long conversation, most are short: what breaks mostly breaks early.
  const count = random.chance(0.1) ? random.between(30, 60) : random.between(3, 22);
  const pace = random.pick(["hasty", "even", "slow"] as const);
  let at = 0;
  for (let n = 0; n < count; n++) {
    const action: Action = n === 0 ? { do: "send", page: 0, count: 1 } : makeAction(random, pages);
    schedule.steps.push({ at, n, ...action });
    at += gap(random, pace);
  }
  return schedule;
}

function gap(random: SeededRandom, pace: "hasty" | "even" | "slow"): number {
  if (random.chance(0.06)) return random.between(5_000, 45_000);
  if (pace === "hasty") return random.between(0, 150);
  return pace === "even" ? random.between(0, 1_500) : random.between(0, 6_000);
}

function makeAction(random: SeededRandom, pages: number): Action {
  const page = random.between(0, pages - 1);
  const kind = random.weighted(WEIGHTS);
  switch (kind) {
    case "send":
      return { do: kind, page, count: random.chance(0.8) ? 1 : random.chance(0.95) ? random.between(2, 6) : random.between(20, 50) };
    case "stop":
      return { do: kind, page, what: random.chance(0.75) ? "default" : random.pick(["queued", "old"]) };
    case "reopen":
      return { do: kind, page, afterMs: random.between(0, 4_000) };
    case "cut": {
      const clientAfterMs = random.chance(0.1) ? null : random.between(0, random.chance(0.7) ? 300 : 20_000);
      return {
        do: kind,
        page,
        clientAfterMs,
        serverAfterMs: random.chance(0.3) ? null : random.between(0, random.chance(0.5) ? 300 : 60_000),
      };
    }
    case "offline":
      return { do: kind, page, forMs: random.between(100, 40_000) };
    case "repeat":
      return { do: kind, page, count: random.between(1, 5), over: random.weighted({ socket: 60, http: 25, ticket: 15 }) };
    case "lose frames":
      return { do: kind, page, count: random.between(1, 3) };
    case "echo":
      return { do: kind, page, count: random.between(1, 5) };
    case "crash at":
      return {
        do: kind,
        when: random.pick(["before commit", "after commit", "statement", "tool"]),
        ahead: random.between(0, random.chance(0.7) ? 3 : 25),
      };
    case "fail at":
      return {
        do: kind,
        when: random.pick(["commit", "statement"]),
        ahead: random.between(0, random.chance(0.7) ? 3 : 25),
        times: random.chance(0.75) ? 1 : 2,
      };
    case "alarm":
      return {
        do: kind,
        lateMs: random.chance(0.7) ? random.between(0, 40_000) : 0,
        againMs: random.chance(0.5) ? random.between(0, 10_000) : null,
      };
    case "edit":
    case "regenerate":
    case "continue":
      return { do: kind, page, what: random.chance(0.7) ? "last" : "any" };
    case "set":
      return { do: kind, page, field: random.pick(["state", "title"]), how: random.pick(["client", "known rev", "old rev", "no rev"]) };
    case "answer":
      return { do: kind, page, over: random.pick(["socket", "http"]) };
    case "server":
      return { do: kind, what: random.weighted({ append: 40, send: 15, stop: 10, set: 15, setState: 20 }) };
    case "crash":
    case "evict":
      return { do: kind };
    default:
      return { do: kind, page };
  }
}
