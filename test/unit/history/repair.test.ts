import { convertToModelMessages, type ModelMessage } from "ai";
import { describe, expect, it } from "vitest";
import { toModelMessages } from "../../../src/history/model-view.ts";
import { repairTranscript } from "../../../src/history/repair.ts";
import type { Message } from "../../../src/protocol/messages.ts";
import { checkProviderRules } from "../../../src/testing/provider-rules.ts";
import { deepFreeze } from "../protocol/fold-support.ts";
import { call, messageOf, reply, user, type Fields } from "./histories.ts";

const UNKNOWN = { type: "error-text", value: "Interrupted, outcome unknown." };

/** The prompt, which is one that every provider takes. */
async function promptOf(...messages: Message[]): Promise<ModelMessage[]> {
  const prompt = await toModelMessages(deepFreeze(messages));
  expect(checkProviderRules(prompt)).toEqual([]);
  return prompt;
}

/** The content of all messages of a role, in one list. */
const contentOf = (prompt: ModelMessage[], role: ModelMessage["role"]): Fields[] =>
  prompt.filter((message) => message.role === role).flatMap(({ content }) => content as unknown as Fields[]);

/** What is shown of one call: the parts about it, and their outputs. */
async function shown(part: Fields, ...rest: Fields[]): Promise<{ calls: Fields[]; results: Fields[] }> {
  const prompt = await promptOf(user("Roll."), reply("Rolling.", part, ...rest), user("And?"));
  return { calls: contentOf(prompt, "assistant").filter(({ type }) => type === "tool-call"), results: contentOf(prompt, "tool") };
}

describe("a call without an outcome", () => {
  it.each<[string, Fields]>([
    ["whose input is complete", { state: "input-available" }],
    ["that was approved and never ran", { state: "approval-responded", approval: { id: "a", approved: true } }],
    ["that had shown a preliminary output", { state: "output-available", output: "half", preliminary: true }],
    ["in a state of a later version", { state: "paused" }],
  ])("%s gets an unknown outcome as its error", async (_, fields) => {
    const { calls, results } = await shown(call("c", { output: undefined, ...fields }));
    expect(calls).toMatchObject([{ toolCallId: "c", input: { sides: 6 } }]);
    expect(results).toMatchObject([{ type: "tool-result", toolCallId: "c", output: UNKNOWN }]);
  });

  it("whose input was cut is left out", async () => {
    const { calls, results } = await shown(call("c", { state: "input-streaming", input: { si: 1 }, output: undefined }));
    expect({ calls, results }).toEqual({ calls: [], results: [] });
  });

  it("of a provider is left out, since nobody else can write its result", async () => {
    for (const fields of [{ state: "input-available" }, { state: "output-error", errorText: "Stopped." }, { state: "output-denied" }]) {
      const { calls, results } = await shown(call("c", { output: undefined, providerExecuted: true, ...fields }));
      expect({ calls, results }).toEqual({ calls: [], results: [] });
    }
  });
});

describe("an approval", () => {
  it("that was never answered means that the call was not executed", async () => {
    const { results } = await shown(call("c", { state: "approval-requested", output: undefined, approval: { id: "a" } }));
    expect(results).toMatchObject([{ output: { type: "error-text", value: "Not executed: it was never approved." } }]);
  });

  it("that was refused is told with its reason", async () => {
    const approval = { id: "a", approved: false, reason: "Too risky." };
    const responded = await shown(call("c", { state: "approval-responded", output: undefined, approval }));
    expect(responded.results).toMatchObject([
      { type: "tool-approval-response", approved: false },
      { output: { type: "execution-denied", reason: "Too risky." } },
    ]);
    const denied = await shown(call("c", { state: "output-denied", output: undefined, approval }));
    expect(denied.results.at(-1)).toMatchObject({ output: { value: "Too risky." } });
  });

  it("with an empty reason, or without a form, still refuses", async () => {
    for (const approval of [{ id: "a", approved: false, reason: " " }, { approved: false }, { id: 5, approved: false, reason: null }]) {
      const { results } = await shown(call("c", { state: "approval-responded", output: undefined, approval }));
      expect(results.at(-1)).toMatchObject({ type: "tool-result", toolCallId: "c" });
    }
  });

  it("that was given last is left to run, under the ids that the call has", async () => {
    const answered = call("functions.Bash:0", { state: "approval-responded", output: undefined, approval: { id: "a", approved: true } });
    const older = call("functions.Bash:0", { approval: { id: "a", approved: true } });
    const prompt = await promptOf(user("One"), reply(older), user("Two"), reply({ type: "step-start" }, answered));
    expect(prompt.at(-1)).toMatchObject({ role: "tool", content: [{ type: "tool-approval-response", approvalId: "a", approved: true }] });
    expect(contentOf(prompt, "assistant").map((part) => [part.type, part.toolCallId])).toEqual([
      ["tool-call", "functions_Bash_0"],
      ["tool-call", "functions.Bash:0"],
      ["tool-approval-request", "functions.Bash:0"],
    ]);
  });

  it("that was given before a newer message, one that steered the reply, or a continuation by hand, no longer runs the call", async () => {
    const answered = call("c", { state: "approval-responded", output: undefined, approval: { id: "a", approved: true } });
    const superseded = await promptOf(user("One"), reply(answered), user("Never mind."));
    const continued = await toModelMessages([user("One"), reply(answered)], { continueNote: "Go on." });
    const steering = { type: "steering-message", id: "s", parts: [{ type: "text", text: "Wait." }] };
    const steered = await promptOf(user("One"), reply(answered, steering));
    for (const prompt of [superseded, continued, steered]) expect(contentOf(prompt, "tool")).toMatchObject([{ output: UNKNOWN }]);
    expect(checkProviderRules(continued)).toEqual([]);
  });
});

describe("call ids", () => {
  const idsOf = async (...messages: Message[]): Promise<unknown[]> => {
    const prompt = await promptOf(...messages);
    const results = contentOf(prompt, "tool").map((part) => part.toolCallId);
    const ids = contentOf(prompt, "assistant").map((part) => part.toolCallId);
    expect(results).toEqual(ids);
    return ids;
  };

  it("that come again, in one reply or in the next, are told apart in the order of the thread", async () => {
    const first = [user("One"), reply(call("call_0"), call("call_0"), { type: "step-start" }, call("call_0_3"))];
    expect(await idsOf(...first, user("Two"))).toEqual(["call_0", "call_0_2", "call_0_3"]);
    const ids = await idsOf(...first, user("Two"), reply(call("call_0"), call("call_0_2")), user("Three"));
    expect(ids).toEqual(["call_0", "call_0_2", "call_0_3", "call_0_4", "call_0_2_2"]);
  });

  it("with characters or a length that a provider refuses are changed", async () => {
    const long = "x".repeat(80);
    const ids = await idsOf(user("One"), reply(call("functions.Bash:0"), call("functions/Bash:0"), call(long), call(long)), user("Two"));
    expect(ids).toEqual(["functions_Bash_0", "functions_Bash_0_2", "x".repeat(64), `${"x".repeat(62)}_2`]);
  });

  it("that are missing are made, also beside names of an object's own", async () => {
    expect(await idsOf(user("One"), reply(call(null), call(""), call("__proto__"), call("constructor")), user("Two"))).toEqual([
      "call",
      "call_2",
      "__proto__",
      "constructor",
    ]);
  });

  it("that are changed take the provider's name of its stored item away, and leave a signature", async () => {
    const callProviderMetadata = { openai: { itemId: "fc_1", phase: 1 }, google: { thoughtSignature: "s" } };
    const prompt = await promptOf(
      user("One"),
      reply(call("c", { callProviderMetadata }), call("c", { callProviderMetadata })),
      user("Two"),
    );
    expect(contentOf(prompt, "assistant").map((part) => part.providerOptions)).toEqual([
      callProviderMetadata,
      { openai: { phase: 1 }, google: { thoughtSignature: "s" } },
    ]);
  });
});

describe("what a tool took and gave", () => {
  it.each<[string, unknown, unknown]>([
    ["an object", { sides: 6 }, { sides: 6 }],
    ["JSON text of an object", '{"sides":6}', { sides: 6 }],
    ["other text", "6 sides", { input: "6 sides" }],
    ["a list", [6], { input: [6] }],
    ["a number", 6, { input: 6 }],
    ["null", null, {}],
    ["nothing", undefined, {}],
  ])("has %s as input shown as an object", async (_, input, expected) => {
    expect((await shown(call("c", { input }))).calls).toMatchObject([{ input: expected }]);
  });

  it("has the raw input of a failed call shown as an object", async () => {
    const failed = { state: "output-error", output: undefined, input: undefined, errorText: "No JSON." };
    expect((await shown(call("c", { ...failed, rawInput: '{"si' }))).calls).toMatchObject([{ input: { input: '{"si' } }]);
    expect((await shown(call("c", { ...failed, rawInput: '{"sides":6}' }))).calls).toMatchObject([{ input: { sides: 6 } }]);
  });

  it("is shown for a tool that the app no longer has, or has under another name or schema", async () => {
    const { calls, results } = await shown(call("c", { type: "tool-long-gone", input: { any: "thing" } }));
    expect(calls).toMatchObject([{ toolName: "long-gone", input: { any: "thing" } }]);
    expect(results).toMatchObject([{ toolName: "long-gone", output: { type: "json", value: { value: 4 } } }]);
  });

  it("has a name that a model made up changed into one that providers take", async () => {
    const names = ["tool-browser.tabs.open", "tool-", `tool-${"n".repeat(80)}`];
    const statics = await shown(call("1", { type: names[0] }), call("2", { type: names[1] }), call("3", { type: names[2] }));
    expect(statics.calls.map(({ toolName }) => toolName)).toEqual(["browser_tabs_open", "unknown_tool", "n".repeat(64)]);
    const dynamics = await shown(
      call("1", { type: "dynamic-tool", toolName: "$lookup" }),
      call("2", { type: "dynamic-tool", toolName: null }),
    );
    expect(dynamics.results.map(({ toolName }) => toolName)).toEqual(["_lookup", "unknown_tool"]);
  });

  it("has words for an empty output or error", async () => {
    expect((await shown(call("c", { output: " \n" }))).results).toMatchObject([{ output: { type: "text", value: "(no output)" } }]);
    const { results } = await shown(call("c", { state: "output-error", output: undefined, errorText: "" }));
    expect(results).toMatchObject([{ output: { value: "The tool failed without a message." } }]);
  });
});

it("a call with a mark of the provider that is neither yes nor no is one of the app", async () => {
  const { calls, results } = await shown(call("c", { providerExecuted: "yes" }));
  expect(calls).toEqual([expect.not.objectContaining({ providerExecuted: "yes" })]);
  expect(results).toHaveLength(1);
});

describe("parts of a message", () => {
  it("without text, or of types that are not known, are not shown", async () => {
    const odd = [{ type: "of-a-later-version", text: "?" }, { type: "data-weather", data: 1 }, { type: "text" }, null, 7, { type: 5 }];
    const prompt = await promptOf(
      user("", " \n", "Hello", ...(odd as Fields[])),
      reply("", "\t", "Hi", ...(odd as Fields[])),
      user(...(odd as Fields[])),
      user("Go"),
    );
    expect(prompt).toEqual([
      { role: "user", content: [{ type: "text", text: "Hello" }] },
      { role: "assistant", content: [{ type: "text", text: "Hi" }] },
      { role: "user", content: [{ type: "text", text: "Go" }] },
    ]);
  });

  it("have half a surrogate pair replaced, in text, keys, input and output", async () => {
    const half = { "\ud83d": ["a\udc00", { deep: "\ud800" }] };
    const prompt = await promptOf(user("a\ud83d"), reply(call("c", { input: half, output: half })), user("b"));
    const whole = { "\ufffd": ["a\ufffd", { deep: "\ufffd" }] };
    expect(contentOf(prompt, "user")[0]).toEqual({ type: "text", text: "a\ufffd" });
    expect(contentOf(prompt, "assistant")).toMatchObject([{ input: whole }]);
    expect(contentOf(prompt, "tool")).toMatchObject([{ output: { value: whole } }]);
  });

  it("stay apart at a step boundary: results follow their own call", async () => {
    const prompt = await promptOf(
      user("Roll twice"),
      reply(call("1"), { type: "step-start" }, call("2"), { type: "step-start" }, "Done."),
      user("Ok"),
    );
    expect(prompt.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant", "tool", "assistant", "user"]);
  });

  it("without their form in the provider's metadata lose only that", async () => {
    const prompt = await promptOf(
      user({ type: "text", text: "Hello", providerMetadata: "x" }),
      reply(call("c", { callProviderMetadata: { test: 1 } })),
      user("b"),
    );
    expect(contentOf(prompt, "user")[0]).toEqual({ type: "text", text: "Hello" });
    expect(contentOf(prompt, "assistant")[0]).not.toHaveProperty("providerOptions");
  });

  it("that a user added in the middle of a reply stay messages of the user", async () => {
    const steering = (parts: unknown): Fields => ({ type: "steering-message", id: "s", parts });
    const prompt = await promptOf(
      user("Go"),
      reply("One", steering([{ type: "text", text: "Faster!" }, null]), "Two", steering(null), "Three"),
      user("Ok"),
    );
    expect(contentOf(prompt, "user").map(({ text }) => text)).toEqual(["Go", "Faster!", "Ok"]);
    expect(contentOf(prompt, "assistant").map(({ text }) => text)).toEqual(["One", "Two", "Three"]);
  });
});

describe("a thought", () => {
  const signed = { type: "reasoning", text: "", providerMetadata: { anthropic: { signature: "s" } } };
  const spoken = { type: "reasoning", text: "Hm." };
  const thoughts = async (...parts: (string | Fields)[]): Promise<unknown[]> => {
    const prompt = await promptOf(user("Go"), reply("First.", { type: "step-start" }, ...parts), user("Ok"));
    return contentOf(prompt, "assistant").flatMap((part) => (part.type === "reasoning" ? [part.text] : []));
  };

  it("stays as it is before the call or the text that it led to, hidden or not", async () => {
    expect(await thoughts(signed, spoken, call("c"))).toEqual(["", "Hm."]);
    expect(await thoughts(spoken, "", call("c"))).toEqual(["Hm."]);
  });

  it("goes when its call goes, when it comes last in its step, and when there is nothing in it", async () => {
    expect(await thoughts(signed, call("c", { state: "input-streaming" }))).toEqual([]);
    expect(await thoughts(call("a"), spoken, call("c", { state: "input-streaming" }))).toEqual([]);
    expect(await thoughts("Done.", signed)).toEqual([]);
    expect(await thoughts(spoken, { type: "step-start" }, "Done.")).toEqual([]);
    expect(await thoughts({ type: "reasoning", text: "" }, "Done.")).toEqual([]);
  });
});

describe("a file", () => {
  it.each<[string, Fields]>([
    ["without a URL", { url: undefined }],
    ["with a URL that cannot be read", { url: "http://[" }],
    ["of a browser's memory", { url: "blob:https://example.com/1" }],
    ["with a relative URL", { url: "/files/1" }],
    ["with a data URL that is no base64", { url: "data:text/plain,hello" }],
    ["with an empty data URL", { url: "data:image/png;base64," }],
    ["without a media type", { mediaType: undefined }],
  ])("%s becomes a short note, from user and model", async (_, fields) => {
    const file = { type: "file", mediaType: "image/png", url: "https://example.com/a.png", filename: "a.png", ...fields };
    const prompt = await promptOf(user(file), reply(file), user("Ok"));
    const note = { type: "text", text: '(The file "a.png" is not available.)' };
    expect(contentOf(prompt, "user")[0]).toEqual(note);
    expect(contentOf(prompt, "assistant")).toEqual([note]);
  });

  it("that a provider keeps needs no URL", async () => {
    const prompt = await promptOf(user({ type: "file", mediaType: "image/png", url: "", providerReference: { test: "file-1" } }));
    expect(contentOf(prompt, "user")).toMatchObject([{ data: { type: "reference", reference: { test: "file-1" } } }]);
  });

  it("takes its media type from a data URL when it has none", async () => {
    const prompt = await promptOf(user({ type: "file", url: "data:image/png;base64,AAAA", filename: 5 }));
    expect(contentOf(prompt, "user")).toMatchObject([{ mediaType: "image/png", filename: undefined }]);
  });
});

describe("the order of a prompt", () => {
  it("begins with a note of the user when a reply comes first", async () => {
    const prompt = await promptOf(reply("Hello, how can I help?"), user("Hi"));
    expect(prompt.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
  });

  it("ends with the note of a continuation, or with one of ours where it would end with a reply", async () => {
    const messages = [user("Tell me"), reply("Once upon")];
    expect((await promptOf(...messages)).at(-1)).toEqual({
      role: "user",
      content: [{ type: "text", text: "Go on from where you stopped." }],
    });
    const continued = await toModelMessages(messages, { continueNote: "Please continue." });
    expect(continued.at(-1)).toEqual({ role: "user", content: [{ type: "text", text: "Please continue." }] });
    expect(continued).toHaveLength(3);
  });

  it("ends with the results of a reply that was cut after them", async () => {
    expect((await promptOf(user("Roll"), reply(call("c")))).at(-1)).toMatchObject({ role: "tool" });
  });

  it("keeps two messages of the user in a row", async () => {
    expect((await promptOf(user("One"), user("Two"))).map(({ role }) => role)).toEqual(["user", "user"]);
  });

  it("joins calls to the reply that they would follow on", async () => {
    const prompt = await promptOf(user("Go"), reply("One", { type: "step-start" }, "Two"), reply("Three", call("c")), user("Ok"));
    expect(prompt.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "user"]);
    expect(contentOf(prompt, "assistant").map(({ type }) => type)).toEqual(["text", "text", "text", "tool-call"]);
  });

  it("keeps instructions at the beginning only: later ones lose their authority", async () => {
    const system = messageOf("system", [{ type: "text", text: "Be kind." }]);
    const prompt = await promptOf(messageOf("system", [{ type: "text", text: "" }]), system, user("Hi"), system);
    expect(prompt.map(({ role }) => role)).toEqual(["system", "user", "user"]);
    expect(contentOf(prompt, "user").at(-1)).toEqual({ type: "text", text: "Be kind." });
  });

  it("leaves out messages that are none, or of an unknown role", async () => {
    const odd = [
      null,
      "x",
      messageOf("robot" as "user", [{ type: "text", text: "Beep" }]),
      messageOf("user", null),
      messageOf("assistant", "x"),
    ];
    expect(await promptOf(...(odd as Message[]), user("Hi"))).toEqual([{ role: "user", content: [{ type: "text", text: "Hi" }] }]);
    expect(await toModelMessages(odd as Message[])).toEqual([]);
  });
});

describe("the stored messages", () => {
  it("stay the same objects where nothing is wrong, beside those that are repaired", () => {
    const messages = deepFreeze([
      user("One"),
      reply(call("c"), { type: "data-x", data: 1 }, "Fine."),
      user("Two"),
      reply(call("c")),
      user("Three"),
    ]);
    const repaired = repairTranscript(messages);
    expect(repaired.map((message, at) => message === messages[at])).toEqual([true, true, true, false, true]);
    expect(repairTranscript(messages.slice(0, 3))).toEqual(messages.slice(0, 3));
  });

  it("convert as they always did where nothing is wrong", async () => {
    const messages = [user("One"), reply({ type: "step-start" }, "Rolling.", call("c"), { type: "step-start" }, "Four."), user("Two")];
    expect(await toModelMessages(messages)).toEqual(await convertToModelMessages(messages));
  });
});
