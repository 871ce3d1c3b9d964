// Decides the whole answer before its first word is sent. A plan follows from prompt, tools and seed alone, so a "continue" can
// make the same plan again and go on at the exact place where the answer broke off.
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultPart,
} from "@ai-sdk/provider";
import { readRequest, type Command, type ToolWish } from "./commands.ts";
import { readConversation, splitUnfinished, type Conversation } from "./conversation.ts";
import { shorten } from "./history-replies.ts";
import { writeProse } from "./prose.ts";
import { createRandom, hashText } from "./random.ts";
import { converse } from "./replies.ts";
import { MARKDOWN_SAMPLE, UNICODE_SAMPLE } from "./samples.ts";
import { callableTools, chooseTool, sampleJson, toolInput } from "./tool-input.ts";

/** An answer that is decided and not yet sent. */
export interface Plan {
  reasoning: string;
  text: string;
  toolCall?: { toolName: string; input: string };
  /** Breaks the text off after so many words: by an error, or by silence until the call is aborted. */
  cut?: { how: "fail" | "stall"; afterWords: number };
  /** The pace that the person asked for. */
  wordsPerSecond?: number;
}

/** How often an answer may have been continued before the plan gives up finding its beginning. */
const MAX_CONTINUES = 32;
/** Words that a broken answer would have had beyond its break: what a "continue" still has to say. */
const WORDS_AFTER_CUT = 40;
const MAX_RESULT_LENGTH = 2_000;

/** Plans the answer to a call. */
export function planAnswer(call: LanguageModelV4CallOptions, seed: number): Plan {
  return planFor(call, call.prompt, seed, MAX_CONTINUES);
}

function planFor(call: LanguageModelV4CallOptions, prompt: LanguageModelV4Prompt, seed: number, continuesLeft: number): Plan {
  const conversation = readConversation(prompt);
  const { text, command, wordsPerSecond } = readRequest(conversation.said.at(-1) ?? "");
  const plan =
    forcedPlan(call, text) ??
    resultPlan(conversation) ??
    continuedPlan(call, prompt, seed, command, continuesLeft) ??
    freshPlan(call, conversation, text, command, seed);
  return wordsPerSecond === undefined ? plan : { ...plan, wordsPerSecond };
}

/** What the call's own settings ask for comes before what the person asks for. */
function forcedPlan(call: LanguageModelV4CallOptions, text: string): Plan | undefined {
  const choice = call.toolChoice;
  const tools = callableTools(call);
  const forced =
    choice?.type === "tool"
      ? tools.find((tool) => tool.name === choice.toolName)
      : choice?.type === "required"
        ? chooseTool(tools, "any", text)
        : undefined;
  if (forced !== undefined) return toolPlan(forced, text);
  if (call.responseFormat?.type === "json")
    return { reasoning: "", text: sampleJson(call.responseFormat.schema ?? { type: "object" }, text) };
  return undefined;
}

function resultPlan({ results }: Conversation): Plan | undefined {
  if (results.length === 0) return undefined;
  return { reasoning: "", text: results.map(resultSentence).join("\n\n") };
}

function resultSentence({ toolName, output }: LanguageModelV4ToolResultPart): string {
  const tool = `The tool \`${toolName}\``;
  switch (output.type) {
    case "text":
      return `${tool} answered: ${shorten(output.value, MAX_RESULT_LENGTH)}`;
    case "json":
      return `${tool} answered: ${shorten(typeof output.value === "string" ? output.value : JSON.stringify(output.value), MAX_RESULT_LENGTH)}`;
    case "error-text":
      return `${tool} failed: ${shorten(output.value, MAX_RESULT_LENGTH)}`;
    case "error-json":
      return `${tool} failed: ${shorten(JSON.stringify(output.value), MAX_RESULT_LENGTH)}`;
    case "execution-denied":
      return `${tool} was not allowed to run${output.reason === undefined ? "" : ` (${shorten(output.reason, 200)})`}, so I left it.`;
    case "content": {
      const texts = output.value.map((part) => (part.type === "text" ? part.text : `[${part.type}]`));
      return `${tool} answered: ${shorten(texts.join(" "), MAX_RESULT_LENGTH)}`;
    }
    default:
      return `${tool} answered in a form that I do not know.`;
  }
}

/** The rest of an answer that broke off: after a "continue", or when the prompt itself ends with half an answer. */
function continuedPlan(
  call: LanguageModelV4CallOptions,
  prompt: LanguageModelV4Prompt,
  seed: number,
  command: Command | undefined,
  continuesLeft: number,
): Plan | undefined {
  const asked = command?.kind === "continue" && prompt.at(-1)?.role === "user";
  const { before, done } = splitUnfinished(asked ? prompt.slice(0, -1) : prompt);
  if (!asked && before.length === prompt.length) return undefined;
  if (before.length === 0) return { reasoning: "", text: "There is nothing to continue yet. Ask me to “write 400 words” first." };
  const {
    cut: _cut,
    reasoning,
    ...whole
  } = continuesLeft > 0 ? planFor(call, before, seed, continuesLeft - 1) : { reasoning: "", text: "", cut: undefined };
  if (whole.text.startsWith(done) && (whole.text.length > done.length || whole.toolCall !== undefined)) {
    return { ...whole, reasoning: done === "" ? reasoning : "", text: whole.text.slice(done.length) };
  }
  return { reasoning: "", text: "That answer was complete; there is nothing left to add." };
}

function freshPlan(
  call: LanguageModelV4CallOptions,
  conversation: Conversation,
  text: string,
  command: Command | undefined,
  seed: number,
): Plan {
  const random = createRandom(hashText(text, seed) ^ conversation.said.length);
  if (command === undefined || command.kind === "continue") return { reasoning: "", text: converse(conversation, random) };
  return commandPlan(call, command, text, Math.floor(random() * 2 ** 32));
}

function commandPlan(call: LanguageModelV4CallOptions, command: Exclude<Command, { kind: "continue" }>, text: string, seed: number): Plan {
  switch (command.kind) {
    case "say":
      return { reasoning: "", text: command.text };
    case "count":
      return { reasoning: "", text: Array.from({ length: command.to }, (_, index) => index + 1).join(" ") };
    case "write":
      return {
        reasoning: "",
        text: writeProse(
          command.words,
          seed,
          command.topic === "" ? "" : `You asked for ${command.topic.trim()}; I only know one harbour.`,
        ),
      };
    case "think":
      return thinkPlan(command.topic, call.reasoning === "none");
    case "tool":
      return toolWishPlan(call, command.wish, text);
    case "cut":
      return {
        reasoning: "",
        text: writeProse(command.afterWords + WORDS_AFTER_CUT, seed),
        cut: { how: command.how, afterWords: command.afterWords },
      };
    case "markdown":
      return { reasoning: "", text: MARKDOWN_SAMPLE };
    case "unicode":
      return { reasoning: "", text: UNICODE_SAMPLE };
  }
}

function thinkPlan(topic: string, isSilent: boolean): Plan {
  const subject = topic === "" ? "that" : shorten(topic, 80);
  const reasoning = `The person wants me to think about ${subject}. First, what do I know? I am a demo model with a few rules, so the honest answer is: not much. Second, what would help? Showing that reasoning streams apart from the answer, is stored with it, and survives a reload. Good, I will say so and keep it short.`;
  const text = `I have thought about ${subject}. My conclusion: it deserves a better mind than mine. But you saw the thinking arrive before the answer, as its own part of the message, and it will still be there after a reload.`;
  return { reasoning: isSilent ? "" : reasoning, text };
}

function toolWishPlan(call: LanguageModelV4CallOptions, wish: ToolWish, text: string): Plan {
  const tool = chooseTool(callableTools(call), wish, text);
  if (tool !== undefined) return toolPlan(tool, text);
  const without = { any: "use one", roll: "roll anything", weather: "look at the weather" }[wish];
  return {
    reasoning: "",
    text: `No tool is bound to this call, so I cannot ${without}. Give \`streamText\` a \`tools\` object, and I will call what I find there.`,
  };
}

function toolPlan(tool: LanguageModelV4FunctionTool, text: string): Plan {
  return {
    reasoning: "",
    text: `One moment, I will call \`${tool.name}\`.`,
    toolCall: { toolName: tool.name, input: toolInput(tool, text) },
  };
}
