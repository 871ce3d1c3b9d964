// What every test shares: one running example, one browser, and visitors whose pages must not complain, nor differ from the server's.
import type { BrowserContext } from "playwright-core";
import { setVisitors, type Visitors } from "../../../../test/browser/support/visitors.ts";
import { type App, startApp } from "./app.ts";
import { SOON, Tab } from "./tab.ts";

export interface Visitor {
  context: BrowserContext;
  /** Opens a tab at a path or an address. */
  open: (address?: string) => Promise<Tab>;
}

export interface Stage extends Pick<Visitors<App>, "expectErrors"> {
  readonly app: App;
  /** A person with a browser profile of their own. */
  visitor(): Promise<Visitor>;
}

export function setStage(): Stage {
  const visitors = setVisitors({ start: startApp, startWithinMs: 120_000, timeout: SOON.timeout });
  return {
    get app() {
      return visitors.server;
    },
    visitor: async () => {
      const context = await visitors.profile({ viewport: { width: 1100, height: 800 } });
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
