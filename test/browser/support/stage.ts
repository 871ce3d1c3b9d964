// What every test of a file shares: one example, one browser, and visitors whose pages must not complain.
import type { BrowserContext, BrowserContextOptions } from "playwright-core";
import { Example } from "./example.ts";
import { SOON, Tab } from "./tab.ts";
import { FIRST_VISIT, setVisitors, type Visitors } from "./visitors.ts";

export interface Visitor {
  context: BrowserContext;
  /** Opens a tab at a path or an address. */
  open(address?: string): Promise<Tab>;
}

export interface Stage extends Pick<Visitors<Example>, "expectErrors"> {
  readonly example: Example;
  /** A person with a browser profile of their own. */
  visitor(options?: BrowserContextOptions): Promise<Visitor>;
}

export function setStage(start: () => Promise<Example> = () => Example.start()): Stage {
  const visitors = setVisitors({ start, timeout: SOON.timeout, expected: [FIRST_VISIT] });
  return {
    get example() {
      return visitors.server;
    },
    visitor: async (options) => {
      const context = await visitors.profile(options);
      const open = async (address = "/"): Promise<Tab> => {
        const page = await context.newPage();
        await page.goto(address);
        return new Tab(page);
      };
      return { context, open };
    },
    expectErrors: visitors.expectErrors,
  };
}
