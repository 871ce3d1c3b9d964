import { describe, expect, it } from "vitest";
import { checkProviderRules, type PromptMessage } from "../../../src/testing/provider-rules.ts";

type Fields = Record<string, unknown>;

const message = (role: string, ...content: unknown[]): PromptMessage => ({ role, content });
const text = (value: unknown, fields: Fields = {}): Fields => ({ type: "text", text: value, ...fields });
const call = (toolCallId: unknown, fields: Fields = {}): Fields => ({
  type: "tool-call",
  toolCallId,
  toolName: "roll",
  input: {},
  ...fields,
});
const result = (toolCallId: unknown, fields: Fields = {}): Fields => ({
  type: "tool-result",
  toolCallId,
  toolName: "roll",
  output: { type: "json", value: 4 },
  ...fields,
});
const output = (type: unknown, value?: unknown): Fields => result("c", { output: { type, value } });
const request = (approvalId: unknown, toolCallId: string): Fields => ({ type: "tool-approval-request", approvalId, toolCallId });
const response = (approvalId: unknown): Fields => ({ type: "tool-approval-response", approvalId, approved: true });
const hi = message("user", text("Hi"));
const ok = message("user", text("Ok"));

/** The faults of a conversation in which these messages stand between two of the user. */
const between = (...messages: PromptMessage[]): string[] => checkProviderRules([hi, ...messages, ok]);

/** The faults of a call with this result. */
const withResult = (part: Fields): string[] => between(message("assistant", call("c")), message("tool", part));

describe("a prompt that every provider takes", () => {
  it("has no fault", () => {
    const providerCall = call("p", { providerExecuted: true });
    expect(
      checkProviderRules([
        { role: "system", content: "Be kind." },
        message("user", text("Hi"), {
          type: "file",
          mediaType: "image/png",
          data: { type: "url", url: new URL("https://example.com/a.png") },
        }),
        { role: "user", content: "Two in a row." },
        message("assistant", { type: "reasoning", text: "Hm." }, text("I roll."), call("c"), call("d"), providerCall, result("p")),
        message("tool", result("d"), result("c")),
        message("assistant", call("e"), request("a", "e")),
        message("tool", response("a"), result("e", { output: { type: "execution-denied" } })),
        message("assistant", text("Done."), { type: "custom", kind: "test.custom" }),
        ok,
      ]),
    ).toEqual([]);
  });

  it("may end with results, or with answers to what runs next under whatever id its provider gave it", () => {
    expect(checkProviderRules([hi, message("assistant", call("c")), message("tool", result("c"))])).toEqual([]);
    const asked = message("assistant", call("functions.Bash:0", { input: "ls" }), request("a", "functions.Bash:0"));
    expect(checkProviderRules([hi, asked, message("tool", response("a"))])).toEqual([]);
  });
});

describe("the order of messages", () => {
  it.each<[string, PromptMessage[], string]>([
    ["nothing", [], "messages: has nothing but instructions"],
    ["instructions only", [{ role: "system", content: "Hi" }], "messages: has nothing but instructions"],
    ["a reply first", [message("assistant", text("Hi")), hi], "messages[0]: the conversation does not begin with the user"],
    ["a reply last", [hi, message("assistant", text("Hi"))], "messages[1]: the prompt ends with the assistant"],
    ["late instructions", [hi, { role: "system", content: "Hi" }, ok], "messages[1]: instructions stand after the beginning"],
    ["empty instructions", [{ role: "system", content: " " }, hi], "messages[0]: the instructions are empty"],
    ["an unknown role", [hi, message("constructor", text("Hi")), ok], 'messages[1]: has the unknown role "constructor"'],
    ["an empty text as content", [{ role: "user", content: "" }], "messages[0]: has no content"],
    ["no content", [hi, message("assistant"), ok], "messages[1]: has no content"],
    [
      "calls after a reply",
      [hi, message("assistant", text("Hi")), message("assistant", call("c")), message("tool", result("c"))],
      "messages[2]: calls do not follow on the user or a result",
    ],
    ["results after the user", [hi, message("tool", result("c")), ok], "messages[1]: results do not follow a reply"],
  ])("refuses %s", (_, messages, fault) => {
    expect(checkProviderRules(messages)).toContain(fault);
  });
});

describe("calls and results", () => {
  it.each<[string, string[], string]>([
    [
      "a call without a result",
      between(message("assistant", call("c"))),
      "messages[1].content[0]: the call has no result right after its message",
    ],
    [
      "a result after another message",
      between(message("assistant", call("c")), ok, message("tool", result("c"))),
      "messages[3].content[0]: is a result without a call right before it",
    ],
    [
      "two results",
      between(message("assistant", call("c")), message("tool", result("c"), result("c"))),
      "messages[2].content[1]: is a result without a call right before it",
    ],
    [
      "one of two results missing",
      between(message("assistant", call("c"), call("d")), message("tool", result("c"))),
      "messages[1].content[1]: the call has no result right after its message",
    ],
    [
      "an id that comes again",
      between(message("assistant", call("c")), message("tool", result("c")), message("assistant", call("c")), message("tool", result("c"))),
      'messages[3].content[0]: the call id "c" stands for two calls',
    ],
    [
      "a call that does not say who ran it",
      between(message("assistant", call("c", { providerExecuted: "yes" })), message("tool", result("c"))),
      "messages[1].content[0]: does not say who ran it",
    ],
    [
      "an id with other characters",
      between(message("assistant", call("a:0")), message("tool", result("a:0"))),
      'messages[1].content[0]: "a:0" is no call id that every provider takes',
    ],
    [
      "an input that is no object",
      between(message("assistant", call("c", { input: [1] })), message("tool", result("c"))),
      "messages[1].content[0]: the input is no object",
    ],
    [
      "a name with other characters",
      between(message("assistant", call("c", { toolName: "a.b" })), message("tool", result("c", { toolName: "a.b" }))),
      'messages[1].content[0]: "a.b" is no tool name that every provider takes',
    ],
    [
      "a result of another tool",
      withResult(result("c", { toolName: "other" })),
      "messages[2].content[0]: names another tool than its call",
    ],
    [
      "a call of the provider without a result",
      between(message("assistant", call("c", { providerExecuted: true }), text("Hi"))),
      "messages[1].content[0]: the call has no result right after its message",
    ],
    [
      "the result of a tool beside its call",
      between(message("assistant", call("c"), result("c"))),
      "messages[1].content[1]: is the result of a tool in the message of its call",
    ],
    [
      "a result in a reply without its call",
      between(message("assistant", result("c"))),
      "messages[1].content[0]: is a result without a call",
    ],
    [
      "an error of a provider that is another's",
      between(
        message("assistant", call("c", { providerExecuted: true }), result("c", { output: { type: "error-json", value: "Stopped." } })),
      ),
      "messages[1].content[1]: is an error that no provider wrote",
    ],
    [
      "answers alone, before the end",
      between(message("assistant", call("c"), request("a", "c")), message("tool", response("a"))),
      "messages[2]: has no result",
    ],
    [
      "an answer to nothing",
      between(message("assistant", call("c")), message("tool", result("c"), response("a"))),
      "messages[2].content[1]: answers what was not asked",
    ],
    [
      "an approval id that comes again",
      between(message("assistant", call("c"), call("d"), request("a", "c"), request("a", "d")), message("tool", result("c"), result("d"))),
      'messages[1].content[3]: the approval id "a" stands twice',
    ],
    [
      "an approval of no call",
      between(message("assistant", text("Hi"), request("a", "c"))),
      "messages[1].content[1]: asks about a call that is not in its message",
    ],
  ])("refuses %s", (_, faults, fault) => {
    expect(faults).toContain(fault);
  });
});

describe("parts", () => {
  const file = (fields: Fields): Fields => ({ type: "file", mediaType: "image/png", data: "AAAA", ...fields });

  it.each<[string, string[], string]>([
    ["an empty text", between(message("assistant", text(""))), "the text is empty"],
    ["a text of whitespace", between(message("user", text(" \n"))), "the text is empty"],
    [
      "half a surrogate pair",
      between(message("assistant", call("c", { input: { a: ["\ud83d"] } })), message("tool", result("c"))),
      "holds half a surrogate pair",
    ],
    [
      "half a surrogate pair in a key",
      between(message("assistant", call("c", { input: { "\ud83d": 1 } })), message("tool", result("c"))),
      "holds half a surrogate pair",
    ],
    ["an unknown type", between(message("user", { type: "data-x", data: 1 })), '"data-x" is no content of role "user"'],
    ["a call by the user", between(message("user", call("c"))), '"tool-call" is no content of role "user"'],
    ["what is no part", between(message("user", null)), "is no part"],
    ["a thought at the end", between(message("assistant", text("Hi"), { type: "reasoning", text: "Hm." })), "ends with a thought"],
    ["an empty thought", between(message("assistant", { type: "reasoning", text: "" }, text("Hi"))), "the thought is empty"],
    ["a custom part of nobody", between(message("assistant", { type: "custom", kind: "x" })), "the kind names no provider"],
    [
      "provider options without form",
      between(message("user", text("Hi", { providerOptions: { a: 1 } }))),
      "its provider options are no objects by provider",
    ],
    ["a file without a type", between(message("user", file({ mediaType: undefined }))), "the file has no media type"],
    ["a file with a bad name", between(message("user", file({ filename: 5 }))), "the filename is no text"],
    [
      "a file out of reach",
      between(message("user", file({ data: { type: "url", url: new URL("blob:https://a.b/c") } }))),
      "no provider can read the file",
    ],
    ["a file of nothing", between(message("user", file({ data: "" }))), "no provider can read the file"],
    [
      "a data URL that is no base64",
      between(message("user", file({ data: new URL("data:text/plain,a") }))),
      "no provider can read the file",
    ],
    ["an empty output", withResult(output("text", " ")), "the output is empty"],
    ["an empty error", withResult(output("error-text", "")), "the output is empty"],
    ["an output of nothing", withResult(output("json")), "the output is empty"],
    ["an output without parts", withResult(output("content", [])), "the output is empty"],
    ["an output with an empty text", withResult(output("content", [text("")])), "is empty"],
    ["an unknown output", withResult(output("blob", 1)), '"blob" is no type of output'],
    ["no output", withResult(result("c", { output: undefined })), "has no output"],
    ["an empty reason", withResult(result("c", { output: { type: "execution-denied", reason: "" } })), "the reason is empty"],
    [
      "an approval without an id",
      between(message("assistant", call("c"), request(null, "c")), message("tool", result("c"))),
      "has no approval id",
    ],
  ])("refuses %s", (_, faults, fault) => {
    expect(faults.map((found) => found.slice(found.indexOf(": ") + 2))).toContain(fault);
  });
});
