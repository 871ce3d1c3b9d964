// The screen in front of a page: animation frames that a test shows one at a time, and someone who may look away. No assertions.
import { vi } from "vitest";

/** At 60 frames a second. */
export const FRAME_MS = 1_000 / 60;

export class FakeScreen {
  readonly document = { hidden: false };
  prefersReducedMotion = false;
  private callbacks = new Map<number, () => void>();
  private handles = 0;

  /** Puts it in front of this process, until `vi.unstubAllGlobals`. */
  constructor() {
    vi.stubGlobal("document", this.document);
    vi.stubGlobal("matchMedia", (query: string) => ({
      matches: query === "(prefers-reduced-motion: reduce)" && this.prefersReducedMotion,
    }));
    vi.stubGlobal("requestAnimationFrame", (run: () => void) => {
      this.callbacks.set(++this.handles, run);
      return this.handles;
    });
    vi.stubGlobal("cancelAnimationFrame", (handle: number) => this.callbacks.delete(handle));
  }

  /** How many wait for a frame. */
  get waiting(): number {
    return this.callbacks.size;
  }

  /** Shows one frame; none is shown of a page that is hidden. */
  frame(): void {
    if (this.document.hidden) return;
    const due = [...this.callbacks.values()];
    this.callbacks.clear();
    for (const run of due) run();
  }
}
