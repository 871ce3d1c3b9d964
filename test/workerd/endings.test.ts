// Every way in which a turn can end, seen by two tabs that were there and by one that loads the thread afterwards: the same.
import type { UIMessageChunk } from "ai";
import { describe, expect, it, vi } from "vitest";
import type { Turn, TurnResult } from "../../src/entries/index.ts";
import { newId } from "../../src/protocol/ids.ts";
import type { Outcome } from "../../src/protocol/messages.ts";
import { answerNext, openText, say, takeRun, type Stage } from "./support/stage.ts";
import { newThread, shown, Tab, textOf } from "./support/tab.ts";
import type { Play } from "./worker.ts";

interface Scene {
  threadId: string;
  sender: Tab;
  watcher: Tab;
}

async function openScene(): Promise<Scene> {
  const threadId = await newThread();
  const [sender, watcher] = await Promise.all([Tab.open(threadId), Tab.open(threadId)]);
  return { threadId, sender, watcher };
}

async function expectSame({ threadId, sender, watcher }: Scene): Promise<Tab> {
  const fresh = await Tab.open(threadId);
  await fresh.loadAll();
  await Promise.all([sender.caughtUp(), watcher.caughtUp()]);
  expect(shown(watcher)).toStrictEqual(shown(fresh));
  expect(shown(sender)).toStrictEqual(shown(fresh));
  return fresh;
}

interface Ending {
  outcome: Outcome;
  /** False: the turn leaves no reply. */
  hasReply: boolean;
  perform?: (stage: Stage, scene: Scene) => Promise<void>;
  /** In place of a play. */
  answer?: (turn: Turn) => TurnResult | Promise<TurnResult>;
}

const write =
  (...chunks: UIMessageChunk[]) =>
  (run: Play): void =>
    chunks.forEach((chunk) => run.write(chunk));

const endWith =
  (...chunks: UIMessageChunk[]): Ending["perform"] =>
  ({ perform }) =>
    perform((run) => {
      write(...chunks)(run);
      run.end();
    });

/** A turn that is cut while it is in the midst of everything that can be open. */
const OPEN: UIMessageChunk[] = [
  { type: "start", messageMetadata: { model: "m", at: { step: 1 } } },
  { type: "start-step" },
  { type: "reasoning-start", id: "r", providerMetadata: { p: { signature: "s" } } },
  { type: "reasoning-delta", id: "r", delta: "Let me think" },
  { type: "text-start", id: "t" },
  { type: "text-delta", id: "t", delta: "Once" },
  { type: "tool-input-available", toolCallId: "called", toolName: "search", input: { q: "x" } },
  { type: "tool-input-start", toolCallId: "typing", toolName: "search" },
  { type: "tool-input-delta", toolCallId: "typing", inputTextDelta: '{"q":"hal' },
  { type: "tool-input-start", toolCallId: "dynamic", toolName: "other", dynamic: true },
  { type: "tool-input-available", toolCallId: "preliminary", toolName: "search", input: { q: "y" } },
  { type: "tool-output-available", toolCallId: "preliminary", output: { found: 1 }, preliminary: true },
];

const RICH: UIMessageChunk[] = [
  { type: "start", messageId: "an-id-of-the-source", messageMetadata: { model: "m", usage: { in: 1 } } },
  { type: "start-step" },
  { type: "reasoning-start", id: "r", providerMetadata: { p: { signature: "a" } } },
  { type: "reasoning-delta", id: "r", delta: "Hm" },
  { type: "reasoning-delta", id: "r", delta: "m…", providerMetadata: { p: { signature: "b" } } },
  { type: "reasoning-end", id: "r" },
  { type: "tool-input-start", toolCallId: "c1", toolName: "search", title: "Search" },
  { type: "tool-input-delta", toolCallId: "c1", inputTextDelta: '{"q":' },
  { type: "tool-input-delta", toolCallId: "c1", inputTextDelta: '"ü"}' },
  { type: "tool-input-available", toolCallId: "c1", toolName: "search", input: { q: "ü" }, providerMetadata: { p: { x: 1 } } },
  { type: "tool-output-available", toolCallId: "c1", output: { __proto__: null, hits: [1, null, { deep: [] }] } },
  { type: "tool-input-available", toolCallId: "c2", toolName: "mcp", input: [], dynamic: true, providerExecuted: true },
  { type: "tool-output-error", toolCallId: "c2", errorText: "Down", dynamic: true, providerExecuted: true },
  { type: "tool-input-error", toolCallId: "c3", toolName: "search", input: { q: 1 }, errorText: "Bad input" },
  { type: "finish-step" },
  { type: "start-step" },
  { type: "data-weather", id: "w", data: { state: "loading" } },
  { type: "data-progress", data: 40, transient: true },
  { type: "data-weather", id: "w", data: { state: "ready", nothing: null } },
  { type: "data-weather", data: { without: "id" } },
  { type: "source-url", sourceId: "s1", url: "https://example.com", title: "Example" },
  { type: "source-document", sourceId: "s2", mediaType: "application/pdf", title: "Paper", filename: "p.pdf" },
  { type: "file", mediaType: "text/plain", url: "data:text/plain;base64,SGk=" },
  { type: "message-metadata", messageMetadata: { usage: { out: 2 }, list: [1] } },
  { type: "text-start", id: "t" },
  { type: "text-delta", id: "t", delta: "Grüße 👋" },
  { type: "text-end", id: "t", providerMetadata: { p: { y: 2 } } },
  { type: "finish-step" },
  { type: "finish", finishReason: "stop", messageMetadata: { usage: { total: 3 } } },
];

const TOO_LONG = "x".repeat(9_000_000);

const ENDINGS: Record<string, Ending> = {
  done: { outcome: "completed", hasReply: true, perform: ({ perform }) => perform((run) => (run.text("Hi", " there"), run.end())) },
  "done, with parts of every kind": { outcome: "completed", hasReply: true, perform: endWith(...RICH) },
  "done, with parts that were left open": { outcome: "completed", hasReply: true, perform: endWith(...OPEN) },
  "done without a chunk": { outcome: "completed", hasReply: false, perform: endWith() },
  "done with steps and empty texts only": {
    outcome: "completed",
    hasReply: false,
    perform: endWith(
      { type: "start", messageMetadata: { model: "m" } },
      { type: "start-step" },
      { type: "text-start", id: "t" },
      { type: "text-delta", id: "t", delta: "" },
      { type: "text-end", id: "t" },
      { type: "finish-step" },
      { type: "finish", finishReason: "stop" },
    ),
  },
  "an error before the first chunk": {
    outcome: "failed",
    hasReply: false,
    perform: ({ perform }) => perform((run) => run.fail(new Error("Secret"))),
  },
  "an error after a text had begun": {
    outcome: "failed",
    hasReply: false,
    perform: async ({ perform }) => {
      await perform(write({ type: "start" }, { type: "start-step" }, { type: "text-start", id: "t" }));
      await perform((run) => run.fail(new Error("Secret")));
    },
  },
  "an error after 20 chunks": {
    outcome: "failed",
    hasReply: true,
    perform: async ({ perform }) => {
      await perform((run) => {
        openText(run);
        for (let n = 0; n < 20; n++) say(run, `${n} `);
      });
      await perform((run) => run.fail(new Error("Secret")));
    },
  },
  "an error right behind 20 chunks": {
    outcome: "failed",
    hasReply: true,
    perform: ({ perform }) =>
      perform((run) => {
        openText(run);
        for (let n = 0; n < 20; n++) say(run, `${n} `);
        run.write({ type: "text-delta", id: "t", delta: "not flushed yet" });
        run.write({ type: "error", errorText: "Overloaded" });
      }),
  },
  "an error in the midst of open parts": {
    outcome: "failed",
    hasReply: true,
    perform: async ({ perform }) => {
      await perform(write(...OPEN));
      await perform((run) => run.fail(new Error("Secret")));
    },
  },
  "an abort of its own": { outcome: "failed", hasReply: true, perform: endWith(...OPEN, { type: "abort" }) },
  "a stop while it streams": {
    outcome: "stopped",
    hasReply: true,
    perform: async ({ perform }, { sender }) => {
      await perform((run) => {
        openText(run);
        for (let n = 0; n < 20; n++) say(run, `${n} `);
      });
      await sender.shows("19");
      await sender.client.stop();
    },
  },
  "a stop of the other tab in the midst of open parts": {
    outcome: "stopped",
    hasReply: true,
    perform: async ({ perform }, { watcher }) => {
      await perform(write(...OPEN));
      await watcher.until(({ status }) => status === "streaming");
      await watcher.client.stop();
    },
  },
  "a stop of both tabs at once, with chunks that are not flushed": {
    outcome: "stopped",
    hasReply: true,
    perform: async ({ perform }, { sender, watcher }) => {
      await perform(write({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "A" }));
      await perform(write({ type: "text-delta", id: "t", delta: "B" }));
      await Promise.all([sender.client.stop(), watcher.client.stop()]);
    },
  },
  "a stop before the first chunk": { outcome: "stopped", hasReply: false, perform: (_stage, { sender }) => sender.client.stop() },
  "a stop after a chunk that shows nothing": {
    outcome: "stopped",
    hasReply: false,
    perform: async ({ perform }, { sender }) => {
      await perform(write({ type: "start" }, { type: "start-step" }, { type: "text-start", id: "t" }));
      await sender.client.stop();
    },
  },
  "a stop after an empty delta": {
    outcome: "stopped",
    hasReply: false,
    perform: async ({ perform }, { sender }) => {
      await perform(write({ type: "text-start", id: "t" }, { type: "text-delta", id: "t", delta: "" }));
      await sender.client.stop();
    },
  },
  "onTurn that throws": {
    outcome: "failed",
    hasReply: false,
    answer: () => {
      throw new Error("Secret");
    },
  },
  "onTurn that rejects": { outcome: "failed", hasReply: false, answer: () => Promise.reject(new Error("Secret")) },
  "onTurn that writes and then throws": {
    outcome: "failed",
    hasReply: true,
    answer: (turn) => {
      turn.write({ type: "data-note", data: "written" });
      throw new Error("Secret");
    },
  },
  "an empty result": { outcome: "completed", hasReply: false, answer: () => undefined },
  "an empty string": { outcome: "completed", hasReply: false, answer: () => "" },
  "a string": { outcome: "completed", hasReply: true, answer: () => "Grüße 👋" },
  "a result that is none": { outcome: "failed", hasReply: false, answer: () => 42 as never },
  "a reply that is too large": {
    outcome: "failed",
    hasReply: true,
    answer: async function* () {
      yield { type: "text-start", id: "t" };
      yield { type: "text-delta", id: "t", delta: "Before" };
      yield { type: "data-large", data: TOO_LONG };
      yield { type: "data-large", data: TOO_LONG };
    } as unknown as Ending["answer"],
  },
};

describe("both tabs show what a fresh tab shows after", () => {
  it.each(Object.entries(ENDINGS))("%s", async (_name, { outcome, hasReply, perform, answer }) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const scene = await openScene();
    const { threadId, sender } = scene;
    if (answer) await answerNext(threadId, answer);
    const sending = sender.client.send("Hello");
    await sending;
    if (perform) await perform(await takeRun(threadId), scene);
    const reply = await sending.settled;
    const { snapshot } = await expectSame(scene);
    const last = snapshot.messages.at(-1)!;
    expect(snapshot.messages.map(({ role }) => role)).toEqual(hasReply ? ["user", "assistant"] : ["user"]);
    expect(last.facts?.outcome).toBe(outcome);
    expect(snapshot.status).toBe(outcome === "failed" ? "error" : "ready");
    expect(snapshot.error).toEqual(outcome === "failed" ? last.facts!.error : null);
    expect(JSON.stringify(snapshot)).not.toContain("Secret");
    expect(reply).toStrictEqual(hasReply ? sender.snapshot.messages.at(-1) : null);
    for (const { snapshot } of [scene.sender, scene.watcher]) expect(snapshot.messages.every(({ parts }) => parts.length > 0)).toBe(true);
  });
});

describe("a message after a failed turn", () => {
  it("takes the error away in both tabs, and stands under the user message that failed", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const scene = await openScene();
    const { threadId, sender, watcher } = scene;
    await answerNext(
      threadId,
      () => Promise.reject(new Error("no")),
      () => "Now it went well",
    );
    await sender.client.send("First").settled;
    await watcher.until(({ status }) => status === "error");
    await watcher.client.send("Second").settled;
    const { snapshot } = await expectSame(scene);
    expect(snapshot.status).toBe("ready");
    expect(snapshot.messages.map(textOf)).toEqual(["First", "Second", "Now it went well"]);
    expect(snapshot.messages[1]!.parent).toBe(snapshot.messages[0]!.id);
  });
});

describe("a queue of two", () => {
  it("ends in the order of acceptance in both tabs, whoever sent what, and however each turn ends", async () => {
    const scene = await openScene();
    const { threadId, sender, watcher } = scene;
    const sendings = [sender.client.send("1"), sender.client.send("2")];
    await Promise.all(sendings);
    sendings.push(watcher.client.send("3"));
    expect(await sendings[2]).toMatchObject({ position: 2 });
    await sender.caughtUp();
    expect(sender.snapshot.queue.map(textOf)).toEqual(["2", "3"]);
    expect(watcher.snapshot.queue).toStrictEqual(sender.snapshot.queue);

    await (await takeRun(threadId)).perform((run) => (run.text("One"), run.end()));
    const second = await takeRun(threadId);
    await second.perform((run) => (openText(run), say(run, "Two")));
    await expectSame(scene);
    await watcher.client.stop();
    await (await takeRun(threadId)).perform((run) => (run.text("Three"), run.end()));

    const replies = await Promise.all(sendings.map(({ settled }) => settled));
    expect(replies.map((reply) => textOf(reply!))).toEqual(["One", "Two", "Three"]);
    const { snapshot } = await expectSame(scene);
    expect(snapshot.messages.map(textOf)).toEqual(["1", "One", "2", "Two", "3", "Three"]);
    expect(snapshot.messages.map(({ facts }) => facts?.outcome)).toEqual([
      undefined,
      "completed",
      undefined,
      "stopped",
      undefined,
      "completed",
    ]);
    expect(snapshot.queue).toEqual([]);
  });

  it("loses only the message that is taken back, in both tabs", async () => {
    const scene = await openScene();
    const { threadId, sender, watcher } = scene;
    const [first, second, third] = ["1", "2", "3"].map((text) => sender.client.send(text));
    await watcher.until(({ queue }) => queue.length === 2);
    await watcher.client.cancel((await second!).turnId);
    expect(await second!.settled).toBeNull();
    for (const text of ["One", "Three"]) await (await takeRun(threadId)).perform((run) => (run.text(text), run.end()));
    await Promise.all([first!.settled, third!.settled]);
    const { snapshot } = await expectSame(scene);
    expect(snapshot.messages.map(textOf)).toEqual(["1", "One", "3", "Three"]);
  });
});

it("a thread that the first message makes is the same in the tab that made it and in a fresh one", async () => {
  const threadId = newId();
  const maker = new Tab(threadId, { create: true });
  const sending = maker.client.send("Hello");
  await (await takeRun(threadId)).perform((run) => (run.text("Hi"), run.end()));
  await sending.settled;
  const fresh = await Tab.open(threadId);
  await maker.caughtUp();
  expect(shown(maker)).toStrictEqual(shown(fresh));
  expect(fresh.snapshot.messages.map(textOf)).toEqual(["Hello", "Hi"]);
});
