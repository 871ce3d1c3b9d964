// One value that is derived when it is asked for, and the subscribers that hear of it, once per batch of changes.
import { safely } from "./page.ts";

export interface SnapshotStore<Snapshot> {
  get: () => Snapshot;
  /** Calls `listener` at once, then after changes, never twice with the same snapshot. The result ends that. */
  subscribe: (listener: (snapshot: Snapshot) => void) => () => void;
  /** What the snapshot is derived from has changed, or may have. */
  changed: () => void;
}

/** `derive` returns the former snapshot itself when nothing changed; `schedule` decides how often subscribers hear of changes. */
export function createSnapshotStore<Snapshot extends object>(
  derive: (former: Snapshot | undefined) => Snapshot,
  schedule: (run: () => void) => void,
): SnapshotStore<Snapshot> {
  const tellers = new Set<() => void>();
  let snapshot: Snapshot | undefined;
  let isStale = true;
  let isScheduled = false;

  const get = () => {
    if (isStale) snapshot = derive(snapshot);
    isStale = false;
    return snapshot!;
  };

  return {
    get,
    subscribe: (listener) => {
      let told: Snapshot | undefined;
      const tell = () => {
        if (told === get()) return;
        told = get();
        safely(() => listener(told!));
      };
      tellers.add(tell);
      tell();
      return () => tellers.delete(tell);
    },
    changed: () => {
      isStale = true;
      if (isScheduled) return;
      isScheduled = true;
      schedule(() => {
        isScheduled = false;
        // What it is derived from includes the time of a frame; between frames it stays as it is.
        isStale = true;
        for (const tell of tellers) tell();
      });
    },
  };
}
