// What a client does when its line is cut, loses frames, or brings some that it does not know.
import type { ServerFrame } from "../../protocol/frames.ts";
import { newId } from "../../protocol/ids.ts";
import { equal, holds, inTime, until } from "./check.ts";
import { type Actor, type CaseScript, scriptsOf } from "./scene.ts";

export const WIRE_CASES = scriptsOf("client", [
  {
    name: "resumes by its cursor: after a cut comes what it lacks, and not a chunk twice",
    run: async (scene) => {
      const alice = await scene.start(scene.slow);
      await alice.replyBeyond(20);
      const { wire } = alice;
      const socket = wire.sockets.length;
      wire.link.cut();
      await alice.until(() => alice.reply === scene.slowAnswer, "the answer is whole");
      // Waiting for the sign of life that a busy machine gives too late, it may be on another line by now.
      const after = wire.down.find((frame) => frame.type === "chunks" && frame.socket > socket);
      inTime(after?.type === "chunks" && wire.sockets.length === socket + 1, "the answer went on after the cut");
      const cursor = new URL(wire.sockets[socket]!.url).searchParams.get("cursor") ?? "";
      const [epoch, , , seq] = cursor.split(".");
      const snapshot = wire.down.find((frame) => frame.type === "snapshot");
      equal(epoch, snapshot?.session.epoch, "The epoch of the cursor");
      const before = wire.down.filter((frame) => frame.type === "chunks" && frame.socket <= socket).at(-1);
      holds(before?.type === "chunks", "chunks came before the cut");
      equal(Number(seq), before.from + before.items.length - 1, "The seq of the cursor");
      equal(after.from, Number(seq) + 1, "The first seq after the cut");
      await scene.showsStored(alice);
    },
  },
  {
    name: "shows the whole answer that ended while it was offline",
    run: async (scene) => {
      const alice = await scene.start(scene.slow);
      await alice.replyBeyond(20);
      alice.wire.offline();
      const other = await scene.client();
      await other.until(() => other.reply === scene.slowAnswer, "another client has the whole answer");
      await other.idle();
      inTime(alice.reply !== scene.slowAnswer, "the line was cut in mid-answer");
      holds(scene.slowAnswer.startsWith(alice.reply), "it has what came before the cut, and no more");
      alice.wire.online();
      await alice.until(() => alice.reply === scene.slowAnswer, "it has the whole answer");
      await scene.showsStored(alice);
    },
  },
  {
    name: "keeps a message that was written offline, and sends it once",
    run: async (scene) => {
      const alice = await scene.start("say one");
      await alice.idle();
      alice.wire.offline();
      const sending = alice.client.send("say two");
      await alice.until(() => alice.said.includes("user: say two"), "it shows the message");
      alice.wire.online();
      await sending;
      await alice.until(() => alice.said.at(-1) === "assistant: two", "it is answered");
      equal(alice.said, ["user: say one", "assistant: one", "user: say two", "assistant: two"], "What it shows");
      await scene.showsStored(alice);
    },
  },
  {
    name: "sends again under the same id what was lost on its way, and it enters the thread once",
    run: async (scene) => {
      const alice = await scene.start("say one");
      await alice.idle();
      losesOnce(alice, (type) => type === "send");
      const sending = alice.client.send("say two");
      await until(
        () => sends(alice),
        ({ length }) => length === 1,
        "it sends",
        scene.timeoutMs,
      );
      alice.wire.link.cut();
      await sending;
      await isOnce(alice);
      await scene.showsStored(alice);
    },
  },
  {
    name: "takes an ack that was lost from the next connection, and the message is in the thread once",
    run: async (scene) => {
      const alice = await scene.start("say one");
      await alice.idle();
      const { wire } = alice;
      let lost = 0;
      wire.onDown = (frame) => {
        const isLost = frame.type === "ack" && lost === 0;
        if (isLost) lost++;
        return isLost ? [] : [frame];
      };
      const sending = alice.client.send("say two");
      await until(
        () => lost,
        (count) => count === 1,
        "the server acks",
        scene.timeoutMs,
      );
      wire.link.cut();
      await sending;
      await isOnce(alice);
      await scene.showsStored(alice);
    },
  },
  {
    name: "takes every frame that comes twice once",
    run: async (scene) => {
      const alice = await scene.client({ create: true });
      alice.wire.onDown = (frame) => (["welcome", "mark"].includes(frame.type) ? [frame] : [frame, frame]);
      await alice.client.send(scene.slow);
      await alice.replyBeyond(10);
      await alice.client.send("say two");
      await alice.until(() => alice.said.at(-1) === "assistant: two", "both are answered");
      equal(alice.said.slice(0, 2), [`user: ${scene.slow}`, `assistant: ${scene.slowAnswer}`], "What it shows");
      await scene.showsStored(alice);
    },
  },
  {
    name: "asks for what a lost frame leaves out, and comes to the same view",
    run: async (scene) => {
      const alice = await scene.client({ create: true });
      let chunks = 0;
      alice.wire.onDown = (frame) => (frame.type === "chunks" && ++chunks === 2 ? [] : [frame]);
      await alice.client.send(scene.slow);
      await alice.until(() => alice.reply === scene.slowAnswer, "the answer is whole");
      await scene.showsStored(alice);
      inTime(chunks > 2, "a frame was lost in mid-answer");
    },
  },
  {
    name: "skips frames and fields that it does not know",
    run: async (scene) => {
      const alice = await scene.client({ create: true });
      const unknown = { type: "presence", from: 1, to: 99, people: [newId()] };
      alice.wire.onDown = (frame: ServerFrame) => [unknown, { ...frame, "x-later": { deep: [1] } }, { type: "turnip" }];
      await alice.client.send(scene.slow);
      await alice.until(() => alice.reply === scene.slowAnswer, "the answer is whole");
      await alice.client.send("say two");
      await alice.until(() => alice.said.at(-1) === "assistant: two", "the next one is answered");
      equal(alice.wire.sockets.length, 1, "The number of connections");
      await scene.showsStored(alice);
    },
  },
  {
    name: "sends back every mark, in order",
    run: async (scene) => {
      const alice = await scene.start("write 20000 words at 1000000 words per second");
      await alice.idle();
      await alice.client.send("write 20000 words at 1000000 words per second");
      await alice.idle();
      const { up, down } = alice.wire;
      const marks = down.filter((frame) => frame.type === "mark").map(({ mark }) => mark);
      holds(marks.length >= 2, `the server sends marks (it sent ${marks.length})`);
      await until(
        () => up.filter(({ type }) => type === "window").map(({ mark }) => mark),
        (windows) => windows.length === marks.length,
        "every mark is sent back",
        scene.timeoutMs,
      );
      equal(
        up.filter(({ type }) => type === "window"),
        marks.map((mark, i) => ({ type: "window", mark, socket: up.filter(({ type }) => type === "window")[i]!.socket })),
        "What is sent back",
      );
    },
  },
  {
    name: "takes a new ticket for every connection, and speaks chatcell.v1",
    run: async (scene) => {
      const alice = await scene.start("say one");
      const { wire } = alice;
      for (let cuts = 1; cuts <= 3; cuts++) {
        await alice.idle();
        wire.link.cut();
        await until(
          () => wire.sockets.length,
          (count) => count === cuts + 1,
          "it connects again",
          scene.timeoutMs,
        );
      }
      await alice.idle();
      for (const { protocols } of wire.sockets) {
        equal(protocols.length, 2, "The number of protocols");
        equal(protocols[0], "chatcell.v1", "The protocol");
        holds(protocols[1]!.startsWith("ticket."), "the ticket is a protocol");
      }
      equal(new Set(wire.sockets.map(({ protocols }) => protocols[1])).size, 4, "The number of tickets");
      equal(wire.link.counts.tickets, 4, "The number of ticket requests");
    },
  },
  {
    name: "sends only ids, epochs and frames that the protocol has",
    run: async (scene) => {
      const alice = await scene.start("say one");
      await alice.idle();
      await alice.client.send("say two");
      await alice.idle();
      const { wire } = alice;
      const known = new Set("send edit regenerate continue stop cancel resolve claim set page sync window".split(" "));
      const snapshot = wire.down.find((frame) => frame.type === "snapshot");
      for (const frame of wire.up) {
        holds(known.has(frame.type), `the protocol has ${frame.type}`);
        if (frame.type === "window") continue;
        holds(/^[\w-]{8,64}$/.test(frame.id ?? ""), `${frame.type} has an id`);
        if (frame.type !== "page" && frame.type !== "sync") equal(frame.epoch, snapshot?.session.epoch, `The epoch of ${frame.type}`);
      }
      equal(
        new Set(wire.up.filter(({ type }) => type !== "window").map(({ id }) => id)).size,
        wire.up.filter(({ type }) => type !== "window").length,
        "The number of ids",
      );
    },
  },
  {
    name: "stops at a thread that is not there, and says why",
    run: async (scene) => {
      const nobody = await scene.client({ user: "mallory" });
      const { error } = await nobody.until(({ connection }) => connection === "stopped", "the client stops");
      equal(error?.code, "not_found", "The reason");
      const { tickets } = nobody.wire.link.counts;
      holds(tickets <= 1, `it does not ask again (it asked ${tickets} times)`);
    },
  },
]).map((script): CaseScript => ({ ...script, needs: ["wire"] }));

function losesOnce({ wire }: Actor, isMeant: (type: string) => boolean): void {
  let isLost = false;
  wire.onUp = ({ type }) => {
    if (isLost || !isMeant(type)) return true;
    isLost = true;
    return false;
  };
}

const sends = ({ wire }: Actor) => wire.up.filter(({ type, parts }) => type === "send" && JSON.stringify(parts).includes("say two"));

async function isOnce(alice: Actor): Promise<void> {
  await alice.until(() => alice.said.at(-1) === "assistant: two", "it is answered");
  equal(alice.said, ["user: say one", "assistant: one", "user: say two", "assistant: two"], "What it shows");
  equal(new Set(sends(alice).map(({ id }) => id)).size, 1, "The number of ids that it sent it under");
}
