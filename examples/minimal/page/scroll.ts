// Follows the newest text while the reader is at the bottom, and never moves what the reader has scrolled to.
import { byId } from "./dom.ts";

/** Nearer to the bottom than this counts as being there. */
const NEAR_PX = 48;

export interface Scroll {
  toBottom(): void;
  /** Runs a change that may add messages above the first one, and keeps what is in view in its place. */
  keeping(change: () => void): void;
}

export function createScroll(): Scroll {
  const viewport = byId("viewport");
  const content = byId("content");
  const jump = byId("jump");
  let isFollowing = true;
  /** Where the viewport stood when we last looked. */
  let lastTop = 0;

  // A page without messages begins at its top.
  const isBlank = (): boolean => content.querySelector(".message") === null;
  const distance = (): number => viewport.scrollHeight - viewport.clientHeight - viewport.scrollTop;
  const toEnd = (): void => {
    if (!isBlank()) viewport.scrollTop = viewport.scrollHeight;
    lastTop = viewport.scrollTop;
  };
  const follow = (isOn: boolean): void => {
    isFollowing = isOn;
    jump.hidden = isOn;
    if (isOn) toEnd();
  };
  viewport.addEventListener(
    "scroll",
    () => {
      const isNear = distance() < NEAR_PX || isBlank();
      // The event of our own scroll may come when more text has arrived already: only who moves up wants to stay behind.
      const hasMovedUp = viewport.scrollTop < lastTop;
      lastTop = viewport.scrollTop;
      if (isNear === isFollowing || (isFollowing && !hasMovedUp)) return;
      isFollowing = isNear;
      jump.hidden = isNear;
    },
    { passive: true },
  );
  jump.addEventListener("click", () => {
    follow(true);
    viewport.focus();
  });
  // Fires after layout and before paint: for new text, for an opened part, and for a keyboard that takes half of the screen.
  const observer = new ResizeObserver(() => {
    if (isFollowing) toEnd();
  });
  observer.observe(viewport);
  observer.observe(content);

  return {
    toBottom: () => follow(true),
    keeping: (change) => {
      const anchor = isFollowing ? null : content.querySelector<HTMLElement>(".message");
      const before = anchor?.getBoundingClientRect().top ?? 0;
      change();
      if (anchor?.isConnected) viewport.scrollTop += anchor.getBoundingClientRect().top - before;
    },
  };
}
