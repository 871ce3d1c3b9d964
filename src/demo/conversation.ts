// What the demo model knows of a conversation: only what the prompt of this one call holds. Nothing is kept between calls.
import type { LanguageModelV4Prompt, LanguageModelV4ToolResultPart } from "@ai-sdk/provider";

/** A file of the last message. */
export interface SentFile {
  name: string;
  mediaType: string;
}

/** The conversation, as the demo model reads it from a prompt. */
export interface Conversation {
  /** What the person said, oldest first; the last entry is what is answered now. Empty when the prompt has no user message. */
  said: readonly string[];
  /** What was answered so far, oldest first: one entry per message of the person that got words back. */
  answered: readonly string[];
  /** Files of the last message. */
  files: readonly SentFile[];
  /** Tool results since the last message of the person; empty unless the prompt ends with them. */
  results: readonly LanguageModelV4ToolResultPart[];
}

type Content = Exclude<LanguageModelV4Prompt[number], { role: "system" }>["content"];

function textOf(content: Content, separator: string): string {
  const texts: string[] = [];
  for (const part of content) if (part.type === "text") texts.push(part.text);
  return texts.join(separator);
}

/** Reads a prompt of any length in one pass. */
export function readConversation(prompt: LanguageModelV4Prompt): Conversation {
  const said: string[] = [];
  const answered: string[] = [];
  let answer = "";
  let files: SentFile[] = [];
  let results: LanguageModelV4ToolResultPart[] = [];
  const endAnswer = (): void => {
    if (answer.trim() !== "") answered.push(answer);
    answer = "";
  };
  for (const message of prompt) {
    if (message.role === "user") {
      endAnswer();
      said.push(textOf(message.content, "\n"));
      files = message.content.flatMap((part) =>
        part.type === "file" ? [{ name: part.filename ?? "a file", mediaType: part.mediaType }] : [],
      );
      results = [];
    } else if (message.role === "assistant") {
      answer += textOf(message.content, "");
    } else if (message.role === "tool") {
      results.push(...message.content.filter((part) => part.type === "tool-result"));
    }
  }
  endAnswer();
  return { said, answered, files, results: prompt.at(-1)?.role === "tool" ? results : [] };
}

/** The prompt without the answer that it ends with, and that answer's text; for a prompt that ends otherwise, the text is empty. */
export function splitUnfinished(prompt: LanguageModelV4Prompt): { before: LanguageModelV4Prompt; done: string } {
  let end = prompt.length;
  let done = "";
  for (let message = prompt[end - 1]; message?.role === "assistant"; message = prompt[end - 1]) {
    done = textOf(message.content, "") + done;
    end -= 1;
  }
  return { before: prompt.slice(0, end), done };
}
