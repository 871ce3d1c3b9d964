// Follows the newest text while the reader is at the end, and never moves what the reader has scrolled to.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** Nearer to the end than this counts as being there. */
const NEAR_PX = 48;

/** @param firstId of the first message: when that is another one, messages were added above */
export function useFollow(firstId: string | undefined) {
  const viewport = useRef<HTMLElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const height = useRef(0);
  const follows = useRef(true);
  const [isFollowing, setIsFollowing] = useState(true);

  const follow = useCallback((isOn: boolean) => {
    follows.current = isOn;
    setIsFollowing(isOn);
    const { current: view } = viewport;
    // A page without messages begins at its top.
    if (isOn && view?.querySelector(".message")) view.scrollTop = view.scrollHeight;
  }, []);

  useLayoutEffect(() => {
    if (!follows.current) viewport.current!.scrollTop += content.current!.offsetHeight - height.current;
  }, [firstId]);

  useEffect(() => {
    const [view, inner] = [viewport.current!, content.current!];
    let top = 0;
    const onScroll = () => {
      const isNear = view.scrollHeight - view.clientHeight - view.scrollTop < NEAR_PX;
      // The event of our own scroll may come when more text is there already: only who moves up wants to stay behind.
      if (isNear || view.scrollTop < top) {
        follows.current = isNear;
        setIsFollowing(isNear || !view.querySelector(".message"));
      }
      top = view.scrollTop;
    };
    // Fires after layout and before paint: for new text, an opened part, and a keyboard that takes half of the screen.
    const observer = new ResizeObserver(() => {
      height.current = inner.offsetHeight;
      if (follows.current) follow(true);
    });
    view.addEventListener("scroll", onScroll, { passive: true });
    observer.observe(view);
    observer.observe(inner);
    return () => {
      view.removeEventListener("scroll", onScroll);
      observer.disconnect();
    };
  }, [follow]);

  return { viewport, content, isFollowing, toEnd: () => follow(true) };
}
