// Payloads too large to travel, through the whole server: stubs in every frame, whole in storage, for the model and for who asks.
import { describe, expect, it } from "vitest";
import { getThread } from "../../src/entries/index.ts";
import { foldChunks, emptyLive } from "../../src/protocol/fold.ts";
import type { Chunk, Message, Part } from "../../src/protocol/messages.ts";
import { newId } from "../../src/protocol/ids.ts";
import { stubMessage } from "../../src/protocol/stubs.ts";
import { call, TestSocket } from "./support/client.ts";
import { evict, PUPPET, query } from "./support/objects.ts";
import { takeRun, type Stage } from "./support/stage.ts";
import { openThread } from "./support/threads.ts";

const LARGE = "x".repeat(300_000);
const INPUT = { query: LARGE };
const CHUNKS: Chunk[] = [
  { type: "text-start", id: "t" },
  { type: "text-delta", id: "t", delta: LARGE },
  { type: "text-end", id: "t" },
  { type: "tool-input-start", toolCallId: "c", toolName: "search" },
  { type: "tool-input-delta", toolCallId: "c", inputTextDelta: JSON.stringify(INPUT) },
  { type: "tool-input-available", toolCallId: "c", toolName: "search", input: INPUT },
  { type: "tool-output-available", toolCallId: "c", output: [LARGE] },
  { type: "data-chart", id: "d", data: { points: LARGE } },
  { type: "file", mediaType: "text/plain", url: `data:text/plain,${LARGE}` },
  // A boundary: all before it is sent.
  { type: "start-step" },
];

/** A thread with a turn of {@link CHUNKS}, still running. */
async function openLarge() {
  const thread = await openThread();
  const { result } = await thread.socket.send("Show me");
  const stage = await takeRun(thread.threadId);
  await stage.perform((run) => CHUNKS.forEach((chunk) => run.write(chunk)));
  return { ...thread, turnId: result!.turnId!, stage };
}

async function finish(stage: Stage, socket: TestSocket): Promise<void> {
  await stage.perform((run) => run.end());
  await socket.next("turn");
}

const chunksOf = (socket: TestSocket): Chunk[] => socket.of("chunks").flatMap(({ items }) => items);
const ofType = (parts: readonly Part[], type: string): Part => parts.find((part) => part.type === type)!;

async function loadPart(socket: TestSocket, message: string, part: number): Promise<Part> {
  const answer = await socket.ask({ type: "page", id: newId(), message, part });
  if (!("part" in answer)) throw new Error(JSON.stringify(answer));
  return answer.part;
}

async function storedReply(threadId: string): Promise<Message> {
  const { messages } = await getThread(PUPPET, { threadId }, { as: "system:test" }).messages();
  return messages.at(-1)!;
}

describe("a large payload", () => {
  it("is a stub for who was there, who comes in the middle, and who comes later, all with the same message", async () => {
    const { threadId, socket, turnId, stage } = await openLarge();
    const late = await TestSocket.open(threadId, "user-1");
    const { live } = late.of("snapshot")[0]!;
    expect(ofType(live!.message.parts, "tool-search")).toMatchObject({
      input: { truncated: true },
      output: { truncated: true, bytes: 300_004 },
    });
    expect(ofType(live!.message.parts, "text")).toMatchObject({ text: LARGE });
    expect(JSON.stringify(live).length).toBeLessThan(310_000);
    await finish(stage, socket);

    const fresh = await TestSocket.open(threadId, "user-1");
    const loaded = fresh.of("snapshot")[0]!.messages.at(-1)!;
    const parts = JSON.stringify(loaded.parts);
    expect(JSON.stringify(foldChunks(emptyLive(turnId), chunksOf(socket)).message.parts)).toBe(parts);
    await late.next("turn");
    expect(JSON.stringify(foldChunks(live!, chunksOf(late)).message.parts)).toBe(parts);
    const http = await call(`/chat/threads/${threadId}/messages`, { headers: { authorization: "Bearer user-1" } });
    const page = await http.json<{ messages: Message[] }>();
    expect(page.messages.at(-1)).toEqual(loaded);
  });

  it("is whole in storage and for server code", async () => {
    const { threadId, socket, stage } = await openLarge();
    await finish(stage, socket);
    const stored = await storedReply(threadId);
    expect(ofType(stored.parts, "tool-search")).toMatchObject({ input: INPUT, output: [LARGE] });
    expect(ofType(stored.parts, "file")).toMatchObject({ url: `data:text/plain,${LARGE}` });
    const fresh = await TestSocket.open(threadId, "user-1");
    expect(fresh.of("snapshot")[0]!.messages.at(-1)).toEqual(stubMessage(stored));
  });

  it("is whole for who asks for the part, while it is live, after a sleep and when it is stored", async () => {
    const { threadId, socket, turnId, stage } = await openLarge();
    const { parts } = foldChunks(emptyLive(turnId), chunksOf(socket)).message;
    const at = parts.findIndex(({ type }) => type === "tool-search");
    expect(await loadPart(socket, turnId, at)).toMatchObject({ input: INPUT, output: [LARGE] });
    await finish(stage, socket);
    await evict(threadId);
    const stored = await storedReply(threadId);
    for (const index of parts.keys()) expect(await loadPart(socket, turnId, index)).toEqual(stored.parts[index]);
  });

  it("lets a page hold as many messages as without it", async () => {
    const { threadId, socket, stage } = await openLarge();
    await finish(stage, socket);
    const fresh = await TestSocket.open(threadId, "user-1");
    // The text of 300 KB alone fills a page.
    expect(fresh.of("snapshot")[0]).toMatchObject({ hasEarlier: true });
    await socket.send("Once more");
    const next = await takeRun(threadId);
    await next.perform((run) => run.write({ type: "data-chart", id: "d", data: LARGE }));
    await next.perform((run) => run.end());
    await socket.next("turn", 2);
    await socket.send("And again");
    const last = await takeRun(threadId);
    await last.perform((run) => run.write({ type: "data-chart", id: "d", data: LARGE }));
    await last.perform((run) => run.end());
    await socket.next("turn", 3);
    const visitor = await TestSocket.open(threadId, "user-1");
    expect(visitor.of("snapshot")[0]!.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant"]);
  });

  it("is given to a viewer, and to nobody without a role; a part that is not there to nobody", async () => {
    const { threadId, socket, turnId, stage } = await openLarge();
    await finish(stage, socket);
    await query(threadId, "INSERT INTO cc_member (principal, role) VALUES ('user-2', 'viewer')");
    const viewer = await TestSocket.open(threadId, "user-2");
    const { parts } = viewer.of("snapshot")[0]!.messages.at(-1)!;
    const at = parts.findIndex(({ type }) => type === "file");
    expect(await loadPart(viewer, turnId, at)).toMatchObject({ url: `data:text/plain,${LARGE}` });
    for (const [message, part] of [
      [turnId, parts.length],
      [turnId, 1e9],
      [newId(), 0],
    ] as const)
      expect(await viewer.ask({ type: "page", id: newId(), message, part })).toMatchObject({ code: "not_found" });
    await query(threadId, "DELETE FROM cc_member WHERE principal = 'user-2'");
    viewer.sendText(JSON.stringify({ type: "page", id: newId(), message: turnId, part: at }));
    await viewer.until(({ closed }) => closed !== null);
    expect(viewer.of("page")).toHaveLength(1);
  });
});

describe("a window", () => {
  it("costs nothing of the rate and gets no answer, whatever it says", async () => {
    const { socket } = await openThread();
    const before = socket.frames.length;
    for (let count = 0; count < 500; count++) socket.sendText(JSON.stringify({ type: "window", mark: `made-up-${count}` }));
    const answer = await socket.ask({ type: "page", id: newId(), before: newId() });
    expect(answer).toMatchObject({ code: "not_found" });
    expect(socket.frames).toHaveLength(before + 1);
    expect(socket.closed).toBeNull();
  });

  it("is no command: it is refused over HTTP", async () => {
    const { threadId } = await openThread();
    const response = await call(`/chat/threads/${threadId}/commands`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer user-1" },
      body: JSON.stringify({ type: "window", mark: "mark" }),
    });
    expect([response.status, await response.json()]).toEqual([400, { error: expect.objectContaining({ code: "bad_frame" }) }]);
  });
});
