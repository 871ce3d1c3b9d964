// The objects that the workerd tests talk to. `Puppet` hands the stream of each turn to the test, which plays the model.
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import type { UIMessageChunk } from "ai";
import {
  aiSdkEndpoint,
  anonymous,
  bearer,
  ChatSessionObject,
  routeChatRequest,
  type Command,
  type Connection,
  type Principal,
  type Role,
  type Turn,
  type TurnEndEvent,
  type TurnResult,
} from "../../src/entries/index.ts";
import { isScripted, Scripted } from "./scripted.ts";

export { Scripted };

export interface Env {
  PUPPET: DurableObjectNamespace<Puppet>;
  HOOKED: DurableObjectNamespace<Hooked>;
  PLAIN: DurableObjectNamespace<PlainObject>;
  SCRIPTED: DurableObjectNamespace<Scripted>;
  CHATCELL_SECRET: string;
}

/** One run of `onTurn`, held by the test. */
export interface Play {
  turn: Turn;
  write(chunk: UIMessageChunk): void;
  text(...deltas: string[]): void;
  end(): void;
  fail(error: unknown): void;
}

/** How often the constructor has run for each object, by the text of its id: the tests share an isolate with the objects. */
export const constructions = new Map<string, number>();

export class Puppet extends ChatSessionObject<Env> {
  static override readonly connectionState = z.object({ tab: z.number(), note: z.string().optional() });
  static override readonly body = z.object({ tone: z.string() }).optional();
  static override readonly migrations = [{ id: 1, name: "notes", sql: "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)" }];

  plays: Play[] = [];
  /** The newest run that has begun. */
  newest: Play | undefined;
  /** What `onTurn` does in the next turns, one each, in place of a play. */
  answers: ((turn: Turn) => TurnResult | Promise<TurnResult>)[] = [];
  ends: TurnEndEvent[] = [];
  connects: Connection[] = [];
  disconnects: string[] = [];
  partings: Connection[] = [];
  constructions = 0;
  mayCommand = true;
  #waiting: ((play: Play) => void)[] = [];

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const id = ctx.id.toString();
    constructions.set(id, (constructions.get(id) ?? 0) + 1);
  }

  /** The next run that has begun and that no one has taken. */
  async nextPlay(): Promise<Play> {
    const play = this.plays.shift();
    return play ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  override onTurn(turn: Turn): TurnResult | Promise<TurnResult> {
    const answer = this.answers.shift();
    if (answer) return answer(turn);
    return new ReadableStream<UIMessageChunk>({
      start: (controller) => {
        const play: Play = {
          turn,
          write: (chunk) => controller.enqueue(chunk),
          text: (...deltas) => {
            controller.enqueue({ type: "text-start", id: "t" });
            for (const delta of deltas) controller.enqueue({ type: "text-delta", id: "t", delta });
            controller.enqueue({ type: "text-end", id: "t" });
          },
          end: () => controller.close(),
          fail: (error) => controller.error(error),
        };
        this.newest = play;
        const taker = this.#waiting.shift();
        if (taker) taker(play);
        else this.plays.push(play);
      },
    });
  }

  override onConnect(connection: Connection): void {
    this.connects.push(connection);
  }

  override onDisconnect(connection: Connection): void {
    this.disconnects.push(connection.id);
    this.partings.push(connection);
  }

  override authorize(_principal: Principal, _role: Role, _command: Command): boolean {
    return this.mayCommand;
  }
}

/** A class with the hook that `Puppet` does not have. */
export class Hooked extends Puppet {
  /** What the hook does beyond noting its event. */
  whenEnded: (event: TurnEndEvent) => void | Promise<void> = () => {};

  override async onTurnEnd(event: TurnEndEvent): Promise<void> {
    this.ends.push(event);
    await this.whenEnded(event);
  }
}

/** An object that is no chat, for tests of storage by itself. */
export class PlainObject extends DurableObject<Env> {}

/** `Bearer user-1` is the principal of that id; `user-1.until.<epoch ms>` the same one with an expiry. */
function verify(token: string): Principal | null {
  if (!token.startsWith("user-")) return null;
  const [id, until] = token.split(".until.") as [string, string?];
  return { id, ...(until === undefined ? {} : { expiresAt: Number(until) }) };
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const threadId = request.headers.get("x-thread") ?? new URL(request.url).pathname.split("/")[3] ?? "";
    const answer = await routeChatRequest(request, {
      namespace: isScripted(threadId) ? env.SCRIPTED : env.PUPPET,
      secret: env.CHATCELL_SECRET,
      authenticate: [bearer(verify), anonymous()],
      allowedOrigins: ["https://app.example"],
      aiSdk: aiSdkEndpoint({ release: request.headers.get("x-release") === "6" ? 6 : 7 }),
    });
    return answer ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
