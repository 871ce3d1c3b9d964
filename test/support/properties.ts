// Property tests draw the same cases in each run: who changes nothing sees no new failure. `CHATCELL_SEED=7 npm run test:unit` draws
// others, to look further.
import fc from "fast-check";
import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    propertySeed: number;
  }
}

fc.configureGlobal({ seed: inject("propertySeed") });
