// What a client shows and does on a whole line. The app is the one of docs/guides/conformance.md, with the demo model.
import { equal, holds, inTime, refusalOf } from "./check.ts";
import { callOf, countTo, ENDLESS, scriptsOf, textOf } from "./scene.ts";

export const CLIENT_CASES = scriptsOf("client", [
  {
    name: "shows the history when it opens a thread",
    run: async (scene) => {
      const first = await scene.start("say one");
      await first.idle();
      await first.client.send("say two");
      await first.idle();
      const second = await scene.client();
      await second.live();
      await scene.showsStored(second);
      equal(second.said, ["user: say one", "assistant: one", "user: say two", "assistant: two"], "What it shows");
    },
  },
  {
    name: "shows an answer as it is written, and never takes back a word of it",
    run: async (scene) => {
      const alice = await scene.start(scene.slow);
      let seen = "";
      let steps = 0;
      await alice.until(({ status }) => {
        const { reply } = alice;
        holds(reply.startsWith(seen), `what it shows grows (from ${seen.length} characters to ${reply.length})`);
        if (reply !== seen) steps++;
        seen = reply;
        return status === "ready";
      }, "the answer ends");
      equal(seen, scene.slowAnswer, "The answer");
      inTime(steps >= 3, `the answer is shown in several steps (it was ${steps})`);
      await scene.showsStored(alice);
    },
  },
  {
    name: "has its message at once, and once",
    run: async (scene) => {
      const alice = await scene.start("say one");
      await alice.idle();
      const sending = alice.client.send("say two");
      let isShown = false;
      const count = (): number => alice.said.filter((text) => text === "user: say two").length;
      await alice.until(({ status }) => {
        isShown ||= count() === 1;
        holds(!isShown || count() === 1, "a message stays, and is there once");
        return isShown && status === "ready";
      }, "the message is answered");
      await sending;
      await scene.showsStored(alice);
    },
  },
  {
    name: "runs what is sent during an answer behind it, in its order",
    needs: ["queue"],
    run: async (scene) => {
      const alice = await scene.start(scene.slow);
      await alice.replyBeyond(5);
      await Promise.all([alice.client.send("say one"), alice.client.send("say two")]);
      await alice.idle();
      const expected = [
        `user: ${scene.slow}`,
        `assistant: ${scene.slowAnswer}`,
        "user: say one",
        "assistant: one",
        "user: say two",
        "assistant: two",
      ];
      equal(alice.said, expected, "What it shows");
      await scene.showsStored(alice);
    },
  },
  {
    name: "takes a queued message back, and changes what another one says",
    needs: ["queue"],
    run: async (scene) => {
      const alice = await scene.start(ENDLESS);
      await alice.replyBeyond(5);
      await Promise.all([alice.client.send("say one"), alice.client.send("say two")]);
      const { queue } = await alice.until((view) => view.queue.length === 2, "both wait");
      equal(
        queue.map(({ text }) => text),
        ["say one", "say two"],
        "The queue",
      );
      await alice.can("cancel")(queue[0]!.turnId);
      await alice.can("editQueued")(queue[1]!.turnId, "say three");
      await alice.client.stop();
      await alice.idle();
      equal(alice.said.slice(2), ["user: say three", "assistant: three"], "What follows the answer");
      await scene.showsStored(alice);
    },
  },
  {
    name: "stops an answer that another client asked for, and both keep what was written",
    run: async (scene) => {
      const alice = await scene.start(ENDLESS);
      const other = await scene.client();
      await other.replyBeyond(10);
      await other.client.stop();
      for (const actor of [alice, other]) {
        await scene.showsStored(actor);
        holds(actor.reply.length > 10 && countTo(4000).startsWith(actor.reply), "what was written is kept");
      }
    },
  },
  {
    name: "shows all of a running answer after a reload",
    run: async (scene) => {
      const before = await scene.start(scene.slow);
      await before.replyBeyond(20);
      const seen = before.reply;
      await before.client.close();
      const after = await scene.client();
      await after.replyBeyond(0);
      holds(after.reply.startsWith(seen), "what was there before the reload is there after it");
      await after.idle();
      equal(after.reply, scene.slowAnswer, "The answer");
      await scene.showsStored(after);
    },
  },
  {
    name: "comes to the same view as another client that writes at the same time",
    run: async (scene) => {
      const alice = await scene.start("say zero");
      await alice.idle();
      const other = await scene.client();
      await other.live();
      await Promise.all([alice.client.send("say one"), other.client.send("say two"), alice.client.send("say three")]);
      for (const actor of [alice, other]) {
        await actor.until(({ messages }) => messages.length === 8, "all four are answered");
        await scene.showsStored(actor);
      }
      equal(alice.said, other.said, "What one shows, beside what the other shows");
    },
  },
  {
    name: "keeps what was written before a model failed, and says that it failed",
    run: async (scene) => {
      const alice = await scene.start("fail after 12 words");
      await alice.until(({ status }) => status === "failed", "the turn fails");
      holds(alice.reply.split(" ").length === 12, "the twelve words are kept");
      await scene.showsStored(alice);
    },
  },
  {
    name: "puts another reply in the place of the last one",
    needs: ["regenerate"],
    run: async (scene) => {
      const alice = await scene.start("say once");
      const { messages } = await alice.idle();
      await alice.can("regenerate")();
      await alice.until((view) => view.status === "ready" && view.messages[1]?.id !== messages[1]!.id, "there is another reply");
      equal(alice.said, ["user: say once", "assistant: once"], "What it shows");
      await scene.showsStored(alice);
    },
  },
  {
    name: "goes on in a reply that was stopped, in the same message",
    needs: ["continue"],
    run: async (scene) => {
      const alice = await scene.start(scene.slow);
      await alice.replyBeyond(20);
      await alice.client.stop();
      const { messages } = await alice.idle();
      inTime(alice.reply !== scene.slowAnswer, "the answer was stopped");
      await alice.can("continue")();
      await alice.until(() => alice.reply === scene.slowAnswer, "the answer is whole");
      await scene.showsStored(alice);
      equal(alice.view.messages.length, 2, "The number of messages");
      equal(alice.view.messages[1]!.id, messages[1]!.id, "The id of the reply");
    },
  },
  {
    name: "asks again with another message, and shows that branch alone, in every client",
    needs: ["branches"],
    run: async (scene) => {
      const alice = await scene.start("say one");
      await alice.idle();
      await alice.client.send("say two");
      await alice.until(({ messages }) => messages.length === 4, "the second question is answered");
      const { messages } = await alice.idle();
      const other = await scene.client();
      await other.live();
      await alice.can("edit")(messages[2]!.id, "say three");
      for (const actor of [alice, other]) {
        await actor.until(() => actor.said.at(-1) === "assistant: three", "the other branch is answered");
        await scene.showsStored(actor);
        equal(actor.said, ["user: say one", "assistant: one", "user: say three", "assistant: three"], "What it shows");
      }
    },
  },
  {
    name: "answers an approval, and the client that was second is told who won",
    needs: ["approve"],
    run: async (scene) => {
      const alice = await scene.start('use the book tool with {"city":"Paris"}');
      const other = await scene.client();
      for (const actor of [alice, other]) await actor.until(({ status }) => status === "waiting", "the turn waits for an approval");
      const call = callOf(other.view.messages, "approval-requested");
      holds(call?.approval, "the call that waits is shown, with its approval");
      await other.can("approve")(call.approval.id, true);
      const code = await refusalOf(alice.can("approve")(call.approval.id, false), "A second answer");
      // Late enough, there is no turn any more that it could be about.
      holds(code === "already_resolved" || code === "not_found", `a second answer is refused as such (and not as ${code})`);
      for (const actor of [alice, other]) {
        await scene.showsStored(actor);
        holds(callOf(actor.view.messages, "output-available"), "the tool has run");
      }
    },
  },
  {
    name: "denies an approval, and the tool does not run",
    needs: ["approve"],
    run: async (scene) => {
      const alice = await scene.start('use the book tool with {"city":"Paris"}');
      await alice.until(({ status }) => status === "waiting", "the turn waits for an approval");
      await alice.can("approve")(callOf(alice.view.messages, "approval-requested")!.approval!.id, false);
      await scene.showsStored(alice);
      holds(!callOf(alice.view.messages, "output-available"), "the tool has not run");
    },
  },
  {
    name: "gives the output of a client tool, and a wrong one is refused and leaves the call open",
    needs: ["resolve"],
    run: async (scene) => {
      const alice = await scene.start('use the pickDate tool with {"from":"2030-01-01"}');
      await alice.until(({ status }) => status === "waiting", "the turn waits for the output");
      const call = callOf(alice.view.messages, "input-available");
      holds(call, "the call is shown, with its input");
      equal(call.input, { from: "2030-01-01" }, "The input");
      equal(await refusalOf(alice.can("resolve")(call.toolCallId, { date: 7 }), "An output that does not fit"), "bad_request", "The code");
      await alice.can("resolve")(call.toolCallId, { date: "2030-02-03" });
      await scene.showsStored(alice);
      equal(callOf(alice.view.messages, "output-available")?.output, { date: "2030-02-03" }, "The output");
    },
  },
  {
    name: "sets app state together with another client, and neither loses what the other set",
    needs: ["setState"],
    run: async (scene) => {
      const alice = await scene.start("say one");
      await alice.idle();
      const other = await scene.client();
      await other.live();
      await Promise.all([alice.can("setState")({ mode: "build" }), other.can("setState")({ notes: ["a"] })]);
      for (const actor of [alice, other]) {
        const both = (state: unknown): boolean => {
          const { mode, notes } = (state ?? {}) as { mode?: string; notes?: string[] };
          return mode === "build" && notes?.join() === "a";
        };
        await actor.until(({ state }) => both(state), "both values are there");
      }
      equal(await refusalOf(alice.can("setState")({ mode: 7 }), "A value that does not fit"), "bad_request", "The code");
      await alice.until(({ state }) => (state as { mode?: string }).mode === "build", "what was refused is taken back");
    },
  },
  {
    name: "hears of what is transient once, and shows nothing of it",
    needs: ["events"],
    run: async (scene) => {
      const alice = await scene.start("say one");
      await alice.idle();
      const other = await scene.client();
      await other.live();
      await alice.client.send("say two");
      for (const actor of [alice, other]) await scene.showsStored(actor);
      const heard = other.view.events?.filter(({ event }) => event === "data-turn");
      equal(heard, [{ event: "data-turn", data: { attempt: 1 } }], "What the other client has heard");
      const late = await scene.client();
      await scene.showsStored(late);
      equal(late.view.events, [], "What a client that came later has heard");
    },
  },
  {
    name: "says that a message is too large, and goes on",
    run: async (scene) => {
      const alice = await scene.start("say one");
      await alice.idle();
      equal(await refusalOf(alice.client.send("x".repeat(1_100_000)), "A message of 1.1 MB"), "too_large", "The code");
      await alice.client.send("say two");
      await alice.until(({ messages }) => messages.some((message) => textOf(message) === "two"), "the next one is answered");
      equal((await scene.stored()).map(textOf), ["say one", "one", "say two", "two"], "What the thread has");
    },
  },
]);
