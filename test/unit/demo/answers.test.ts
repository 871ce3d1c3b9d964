import { generateText, streamText } from "ai";
import { describe, expect, it } from "vitest";
import { DEMO_COMMANDS, readRequest } from "../../../src/demo/commands.ts";
import { answerIn, answerTo, conversation, countWords, fastModel } from "./support.ts";

describe("commands", () => {
  it.each([
    ["say hello", "hello"],
    ["Say   two  spaces\nand a line ", "  two  spaces\nand a line "],
    ["please say fail", "fail"],
    ["say count to 3", "count to 3"],
    ["say 👩‍👩‍👧‍👦 会話 é", "👩‍👩‍👧‍👦 会話 é"],
    [`say ${"x".repeat(5_000)}`, "x".repeat(5_000)],
  ])("echoes exactly: %j", async (message, expected) => {
    expect(await answerTo(message)).toBe(expected);
  });

  it.each([
    ["count to 5", "1 2 3 4 5"],
    ["Count up to three.", "1 2 3"],
    ["count to 0", "1"],
  ])("counts: %s", async (message, expected) => {
    expect(await answerTo(message)).toBe(expected);
  });

  it("counts to 20,000 and no further", async () => {
    const numbers = (await generateText({ model: fastModel(), prompt: "count to 99999999" })).text.split(" ");
    expect(numbers).toHaveLength(20_000);
    expect(numbers.at(-1)).toBe("20000");
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 100, 977, 5_000])("writes exactly %i words", async (words) => {
    const text = await answerTo(`write ${words} words`);
    expect(countWords(text)).toBe(words);
    expect(text).toMatch(/\.$/u);
  });

  it.each(["a long answer of 250 words", "Please write me a story with 250 words about tea", "Write 250 words."])(
    "finds the number of words in %j",
    async (message) => {
      expect(countWords(await answerTo(message))).toBe(250);
    },
  );

  it("bounds a long answer to 20,000 words", async () => {
    const { text } = await generateText({ model: fastModel(), prompt: "write 9,999,999 words" });
    expect(countWords(text)).toBe(20_000);
  });

  it("streams reasoning before the answer", async () => {
    const result = streamText({ model: fastModel(), prompt: "think about the sea" });
    const types: string[] = [];
    for await (const part of result.stream) if (types.at(-1) !== part.type) types.push(part.type);
    expect(types).toEqual([
      "start",
      "start-step",
      "reasoning-start",
      "reasoning-delta",
      "reasoning-end",
      "text-start",
      "text-delta",
      "text-end",
      "finish-step",
      "finish",
    ]);
    expect(await result.reasoningText).toContain("the sea");
    expect(await result.text).toContain("the sea");
  });

  it("leaves reasoning out when the call asks for none", async () => {
    const result = streamText({ model: fastModel(), prompt: "think about the sea", reasoning: "none" });
    expect(await result.text).toContain("the sea");
    expect(await result.reasoningText).toBeUndefined();
  });

  it("shows bold text, a list and a code block", async () => {
    const text = await answerTo("markdown");
    expect(text).toMatch(/\*\*\w/u);
    expect(text).toMatch(/^- /mu);
    expect(text).toMatch(/^```ts$[\s\S]+^```$/mu);
  });

  it("streams text outside ASCII without breaking a code point", async () => {
    const result = streamText({ model: fastModel(), prompt: "unicode" });
    let text = "";
    for await (const delta of result.textStream) {
      expect(delta.isWellFormed()).toBe(true);
      text += delta;
    }
    expect(text).toMatch(/👩‍👩‍👧‍👦/u);
    expect(text).toMatch(/\p{Script=Han}/u);
    expect(text).toContain("e\u0301");
  });

  it.each(DEMO_COMMANDS.map(({ example }) => example).filter((example) => !/^(?:fail|stall)/u.test(example)))(
    "understands its own example %j",
    async (example) => {
      const { text } = await generateText({ model: fastModel(), prompt: example });
      expect(text).not.toBe("");
      expect(text).not.toMatch(/only know a few things|only the demo model, so|more than my few rules/u);
    },
  );

  it("lists every command under help", async () => {
    const text = await answerTo("help");
    for (const { example } of DEMO_COMMANDS) expect(text).toContain(example);
  });
});

describe("readRequest", () => {
  it.each([
    ["count to 5 at 10 words per second", 10, "count to 5"],
    ["hello at 2.5 words a second.", 2.5, "hello"],
    ["hello at 0 words per second", 0.1, "hello"],
    ["hello at 999999999 words per second", 1_000_000, "hello"],
  ])("takes the pace off the end of %j", (message, wordsPerSecond, text) => {
    expect(readRequest(message)).toMatchObject({ wordsPerSecond, text });
  });

  it.each([
    "How do I say thank you?",
    "I fail to see the point",
    "we stall a lot at traffic lights",
    "I think about you",
    "whether the weather is nice",
    "that was a long text",
    "I have to discontinue this",
    "constructor",
    "__proto__",
  ])("takes %j as conversation", (message) => {
    expect(readRequest(message).command).toBeUndefined();
  });

  it.each([
    ["spaces", " ".repeat(1_000_000)],
    ["write write …", "write ".repeat(200_000)],
    ["think about !!!", `think about ${"!".repeat(1_000_000)}`],
    ["at at at", "at ".repeat(300_000)],
    ["lone surrogates", "\uD800".repeat(100_000)],
  ])("reads a hostile message in no time: %s", (_name, message) => {
    const start = performance.now();
    readRequest(message);
    expect(performance.now() - start).toBeLessThan(200);
  });
});

describe("conversation", () => {
  it("remembers the name that was given last", async () => {
    expect(await answerIn("My name is Bob.", "Hi", "my name is Ada Lovelace and I like trains", "Nice", "what's my name?")).toContain(
      "Your name is Ada Lovelace.",
    );
  });

  it("does not know a name that nobody gave", async () => {
    expect(await answerTo("what is my name?")).toContain("not told me");
  });

  it("quotes the first and the last message", async () => {
    const history = ["I like pears", "Good", "I like plums", "Good"] as const;
    expect(await answerIn(...history, "what did I say first?")).toContain("“I like pears”");
    expect(await answerIn(...history, "repeat what I said first")).toContain("“I like pears”");
    expect(await answerIn(...history, "what did I say?")).toContain("“I like plums”");
    expect(await answerIn("I like pears", "Splendid pears", "what did you say?")).toContain("“Splendid pears”");
    expect(await answerTo("what did I say?")).toContain("Nothing came before");
  });

  it("counts the messages that it sees", async () => {
    expect(await answerIn("one", "1", "two", "2", "how many messages are there?")).toBe(
      "I can see 5 messages: 3 from you, this one included, and 2 from me.",
    );
  });

  it("sums up what was said", async () => {
    const text = await answerIn("I like pears", "Good", "I like plums", "Good", "please summarise our chat");
    expect(text).toContain("I like pears");
    expect(text).toContain("I like plums");
  });

  it.each([
    ["What is chatcell?", "a chat thread is an object"],
    ["tell me about Durable Objects", "a name and a database of its own"],
    ["what does hibernation mean?", "goes to sleep while your socket stays open"],
    ["how do you resume after a reload?", "once, and in order"],
    ["two tabs?", "same object"],
    ["what if I kill the server", "an alarm was set"],
  ])("knows the answer to %j", async (question, expected) => {
    expect(await answerTo(question)).toContain(expected);
  });

  it("picks up the words of a message that it does not understand", async () => {
    const text = await answerTo("I like trains and old bridges");
    expect(text).toContain("“trains” and “bridges”");
  });

  it.each([
    ["hello", /chatcell/u],
    ["thanks!", /welcome|pleasure|Any time/u],
    ["", /no words/u],
    ["   ", /no words/u],
    ["?!", /\?!/u],
  ])("has a sensible answer to %j", async (message, expected) => {
    // The SDK refuses an empty prompt only as a string.
    expect(await answerIn(message)).toMatch(expected);
  });

  it("names the files of a message and downloads none", async () => {
    const result = streamText({
      model: fastModel(),
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "look" },
            { type: "file", data: new URL("https://nowhere.invalid/notes.pdf"), mediaType: "application/pdf", filename: "notes.pdf" },
          ],
        },
      ],
    });
    expect(await result.text).toContain("**notes.pdf** (application/pdf)");
  });
});

describe("continue", () => {
  it.each(["count to 60", "write 80 words", "markdown"])("goes on at the exact place: %s", async (message) => {
    const whole = await answerTo(message);
    const partial = whole.slice(0, Math.floor(whole.length / 3));
    expect(partial + (await answerIn(message, partial, "continue"))).toBe(whole);
    expect(partial + (await answerIn(message, partial, "Your answer was interrupted. Please continue where it left off."))).toBe(whole);
  });

  it("goes on again after a second break", async () => {
    const whole = await answerTo("count to 60");
    const [first, second] = [whole.slice(0, 40), whole.slice(40, 90)];
    expect(first + second + (await answerIn("count to 60", first, "continue", second, "continue"))).toBe(whole);
  });

  it("reasons again only when no word of the answer was written", async () => {
    const ask = { role: "user" as const, content: "think about tea" };
    const goOn = { role: "user" as const, content: "continue" };
    const fromNothing = await generateText({ model: fastModel(), messages: [ask, goOn] });
    expect(fromNothing.reasoningText).toContain("tea");
    const partial = fromNothing.text.slice(0, 20);
    const fromPartial = await generateText({ model: fastModel(), messages: [ask, { role: "assistant", content: partial }, goOn] });
    expect(fromPartial.reasoningText).toBeUndefined();
    expect(partial + fromPartial.text).toBe(fromNothing.text);
  });

  it("finishes an answer that was made to fail", async () => {
    const failed = streamText({ model: fastModel(), prompt: "fail after 6 words", onError: () => undefined });
    let partial = "";
    for await (const part of failed.stream) if (part.type === "text-delta") partial += part.text;
    expect(countWords(partial)).toBe(6);
    const rest = await answerIn("fail after 6 words", partial, "continue");
    expect(countWords(partial + rest)).toBe(46);
  });

  it("says so when nothing is left, and when nothing was begun", async () => {
    expect(await answerIn("say hi", "hi", "continue")).toContain("complete");
    expect(await answerTo("continue")).toContain("nothing to continue");
  });

  it("survives thousands of continues", async () => {
    const texts = Array.from({ length: 4_001 }, (_, index) => (index % 2 === 0 ? "continue" : "x"));
    expect(await answerIn(...texts)).not.toBe("");
  });
});

describe("determinism", () => {
  it.each(["hello", "write 50 words", "I like trains", "roll a die", "think about tea"])(
    "gives equal parts for equal calls: %s",
    async (message) => {
      const call = { prompt: [{ role: "user" as const, content: [{ type: "text" as const, text: message }] }] };
      const one = await fastModel().doGenerate(call);
      const two = await fastModel().doGenerate(call);
      expect(two).toEqual(one);
    },
  );

  it("does not depend on the pace", async () => {
    expect(await answerTo("I like trains", { wordsPerSecond: 1_000_000 })).toBe(await answerTo("I like trains"));
  });

  it("chooses other words for another seed, and the call's seed comes first", async () => {
    const seeds = Array.from({ length: 8 }, (_, seed) => seed);
    const answers = await Promise.all(seeds.map((seed) => answerTo("write 50 words", { seed })));
    expect(new Set(answers).size).toBe(8);
    const { text } = await generateText({ model: fastModel({ seed: 3 }), prompt: "write 50 words", seed: 5 });
    expect(text).toBe(answers[5]);
  });

  it("gives another id when the history differs", async () => {
    const ids = new Set<string>();
    for (const texts of [["hello"], ["hello", "Hi", "hello"], ["hello", "Hi!", "hello"]]) {
      ids.add((await generateText({ model: fastModel(), messages: conversation(...texts) })).response.id);
    }
    expect(ids.size).toBe(3);
  });
});
