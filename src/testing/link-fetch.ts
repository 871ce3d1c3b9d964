// The requests that run over a link: sent and answered through lanes, failed by a cut, and true to their abort signal.
import type { ChatClientOptions } from "../client/types.ts";
import { Lane, type LinkState } from "./lane.ts";

type Fetch = NonNullable<ChatClientOptions["fetch"]>;

export interface LinkFetch {
  fetch: Fetch;
  /** Fails what is pending, as a lost network does. */
  cut(): void;
  /** Lets out what the link has held back. */
  pump(): void;
}

/**
 * An answer arrives with its headers; what a body still brings is not held or cut.
 * @param onSent called with the address of each request as it goes out
 */
export function createLinkFetch(real: Fetch, state: LinkState, onSent: (url: string) => void): LinkFetch {
  const pending = new Set<PendingRequest>();
  return {
    fetch: (input: Parameters<Fetch>[0], init?: Parameters<Fetch>[1]) => {
      const lost = new AbortController();
      const signals = [init?.signal, input instanceof Request ? input.signal : null, lost.signal];
      const signal = AbortSignal.any(signals.filter((one): one is AbortSignal => one != null));
      const up = new Lane(state);
      const down = new Lane(state);
      const entry: PendingRequest = { up, down, lost };
      pending.add(entry);
      const answer = new Promise<Response>((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        if (signal.aborted) return reject(signal.reason as Error);
        up.push(() => {
          onSent(input instanceof Request ? input.url : String(input));
          real(input, { ...init, signal }).then(
            (response) => down.push(() => resolve(response)),
            (error: unknown) => down.push(() => reject(error)),
          );
        });
      });
      return answer.finally(() => {
        up.clear();
        down.clear();
        pending.delete(entry);
      });
    },
    cut: () => {
      for (const { lost } of pending) lost.abort(new TypeError("fetch failed: the link was cut"));
    },
    pump: () => {
      for (const { up, down } of pending) {
        up.pump();
        down.pump();
      }
    },
  };
}

interface PendingRequest {
  up: Lane;
  down: Lane;
  lost: AbortController;
}
