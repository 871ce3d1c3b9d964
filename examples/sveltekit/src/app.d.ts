import type { Env } from "./lib/server/route-chat.ts";

declare global {
  namespace App {
    /** What `platform` is in the server code of the page. */
    interface Platform {
      env: Env;
    }
  }
}
