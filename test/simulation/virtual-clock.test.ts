import { expect, it } from "vitest";
import { VirtualClock } from "../../src/testing/world/virtual-clock.ts";

it("runs events in the order of time, then of setting, each after all that the one before set off", async () => {
  const clock = new VirtualClock(1_000);
  const seen: string[] = [];
  const note = (name: string) => () => {
    seen.push(name);
    void Promise.resolve().then(() => Promise.resolve().then(() => seen.push(`${name} later`)));
  };
  clock.setTimer(20, note("b"));
  clock.setTimer(10, note("a"));
  clock.setTimer(20, note("c"));
  const takeBack = clock.setTimer(15, note("never"));
  takeBack();
  await clock.advance(20);
  expect(seen).toEqual(["a", "a later", "b", "b later", "c", "c later"]);
  expect([clock.now(), clock.pending]).toEqual([1_020, 0]);
});

it("stands while real work is under way", async () => {
  const clock = new VirtualClock(0);
  const seen: string[] = [];
  clock.setTimer(1, () => clock.hold(crypto.subtle.digest("SHA-256", new Uint8Array(8)).then(() => seen.push("real"))));
  clock.setTimer(1, () => seen.push("virtual"));
  await clock.advance(1);
  expect(seen).toEqual(["real", "virtual"]);
});

it("ends a loop that takes no time", async () => {
  const clock = new VirtualClock(0);
  const again = (): void => void clock.setTimer(0, again);
  again();
  await expect(clock.advance(1)).rejects.toThrow("one moment");
});
