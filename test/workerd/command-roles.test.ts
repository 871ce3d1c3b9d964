// Who may do what, for every type of command, over every road; and what the app's `authorize` is asked.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { CommandAnswer } from "../../src/auth/rpc.ts";
import type { Command, Role } from "../../src/protocol/frames.ts";
import { newId } from "../../src/protocol/ids.ts";
import { continueOf, editOf, editQueuedOf, openTalk, post, regenerateOf } from "./support/asking.ts";
import { TestSocket } from "./support/client.ts";
import { dumpOf, play, query, stubOf } from "./support/objects.ts";
import { replicaOf } from "./support/replicas.ts";
import { ask, sendOf } from "./support/threads.ts";
import { Puppet } from "./worker.ts";

const { clientTools } = Puppet;
beforeAll(() => void Object.assign(Puppet, { clientTools: { pickDate: {} } }));
afterAll(() => void Object.assign(Puppet, { clientTools }));
afterEach(() => void vi.restoreAllMocks());

interface Stage {
  threadId: string;
  epoch: string;
  ids: string[];
  waiting: string;
  queued: string;
}

/** What a command of each type says in {@link openStage}. */
const COMMANDS: Record<Command["type"], ((stage: Stage) => Command)[]> = {
  send: [({ epoch }) => sendOf(epoch)],
  edit: [({ epoch, ids }) => editOf(epoch, ids[0]!, "v1"), ({ epoch, queued }) => editQueuedOf(epoch, queued, "v2")],
  regenerate: [({ epoch, ids }) => regenerateOf(epoch, ids[0]!)],
  // Never of this head: `head_moved` says that it was looked at.
  continue: [({ epoch, ids }) => continueOf(epoch, ids[1]!)],
  stop: [({ epoch, waiting }) => ({ type: "stop", id: newId(), epoch, turnId: waiting })],
  cancel: [({ epoch, queued }) => ({ type: "cancel", id: newId(), epoch, turnId: queued })],
  resolve: [
    ({ epoch, waiting }) => ({ type: "resolve", id: newId(), epoch, turnId: waiting, approvalId: "approval-1", approved: true }),
    ({ epoch, waiting }) => ({ type: "resolve", id: newId(), epoch, turnId: waiting, callId: "call-2", output: 1 }),
  ],
  claim: [({ epoch, waiting }) => ({ type: "claim", id: newId(), epoch, turnId: waiting, callId: "call-2" })],
  set: [
    ({ epoch }) => ({ type: "set", id: newId(), epoch, field: "title", value: "Dates" }),
    ({ epoch }) => ({ type: "set", id: newId(), epoch, field: "state", value: {} }),
  ],
  append: [({ epoch }) => ({ type: "append", id: newId(), epoch, parts: [{ type: "text", text: "I am the assistant." }] })],
};

const cases = Object.entries(COMMANDS).flatMap(([type, makes]) => makes.map((make, n) => [`${type} (${n + 1})`, make] as const));
const ofPeople = cases.filter(([name]) => !name.startsWith("append"));

/** A thread of one answered question, a turn that waits for a person, and one in line behind it. */
async function openStage(): Promise<Stage & { socket: TestSocket }> {
  const talk = await openTalk(1);
  const { threadId, socket } = talk;
  const waiting = (await socket.send("u2")).ref;
  const queued = (await socket.send("u3")).ref;
  await play(threadId, (run) => {
    run.write({ type: "tool-input-available", toolCallId: "call-1", toolName: "pay", input: {} });
    run.write({ type: "tool-approval-request", toolCallId: "call-1", approvalId: "approval-1" });
    run.write({ type: "tool-input-available", toolCallId: "call-2", toolName: "pickDate", input: {} });
    run.end();
  });
  await socket.until(() => replicaOf(socket).turn?.state === "waiting");
  return { ...talk, waiting, queued };
}

async function join(threadId: string, user: string, role: Role): Promise<TestSocket> {
  await query(threadId, "INSERT INTO cc_member (principal, role) VALUES (?, ?)", user, role);
  return TestSocket.open(threadId, user);
}

async function codeOf(socket: TestSocket, command: Command): Promise<string> {
  const answer = await ask(socket, command);
  return answer.type === "error" ? answer.code : answer.type;
}

describe("a viewer", () => {
  it.each(cases)("may not %s, by socket or by HTTP, and leaves no trace", async (_name, make) => {
    const stage = await openStage();
    const { threadId } = stage;
    const viewer = await join(threadId, "user-3", "viewer");
    const before = await dumpOf(threadId);
    expect(await codeOf(viewer, make(stage))).toBe("forbidden");
    const response = await post(threadId, "user-3", make(stage));
    expect([response.status, await response.json()]).toEqual([403, { error: expect.objectContaining({ code: "forbidden" }) as object }]);
    expect(await dumpOf(threadId)).toBe(before);
  });
});

describe("a member", () => {
  it.each(ofPeople)("may %s, and authorize is asked about it with the role", async (name, make) => {
    const stage = await openStage();
    const member = await join(stage.threadId, "user-2", "member");
    // A queued message is changed by who wrote it.
    const queued = name === "edit (2)" ? (await member.send("u4")).ref : stage.queued;
    const authorize = vi.spyOn(Puppet.prototype, "authorize");
    const command = make({ ...stage, queued });
    expect(await codeOf(member, command)).not.toBe("forbidden");
    expect(authorize).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ id: "user-2" }), "member", command);
  });
});

describe.each(["owner", "member"] as const)("an %s", (role) => {
  it("may not append, by socket or by HTTP: only the server speaks for the assistant", async () => {
    const stage = await openStage();
    const socket = role === "owner" ? stage.socket : await join(stage.threadId, "user-2", role);
    const user = role === "owner" ? "user-1" : "user-2";
    const authorize = vi.spyOn(Puppet.prototype, "authorize");
    const before = await dumpOf(stage.threadId);
    const [make] = COMMANDS.append;
    expect(await codeOf(socket, make!(stage))).toBe("forbidden");
    const { epoch: _epoch, ...bare } = make!(stage);
    expect(await codeOf(socket, bare as Command)).toBe("forbidden");
    expect((await post(stage.threadId, user, make!(stage))).status).toBe(403);
    expect(await dumpOf(stage.threadId)).toBe(before);
    expect(authorize).not.toHaveBeenCalled();
  });
});

describe("authorize", () => {
  it.each(ofPeople)("may refuse %s to the owner, whatever the road", async (_name, make) => {
    const stage = await openStage();
    const { threadId, socket } = stage;
    vi.spyOn(Puppet.prototype, "authorize").mockReturnValue(false);
    const before = await dumpOf(threadId);
    expect(await codeOf(socket, make(stage))).toBe("forbidden");
    expect((await post(threadId, "user-1", make(stage))).status).toBe(403);
    expect(await dumpOf(threadId)).toBe(before);
  });
});

describe("the server itself", () => {
  it.each(cases)("may %s without authorize, and without knowing the epoch", async (_name, make) => {
    const stage = await openStage();
    const { threadId } = stage;
    const authorize = vi.spyOn(Puppet.prototype, "authorize").mockReturnValue(false);
    const { epoch: _epoch, ...command } = make(stage);
    const answer = (await stubOf(threadId).command({ principal: { id: "system:cron" }, tenant: "", threadId, command })) as CommandAnswer;
    if (!answer.ok) expect(["bad_request", "head_moved"]).toContain(answer.error.code);
    expect(authorize).not.toHaveBeenCalled();
  });

  it.each(["claim", "resolve"])("cannot be named in a body: %s of another principal by HTTP is that principal's", async (type) => {
    const stage = await openStage();
    const response = await post(stage.threadId, "user-2", COMMANDS[type as "claim"][0]!(stage));
    expect(response.status).toBe(404);
  });
});
