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
  | { do: "crash" }
  /** The object dies at the commit that is so many commits ahead, or at a statement. */
  | { do: "crash at"; when: "before commit" | "after commit" | "statement"; ahead: number }
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
        when: random.pick(["before commit", "after commit", "statement"]),
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
    case "crash":
    case "evict":
      return { do: kind };
    default:
      return { do: kind, page };
  }
}
