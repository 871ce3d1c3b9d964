// The suite: cases from scripts. It knows no test runner.
import { chatClientAdapter } from "./chat-client-adapter.ts";
import { TooLate } from "./check.ts";
import { CLIENT_CASES } from "./client-cases.ts";
import { type CaseScript, Scene } from "./scene.ts";
import { SERVER_CASES } from "./server-cases.ts";
import { REFUSAL_CASES } from "./refusal-cases.ts";
import type { ClientAdapter, ConformanceCase, ConformanceOptions } from "./types.ts";
import { WIRE_CASES } from "./wire-cases.ts";

const SCRIPTS: readonly CaseScript[] = [...CLIENT_CASES, ...WIRE_CASES, ...SERVER_CASES, ...REFUSAL_CASES];

/** Numbers in a slow answer: two seconds of it. Where that is over too soon, since the machine is busy, eight. */
const QUICK = 90;
const PATIENT = 360;

/**
 * What PROTOCOL.md says, as cases for any test runner or a plain loop: on a client, what it shows and does, on whole lines and on
 * broken ones; on a server, what it sends to clients of any kind. The server runs the app of docs/guides/conformance.md. Cases
 * share nothing: each makes a thread of its own, and can run beside the others. Nothing is opened before `run`.
 *
 * @example
 * import { conformance } from "chatcell/testing";
 *
 * for (const { name, skip, run } of conformance({ server: "http://127.0.0.1:8787/chat" })) {
 *   if (skip) console.log(`skipped: ${name} (${skip})`);
 *   else await run();
 * }
 */
export function conformance({ server, client = chatClientAdapter(), only, timeoutMs = 20_000 }: ConformanceOptions): ConformanceCase[] {
  const given = typeof server === "string" ? { url: server } : server;
  const target = { ...given, url: given.url.replace(/\/$/, "") };
  return SCRIPTS.filter(({ side }) => !only || side === only).map(({ side, name, needs = [], run }) => {
    const skip = reasonToSkip(client, needs);
    return {
      name: `${side}: ${name}`,
      ...(skip ? { skip } : {}),
      run: async () => {
        if (skip) throw new Error(skip);
        const attempt = (slowTo: number) => play(new Scene(target, client, timeoutMs, slowTo), run);
        await attempt(QUICK).catch((error: unknown) => {
          if (!(error instanceof TooLate)) throw error;
          return attempt(PATIENT);
        });
      },
    };
  });
}

async function play(scene: Scene, run: CaseScript["run"]): Promise<void> {
  try {
    await run(scene);
  } finally {
    await scene.close();
  }
}

function reasonToSkip({ capabilities }: ClientAdapter, needs: NonNullable<CaseScript["needs"]>): string | undefined {
  const missing = needs.filter((need) => !capabilities.includes(need));
  return missing.length > 0 ? `the client does not have: ${missing.join(", ")}` : undefined;
}
