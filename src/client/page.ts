// The page around the client, as far as there is one: none of this exists in Node, and not all of it in React Native.

interface Page {
  location?: { href: string };
  document?: { hidden: boolean };
  requestAnimationFrame?: (run: () => void) => number;
  cancelAnimationFrame?: (handle: number) => void;
  matchMedia?: (query: string) => { matches: boolean };
  reportError?: (error: unknown) => void;
  addEventListener?: (type: string, listener: () => void, options: { signal: AbortSignal }) => void;
}

export const page = globalThis as unknown as Page;

/** Calls a listener of the app. What it throws is its own mistake, reported as the platform reports what nobody caught. */
export function safely(call: () => void): void {
  try {
    call();
  } catch (error) {
    (page.reportError ?? console.error)(error);
  }
}

/** True where someone may be looking: there are frames, and the page is not hidden. */
export function isSeen(): boolean {
  return !!page.requestAnimationFrame && !page.document?.hidden;
}

/** Longest wait for a frame: none comes to a page that has just been hidden, or stands where nobody can see it. */
const FRAME_TIMEOUT_MS = 250;

/** Calls `run` once: with the next frame of a page that is seen, else as soon as may be. */
export function onNextFrame(run: () => void): void {
  if (!isSeen()) return queueMicrotask(run);
  const once = () => {
    clearTimeout(timer);
    page.cancelAnimationFrame?.(frame);
    run();
  };
  const timer = setTimeout(once, FRAME_TIMEOUT_MS);
  const frame = page.requestAnimationFrame!(once);
}
