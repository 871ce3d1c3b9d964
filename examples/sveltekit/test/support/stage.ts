// A server and a browser for the tests of one `describe`, with visitors whose pages must not complain.
import { FIRST_VISIT, setVisitors, type Visitors } from "../../../../test/browser/support/visitors.ts";
import { startServer, type ServerCommand } from "./server.ts";
import { SOON, Tab } from "./tab.ts";

export interface Visitor {
  open(address?: string): Promise<Tab>;
}

export interface Stage extends Pick<Visitors<never>, "expectErrors"> {
  /** A person with a browser profile of their own. */
  visitor(): Promise<Visitor>;
}

export function setStage(command: ServerCommand): Stage {
  const start = () => startServer(command);
  const visitors = setVisitors({ start, startWithinMs: 180_000, timeout: SOON.timeout, expected: [FIRST_VISIT] });
  return {
    visitor: async () => {
      const context = await visitors.profile();
      return {
        open: async (address = "/") => {
          const page = await context.newPage();
          const response = await page.goto(address);
          return new Tab(page, response!.status());
        },
      };
    },
    expectErrors: visitors.expectErrors,
  };
}
