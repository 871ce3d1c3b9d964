// One scenario in the pages of all frameworks, side by side: most of a scenario is waiting for a model.
import type { BrowserContextOptions } from "playwright-core";
import type { Stage } from "../../support/stage.ts";
import { FRAMEWORKS } from "./build.ts";
import { type Open, visit } from "./chat-tab.ts";

/** A person on the pages of one framework, whose `name` is in the address. */
export interface Cast {
  name: string;
  visit: (options?: BrowserContextOptions) => Promise<Open>;
}

/** A test that runs `scenario` for each framework, and ends when all have. What fails says where. */
export function everywhere(stage: Stage, scenario: (cast: Cast) => Promise<void>): () => Promise<void> {
  return async () => {
    const runs = FRAMEWORKS.map((name) => scenario({ name, visit: (options) => visit(stage, name, options) }));
    const failures = (await Promise.allSettled(runs)).flatMap((run, index) =>
      run.status === "rejected" ? [{ name: FRAMEWORKS[index]!, reason: run.reason as Error }] : [],
    );
    if (failures.length === 0) return;
    const [first] = failures;
    first!.reason.message = `In the page of ${failures.map(({ name }) => name).join(", ")}; the first: ${first!.reason.message}`;
    throw first!.reason;
  };
}
