// What a server refuses, and how: by the code of PROTOCOL.md, on the frame that it is about, and without an effect.
import { newId } from "../../protocol/ids.ts";
import { equal, holds } from "./check.ts";
import { ask, type Peer } from "./peer.ts";
import { scriptsOf, textOf } from "./scene.ts";

const text = (value: string) => [{ type: "text", text: value }];

/** Frames that no client may send, by what is wrong with each. */
function badFrames(epoch: string): Record<string, { frame: string | object; code: string }> {
  const send = () => ({ type: "send", id: newId(), epoch, messageId: newId(), parts: text("say bad") });
  return {
    "no JSON": { frame: "{", code: "bad_frame" },
    "no object": { frame: '"send"', code: "bad_frame" },
    "a list": { frame: "[]", code: "bad_frame" },
    "no type": { frame: { id: newId() }, code: "bad_frame" },
    "an unknown type": { frame: { type: "turnip", id: newId() }, code: "unknown_frame" },
    "a type that is reserved": { frame: { type: "select", id: newId(), epoch }, code: "unknown_frame" },
    "an unknown key": { frame: { ...send(), role: "assistant" }, code: "bad_frame" },
    "no parts": { frame: { ...send(), parts: [] }, code: "bad_frame" },
    "65 parts": { frame: { ...send(), parts: Array.from({ length: 65 }, () => text("x")[0]) }, code: "bad_frame" },
    "a tool part": { frame: { ...send(), parts: [{ type: "tool-book", toolCallId: "c", state: "output-available" }] }, code: "bad_frame" },
    "an id with a dot": { frame: { ...send(), id: "a.b.c.d.e" }, code: "bad_frame" },
    "a short id": { frame: { ...send(), id: "short" }, code: "bad_frame" },
    "another epoch": { frame: { ...send(), epoch: "another" }, code: "stale_epoch" },
    "33 levels": { frame: `${'{"type":"send","a":'}${"[".repeat(40)}${"]".repeat(40)}}`, code: "bad_frame" },
    "a message that is not there": { frame: { type: "regenerate", id: newId(), epoch, messageId: newId() }, code: "not_found" },
    "a page of a message that is not there": { frame: { type: "page", id: newId(), before: newId() }, code: "not_found" },
  };
}

async function refused(peer: Peer, frame: string | object, code: string, what: string): Promise<void> {
  const before = peer.of("error").length;
  peer.sendText(typeof frame === "string" ? frame : JSON.stringify(frame));
  await peer.until(() => peer.of("error").length > before, `${what} is refused`);
  const error = peer.of("error")[before]!;
  equal(error.code, code, `The code for ${what}`);
  const { id } = (typeof frame === "object" ? frame : {}) as { id?: string };
  if (id && error.ref !== undefined) equal(error.ref, id, `What the refusal of ${what} is about`);
  holds(typeof error.retryable === "boolean" && error.message !== "", "a refusal has a message, and says whether to try again");
}

export const REFUSAL_CASES = scriptsOf("server", [
  {
    name: "refuses what is malformed by its code, one frame at a time, and nothing changes",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      const { rev } = peer;
      for (const [what, { frame, code }] of Object.entries(badFrames(peer.epoch))) await refused(peer, frame, code, what);
      equal([peer.rev, peer.closed], [rev, null], "The revision, and how the socket was closed");
      await peer.send("say good");
      await peer.until(() => peer.of("turn").length === 1, "the next message is answered");
      equal((await scene.stored()).map(textOf), ["say good", "good"], "What the thread has");
    },
  },
  {
    name: "refuses a binary frame, and one of more than 1 MB",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      await refused(peer, JSON.stringify({ type: "send", id: newId(), parts: text("x".repeat(1_048_577)) }), "too_large", "1 MB");
      peer.socket.send(new TextEncoder().encode('{"type":"sync"}'));
      await peer.until(() => peer.of("error").length === 2, "a binary frame is refused");
      equal(peer.of("error")[1]!.code, "bad_frame", "The code");
      await peer.send("say good");
    },
  },
  {
    name: "refuses an id that was used for something else",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      const { ref } = await peer.send("say one");
      await refused(peer, { type: "send", id: ref, epoch: peer.epoch, messageId: newId(), parts: text("say two") }, "id_reused", "the id");
      await peer.until(() => peer.of("turn").length === 1, "the turn ends");
      equal((await scene.stored()).map(textOf), ["say one", "one"], "What the thread has");
    },
  },
  {
    name: "refuses what does not fit the schema of the state, and a state that is too large",
    run: async (scene) => {
      const peer = await scene.peer({ create: true });
      const set = () => ({ type: "set", id: newId(), epoch: peer.epoch, field: "state" });
      await refused(peer, { ...set(), value: { mode: 7 } }, "bad_request", "a mode that is a number");
      await refused(peer, { ...set(), value: { notes: ["x".repeat(70_000)] } }, "too_large", "70 KB of notes");
    },
  },
  {
    name: "refuses who has no credential, and tells a foreign thread no different from a missing one",
    run: async (scene) => {
      await scene.peer({ create: true });
      const path = `/threads/${scene.threadId}/ticket`;
      equal((await ask(scene.server, null, path, {})).status, 401, "The status without a credential");
      const foreign = await ask(scene.server, "mallory", path, {});
      const missing = await ask(scene.server, "mallory", `/threads/${newId()}/ticket`, {});
      equal(foreign.status, 404, "The status for a foreign thread");
      equal(foreign, missing, "The answer about a foreign thread, beside that about a missing one");
      const taken = await ask(scene.server, "mallory", path, { create: true });
      equal(taken.status, 404, "The status for making a thread that is another's");
    },
  },
  {
    name: "refuses a socket with a ticket that it did not give",
    run: async (scene) => {
      await scene.peer({ create: true });
      const peer = scene.socket("not-a-ticket");
      const closed = await closedOf(peer);
      holds(closed, "the socket closes");
      equal(peer.frames, [], "What it got");
    },
  },
]);

async function closedOf(peer: Peer): Promise<boolean> {
  await peer.until(() => peer.closed !== null, "the socket closes").catch(() => {});
  return peer.closed !== null;
}
