// What a server sends, seen by a bare socket.
import { newId } from "../../protocol/ids.ts";
import { emptyLive, foldChunks } from "../../protocol/fold.ts";
import type { SendCommand } from "../../protocol/frames.ts";
import type { LiveState } from "../../protocol/messages.ts";
import { equal, holds, inTime, until } from "./check.ts";
import { ask, type Peer, ticketOf } from "./peer.ts";
import { callOf, countTo, ENDLESS, scriptsOf, textOf } from "./scene.ts";

const firstSend = (text: string): SendCommand => ({ type: "send", id: newId(), messageId: newId(), parts: [{ type: "text", text }] });

/** The live message as this peer has it. */
function liveOf({ frames }: Peer): LiveState | null {
  let live = null as LiveState | null;
  for (const frame of frames) {
    if ((frame.type === "snapshot" || frame.type === "delta") && frame.turn) {
      const { messageId } = frame.turn;
      live = frame.live ?? (live?.message.id === messageId ? live : emptyLive(messageId));
    }
    if (frame.type === "chunks" && live) live = foldChunks(live, frame.items);
  }
  return live;
}

const ended = (peer: Peer, turns: number): Promise<Peer> =>
  peer.until(() => peer.of("turn").length >= turns, `${turns} turn(s) have ended`);

export const SERVER_CASES = scriptsOf("server", [
  {
    name: "makes a thread with its first message, and does a repeat of that once",
    run: async (scene) => {
      const wish = { create: true, command: firstSend("say one") };
      const first = await ticketOf(scene.server, "alice", scene.threadId, wish);
      const again = await ticketOf(scene.server, "alice", scene.threadId, wish);
      equal(first.ack?.ref, wish.command.id, "What the ack is about");
      equal(again.ack?.ref, wish.command.id, "What the second ack is about");
      holds(first.ticket !== again.ticket, "each request gets a ticket of its own");
      const peer = await scene.socket(again.ticket).synced();
      await peer.until(({ turn }) => turn === null, "the turn ends");
      equal((await scene.stored()).map(textOf), ["say one", "one"], "What the thread has");
    },
  },
  {
    name: "selects chatcell.v1, says welcome, then the whole view",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      equal(peer.socket.protocol, "chatcell.v1", "The protocol");
      const [welcome, snapshot] = peer.frames;
      holds(welcome?.type === "welcome" && snapshot?.type === "snapshot", "welcome comes first, then a snapshot");
      equal(welcome.role, "owner", "The role");
      for (const limit of ["maxFrameBytes", "maxParts", "maxQueue", "commandsPerSecond", "commandBurst"] as const)
        holds(welcome.limits[limit] > 0, `welcome has the limit ${limit}`);
      equal(snapshot.session.threadId, scene.threadId, "The thread");
      equal([snapshot.messages, snapshot.queue, snapshot.turn, snapshot.hasEarlier], [[], [], null, false], "The view");
    },
  },
  {
    name: "opens one socket with a ticket",
    run: async (scene) => {
      const { ticket } = await ticketOf(scene.server, "alice", scene.threadId, { create: true });
      await scene.socket(ticket).synced();
      const second = scene.socket(ticket);
      await until(
        () => second.closed,
        (closed) => closed !== null,
        "the second one is refused",
        scene.timeoutMs,
      );
      equal(second.frames, [], "What the second one got");
    },
  },
  {
    name: "answers ping with pong",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      peer.sendText("ping");
      await until(() => peer.texts.includes("pong"), Boolean, "a pong comes", scene.timeoutMs);
    },
  },
  {
    name: "sends the effect of a command before its ack, and the turn after it in one line of revisions",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      const ack = await peer.send("say one");
      const at = peer.frames.indexOf(ack);
      const effect = peer.frames.findIndex((frame) => frame.type === "delta" && frame.to === ack.rev && frame.messages?.length === 1);
      holds(effect >= 0 && effect < at, "the message comes before the ack of its revision");
      await ended(peer, 1);
      let rev = peer.of("snapshot")[0]!.session.rev;
      for (const frame of peer.frames) {
        if (frame.type !== "delta" && frame.type !== "turn") continue;
        equal(frame.from, rev, "The revision that a frame builds on");
        rev = frame.to;
      }
    },
  },
  {
    name: "numbers the chunks of a turn without a gap, and their fold is what it stores",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      await peer.send(scene.slow);
      await ended(peer, 1);
      let next = 1;
      for (const frame of peer.of("chunks")) {
        equal(frame.from, next, "The seq of a frame of chunks");
        next += frame.items.length;
      }
      equal(peer.of("turn")[0]!.ended.seq, next - 1, "The last seq of the turn");
      const [, reply] = await scene.stored();
      equal(reply!.parts, liveOf(peer)!.message.parts, "The parts of the stored reply, beside the fold of the chunks");
      equal(textOf(reply!), scene.slowAnswer, "The reply");
    },
  },
  {
    name: "gives a cursor in mid-answer exactly what it lacks",
    run: async (scene) => {
      const first = await scene.peer({ create: true });
      await first.send(scene.slow);
      await first.until((peer) => textOf(liveOf(peer)?.message ?? { parts: [] }).length > 20, "there is some text");
      first.close();
      const live = liveOf(first)!;
      const second = await scene.peer({ cursor: `${first.epoch}.${first.rev}.${live.message.id}.${live.seq}` });
      holds(second.of("snapshot").length === 0, "no snapshot is sent");
      const [delta] = second.of("delta");
      equal([delta?.from, delta?.live], [first.rev, undefined], "The delta that it begins with");
      await ended(second, 1);
      const [chunks] = second.of("chunks");
      inTime(chunks, "the answer went on over the second connection");
      equal(chunks.from, live.seq + 1, "The first seq");
      const whole = foldChunks(
        live,
        second.of("chunks").flatMap(({ items }) => items),
      );
      equal(textOf(whole.message), scene.slowAnswer, "What there is with what came");
    },
  },
  {
    name: "gives the whole view to a cursor that it cannot use",
    run: async (scene) => {
      const first = await scene.peer({ create: true });
      for (const cursor of ["nonsense", "otherepoch.1", `${first.epoch}.999999`, "..", "x".repeat(300)]) {
        const peer = await scene.peer({ cursor });
        equal(peer.of("snapshot").length, 1, `The number of snapshots for ${cursor.slice(0, 30)}`);
        peer.close();
      }
    },
  },
  {
    name: "answers sync as it would a new connection",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      await peer.send("say one");
      await ended(peer, 1);
      peer.sendText(JSON.stringify({ type: "sync", id: newId(), cursor: "" }));
      await peer.until(() => peer.of("snapshot").length === 2, "a snapshot comes");
      equal(peer.of("snapshot")[1]!.messages.map(textOf), ["say one", "one"], "The messages");
    },
  },
  {
    name: "does a command that is sent twice once, with the same ack",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      const command = { ...firstSend("say one"), epoch: peer.epoch };
      const [first, second] = [await peer.ask(command), await peer.ask(command)];
      holds(first.type === "ack" && second.type === "ack", "both are acked");
      equal(second.result?.turnId, first.result?.turnId, "The turn of the second ack");
      await ended(peer, 1);
      equal((await scene.stored()).map(textOf), ["say one", "one"], "What the thread has");
    },
  },
  {
    name: "takes the same commands over HTTP, with the same ids",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      const command = { ...firstSend("say one"), epoch: peer.epoch };
      const over = await ask(scene.server, "alice", `/threads/${scene.threadId}/commands`, command);
      equal(over.status, 200, "The status");
      equal((over.body as { ack: { ref: string } }).ack.ref, command.id, "What the ack is about");
      const again = await peer.ask(command);
      equal(again.type, "ack", "The answer to a repeat over the socket");
      await ended(peer, 1);
      const page = await ask(scene.server, "alice", `/threads/${scene.threadId}/messages`);
      const { messages, hasEarlier } = page.body as { messages: { parts: unknown[] }[]; hasEarlier: boolean };
      equal([messages.map(textOf), hasEarlier], [["say one", "one"], false], "The page of history");
    },
  },
  {
    name: "runs turns one after the other, and says where each stands",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      const acks = [await peer.send(scene.slow), await peer.send("say one"), await peer.send("say two")];
      inTime(peer.of("turn").length === 0, "all were asked while the first was written");
      equal(
        acks.map(({ result }) => result?.position),
        [0, 1, 2],
        "The positions",
      );
      await ended(peer, 3);
      equal(
        peer.of("turn").map(({ ended: { turnId } }) => turnId),
        acks.map(({ result }) => result?.turnId),
        "The order in which the turns ended",
      );
    },
  },
  {
    name: "keeps the text of a turn that is stopped, and is quiet about a second stop",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      const { result } = await peer.send(ENDLESS);
      await peer.until(() => textOf(liveOf(peer)?.message ?? { parts: [] }).length > 10, "there is some text");
      const { turnId } = result!;
      await peer.command("stop", { turnId });
      await ended(peer, 1);
      equal(peer.of("turn")[0]!.ended.facts.outcome, "stopped", "The outcome");
      await peer.command("stop", { turnId });
      holds(countTo(4000).startsWith(textOf((await scene.stored())[1]!)), "the text is kept");
    },
  },
  {
    name: "tells the second answer to an approval who gave the first",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      const { result } = await peer.send('use the book tool with {"city":"Paris"}');
      await peer.until(({ turn }) => turn?.state === "waiting", "the turn waits");
      const call = callOf([liveOf(peer)!.message], "approval-requested");
      holds(call?.approval, "the call has an approval");
      const answer = { type: "resolve", epoch: peer.epoch, turnId: result!.turnId, approvalId: call.approval.id };
      equal((await peer.ask({ ...answer, id: newId(), approved: false })).type, "ack", "The answer to the first");
      const second = await peer.ask({ ...answer, id: newId(), approved: true });
      holds(second.type === "error", "the second is refused");
      equal(second.code, "already_resolved", "The code");
      equal((second.details as { approved?: boolean }).approved, false, "The answer that counts");
      await ended(peer, 1);
    },
  },
  {
    name: "refuses a change of state that another one came before, with the state as it is",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      const rev = peer.of("snapshot")[0]!.session.stateRev;
      const set = { type: "set", epoch: peer.epoch, field: "state", ifRev: rev };
      equal((await peer.ask({ ...set, id: newId(), value: { mode: "build" } })).type, "ack", "The answer to the first");
      const second = await peer.ask({ ...set, id: newId(), value: { mode: "plan" } });
      holds(second.type === "error", "the second is refused");
      equal(second.code, "state_conflict", "The code");
      equal((second.details as { value: { mode: string } }).value.mode, "build", "The state as it is");
    },
  },
  {
    name: "moves every connection to the branch of an edit, by a snapshot",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      await peer.send("say one");
      await ended(peer, 1);
      const other = await scene.peer();
      const [question] = await scene.stored();
      await peer.command("edit", { messageId: question!.id, newMessageId: newId(), parts: [{ type: "text", text: "say two" }] });
      for (const one of [peer, other]) {
        await one.until(() => one.of("snapshot").length >= 2, "a snapshot comes");
        equal(one.of("snapshot").at(-1)!.messages.map(textOf), ["say two"], "What is on the branch");
      }
      await peer.until(() => peer.of("turn").length === 2, "the other branch is answered");
      equal((await scene.stored()).map(textOf), ["say two", "two"], "What the thread shows");
    },
  },
  {
    name: "asks a client how far it has read, after each 64 KB",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      for (let turns = 1; turns <= 2; turns++) {
        await peer.send("write 20000 words at 1000000 words per second");
        await ended(peer, turns);
      }
      let bytes = 0;
      let marks = 0;
      for (const text of peer.texts) {
        bytes += Buffer.byteLength(text);
        if (!text.startsWith('{"type":"mark"')) continue;
        marks++;
        bytes = 0;
      }
      holds(marks >= 2, `marks come (there were ${marks})`);
      holds(bytes < 131_072, `no mark is missing at the end (${bytes} bytes without one)`);
      equal(peer.closed, null, "How the socket was closed");
    },
  },
]);
