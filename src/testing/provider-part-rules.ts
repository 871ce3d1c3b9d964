// What providers refuse in one part of a prompt, whatever stands around it.

/** Takes a fault and its place. */
export type Report = (place: string, fault: string) => void;

type Fields = Record<string, unknown>;

/** Whether a value is an object and no array. */
export const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a text has nothing to read in it: Anthropic and Google refuse an empty one, Anthropic also mere whitespace. */
export const isBlank = (text: unknown): boolean => typeof text !== "string" || text.trim() === "";

/** Anthropic and Amazon Bedrock take these characters in call ids and tool names only. */
const WORD = /^[\w-]+$/;

/** OpenAI takes call ids, OpenAI and Bedrock tool names up to this length. */
const MAX_WORD_LENGTH = 64;

/** Whether a call id or tool name is one that every provider takes. */
export const isWord = (text: unknown): text is string => typeof text === "string" && text.length <= MAX_WORD_LENGTH && WORD.test(text);

/** The path to half a surrogate pair, which strict JSON parsers refuse; undefined when there is none. */
export function loneSurrogateIn(value: unknown): string | undefined {
  if (typeof value === "string") return value.isWellFormed() ? undefined : "";
  if (typeof value !== "object" || value === null || value instanceof URL || ArrayBuffer.isView(value)) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (!key.isWellFormed()) return `.${key.toWellFormed()}`;
    const path = loneSurrogateIn(inner);
    if (path !== undefined) return `.${key}${path}`;
  }
  return undefined;
}

/** Reports what is wrong with one part. */
export function checkPart(part: Fields, place: string, report: Report): void {
  const { providerOptions } = part;
  if (providerOptions !== undefined && !(isObject(providerOptions) && Object.values(providerOptions).every(isObject))) {
    report(place, "its provider options are no objects by provider");
  }
  switch (part.type) {
    case "text":
      if (isBlank(part.text)) report(place, "the text is empty");
      break;
    case "reasoning":
      if (typeof part.text !== "string") report(place, "the thought has no text");
      else if (isBlank(part.text) && providerOptions === undefined) report(place, "the thought is empty");
      break;
    case "file":
    case "reasoning-file":
      checkFile(part, place, report);
      break;
    case "custom":
      if (typeof part.kind !== "string" || !part.kind.includes(".")) report(place, "the kind names no provider");
      break;
    case "tool-result":
      checkOutput(part.output, place, report);
      break;
    case "tool-approval-request":
    case "tool-approval-response":
      if (typeof part.approvalId !== "string" || part.approvalId === "") report(place, "has no approval id");
      break;
  }
}

function checkFile({ mediaType, filename, data }: Fields, place: string, report: Report): void {
  if (isBlank(mediaType)) report(place, "the file has no media type");
  if (filename !== undefined && typeof filename !== "string") report(place, "the filename is no text");
  const inner = isObject(data) && !(data instanceof URL) ? (data.url ?? data.data ?? data.reference ?? data.text) : data;
  const url = inner instanceof URL ? inner.href : typeof inner === "string" && /^[a-z][a-z\d+.-]*:/i.test(inner) ? inner : undefined;
  if (url === undefined ? !inner : !isUsableUrl(url)) report(place, "no provider can read the file");
}

/** The web, or base64 with its type: what the AI SDK passes on or downloads. */
function isUsableUrl(url: string): boolean {
  return /^https?:/i.test(url) || /^data:[^;,/]+\/[^;,]+(;[^;,]*)*;base64,[^\s,]/i.test(url);
}

/** What a tool gave back. Empty text is refused for errors by Anthropic, for any result by Bedrock. */
function checkOutput(output: unknown, place: string, report: Report): void {
  if (!isObject(output)) return report(place, "has no output");
  const { type, value, reason } = output;
  switch (type) {
    case "text":
    case "error-text":
      if (isBlank(value)) report(place, "the output is empty");
      break;
    case "json":
    case "error-json":
      if (value === undefined) report(place, "the output is empty");
      break;
    case "execution-denied":
      if (reason !== undefined && isBlank(reason)) report(place, "the reason is empty");
      break;
    case "content":
      if (!Array.isArray(value) || value.length === 0) return report(place, "the output is empty");
      (value as unknown[]).forEach((item, index) => {
        if (!isObject(item) || (item.type === "text" && isBlank(item.text))) report(`${place}.output[${index}]`, "is empty");
      });
      break;
    default:
      report(place, `${JSON.stringify(type)} is no type of output`);
  }
}
