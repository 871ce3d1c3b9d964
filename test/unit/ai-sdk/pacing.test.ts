import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { FakeScreen } from "../client/fake-screen.ts";
import { RELEASES } from "./chats.ts";
import { ASKS, textsOf, World } from "./world.ts";

/** Whole milliseconds: the world stores its times. */
const FRAME_MS = 16;
const ID = "thread-of-the-test";
const TEXT = "What is written in half a second is read in half a second, word by word. ".repeat(2);
let screen: FakeScreen;
let world: World;

beforeEach(() => {
  screen = new FakeScreen();
  world = new World();
});

afterEach(async () => {
  await world.close();
  expect(world.reported).toEqual([]);
  vi.unstubAllGlobals();
});

/** A chat that has just begun to stream, and what it shows after each frame of the next `ms`. */
async function begin(pacing: boolean) {
  const { deps } = world.options();
  const transport = world.transport({ pacing, deps: { ...deps!, schedule: (run) => void requestAnimationFrame(run) } });
  const chat = RELEASES[0]![1]({ id: ID, transport });
  const frames = async (ms: number) => {
    const seen: string[] = [];
    for (let time = 0; time < ms; time += FRAME_MS) {
      await world.pass(FRAME_MS);
      screen.frame();
      await world.clock.settle();
      seen.push(`${chat.status} ${textsOf(chat.messages).at(-1)}`);
    }
    return [...new Set(seen)];
  };
  void chat.sendMessage({ text: "Hello" });
  await frames(500);
  world.play.say({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "First. " });
  await frames(2_000);
  return { chat, frames };
}

it("lets out a flush evenly, and is done soon after the end of the turn", async () => {
  const { frames } = await begin(true);
  world.play.say({ type: "text-delta", id: "t", delta: TEXT });
  world.play.end();
  const seen = await frames(1_500);
  expect(seen.length).toBeGreaterThan(12);
  for (const [i, state] of seen.slice(0, -1).entries()) expect(state.startsWith("streaming a: First."), `${i}: ${state}`).toBe(true);
  expect(seen.at(-1)).toBe(`ready a: First. ${TEXT}`);
});

it("shows a request behind what was said before it, and is ready then", async () => {
  const { frames } = await begin(true);
  world.play.say({ type: "text-delta", id: "t", delta: TEXT }, { type: "text-end", id: "t" }, ...ASKS.slice(4));
  world.play.end();
  const seen = await frames(1_500);
  expect(seen.length).toBeGreaterThan(12);
  for (const state of seen.slice(0, -1)) expect(state.startsWith("streaming"), state).toBe(true);
  expect(seen.at(-1)).toBe(`ready a: First. ${TEXT}[pay approval-requested]`);
});

it("holds nothing back where pacing is off", async () => {
  const { frames } = await begin(false);
  world.play.say({ type: "text-delta", id: "t", delta: TEXT });
  const seen = await frames(1_500);
  expect(seen.length).toBeLessThanOrEqual(3);
  expect(seen.at(-1)).toBe(`streaming a: First. ${TEXT}`);
});
