// Chooses a tool and makes an input that fits its JSON schema, from the words of the person where a property asks for them.
import type { LanguageModelV4CallOptions, LanguageModelV4FunctionTool } from "@ai-sdk/provider";
import type { ToolWish } from "./commands.ts";

/** The part of JSON Schema (draft 7) that an input is made from. */
export interface JsonSchema {
  type?: string | readonly string[];
  const?: unknown;
  enum?: readonly unknown[];
  default?: unknown;
  $ref?: string;
  allOf?: readonly (JsonSchema | boolean)[];
  anyOf?: readonly (JsonSchema | boolean)[];
  oneOf?: readonly (JsonSchema | boolean)[];
  properties?: Readonly<Record<string, JsonSchema | boolean>>;
  required?: readonly string[];
  items?: JsonSchema | boolean | readonly (JsonSchema | boolean)[];
  minItems?: number;
  maxItems?: number;
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

const MAX_DEPTH = 8;
const MAX_ITEMS = 20;
/** Values in one input: a schema that refers to itself in a list would else grow without end. */
const MAX_VALUES = 500;
const PLACE = /\b(?:in|for|at)\s+([\p{L}\p{M}][\p{L}\p{M}' .-]{0,60})/iu;
const PLACE_END = /[\s.]*(?:\b(?:today|tomorrow|now|please|like|right now)\b)?[\s.]*$/iu;
const FORMATS: Readonly<Record<string, string>> = {
  "date-time": "2026-01-01T12:00:00Z",
  date: "2026-01-01",
  time: "12:00:00Z",
  email: "ada@example.com",
  uri: "https://example.com/",
  url: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000000",
};

/** The bound tools that the demo model may call; provider-defined tools are not among them. */
export function callableTools(call: LanguageModelV4CallOptions): LanguageModelV4FunctionTool[] {
  if (call.toolChoice?.type === "none") return [];
  return (call.tools ?? []).filter((tool) => tool.type === "function");
}

/** The tool for a wish: for `any` one that the text names; else one whose name says so; else the first. */
export function chooseTool(
  tools: readonly LanguageModelV4FunctionTool[],
  wish: ToolWish,
  text: string,
): LanguageModelV4FunctionTool | undefined {
  const words = text.slice(0, 500).toLowerCase();
  const named = wish === "any" ? tools.find((tool) => words.includes(tool.name.toLowerCase())) : undefined;
  const pattern = wish === "roll" ? /roll|dice/iu : /weather/iu;
  return named ?? (wish === "any" ? undefined : tools.find((tool) => pattern.test(tool.name))) ?? tools[0];
}

/** The input of a call as JSON text: the JSON that the person wrote after "with", or one made from the schema. */
export function toolInput(tool: LanguageModelV4FunctionTool, text: string): string {
  return writtenInput(text) ?? sampleJson(tool.inputSchema, text);
}

/** JSON text that fits a schema, as far as the schema is simple. */
export function sampleJson(schema: JsonSchema, text: string): string {
  return JSON.stringify(new Sampler(schema, text).sample(schema, "", MAX_DEPTH));
}

function writtenInput(text: string): string | undefined {
  const start = text.search(/\bwith\s*\{/iu);
  if (start < 0) return undefined;
  try {
    return JSON.stringify(JSON.parse(text.slice(text.indexOf("{", start))));
  } catch {
    // Not JSON after all: the person wrote a brace in a sentence.
    return undefined;
  }
}

/** Makes one input. Optional properties are filled only from the words of the person. */
class Sampler {
  readonly #root: JsonSchema;
  readonly #text: string;
  readonly #numbers: number[];
  readonly #place: string;
  #valuesLeft = MAX_VALUES;

  constructor(root: JsonSchema, text: string) {
    this.#root = root;
    this.#text = text.slice(0, 500);
    this.#numbers = (this.#text.match(/\d{1,9}(?:\.\d{1,6})?/gu) ?? []).map(Number);
    this.#place = (PLACE.exec(this.#text)?.[1] ?? "").replace(PLACE_END, "");
  }

  sample(schema: JsonSchema | boolean | undefined, name: string, depth: number): unknown {
    this.#valuesLeft -= 1;
    if (typeof schema !== "object" || depth <= 0 || this.#valuesLeft < 0) return null;
    if (schema.const !== undefined) return schema.const;
    if (schema.enum !== undefined) return this.#choose(schema.enum);
    if (schema.$ref !== undefined) return this.sample(this.#resolve(schema.$ref), name, depth - 1);
    if (schema.allOf !== undefined) return this.sample(mergeAll(schema), name, depth - 1);
    const variants = schema.anyOf ?? schema.oneOf;
    if (variants !== undefined) {
      const variant = variants.find((candidate) => !isNull(candidate));
      return this.sample(variant, name, depth - 1);
    }
    return this.#ofType(schema, name, depth);
  }

  #ofType(schema: JsonSchema, name: string, depth: number): unknown {
    switch (typeOf(schema)) {
      case "object":
        return this.#object(schema, depth);
      case "array":
        return this.#array(schema, name, depth);
      case "string":
        return schema.default ?? this.#string(schema, name);
      case "integer":
      case "number":
        return this.#number(schema, name);
      case "boolean":
        return schema.default ?? true;
      default:
        return schema.default ?? null;
    }
  }

  /** Required properties always; an optional one only where the person's words give its value. */
  #object(schema: JsonSchema, depth: number): Record<string, unknown> {
    const required = new Set(schema.required ?? []);
    const entries = Object.entries(schema.properties ?? {}).filter(
      ([name, property]) => required.has(name) || this.#isGiven(property, name),
    );
    return Object.fromEntries(entries.map(([name, property]) => [name, this.sample(property, name, depth - 1)]));
  }

  #array(schema: JsonSchema, name: string, depth: number): unknown[] {
    const items = Array.isArray(schema.items) ? schema.items : undefined;
    const length = items?.length ?? Math.min(schema.minItems ?? 1, schema.maxItems ?? MAX_ITEMS, MAX_ITEMS);
    return Array.from({ length }, (_, index) => this.sample(items?.[index] ?? (schema.items as JsonSchema | undefined), name, depth - 1));
  }

  #string(schema: JsonSchema, name: string): string {
    const fixed = schema.format === undefined ? undefined : FORMATS[schema.format];
    if (fixed !== undefined) return fixed;
    const text = isPlaceName(name) && this.#place !== "" ? this.#place : this.#text.trim() || "demo";
    return text.padEnd(Math.min(schema.minLength ?? 0, 1_000), ".").slice(0, schema.maxLength ?? 200);
  }

  #number(schema: JsonSchema, name: string): number {
    const wanted = this.#numbers[0] ?? (typeof schema.default === "number" ? schema.default : /sides|faces/iu.test(name) ? 6 : 1);
    const whole = typeOf(schema) === "integer" ? Math.round(wanted) : wanted;
    const step = typeOf(schema) === "integer" ? 1 : 0.5;
    const least = schema.minimum ?? (schema.exclusiveMinimum === undefined ? -Infinity : schema.exclusiveMinimum + step);
    const most = schema.maximum ?? (schema.exclusiveMaximum === undefined ? Infinity : schema.exclusiveMaximum - step);
    return Math.min(Math.max(whole, least), most);
  }

  #choose(values: readonly unknown[]): unknown {
    const text = this.#text.toLowerCase();
    return values.find((value) => typeof value === "string" && value !== "" && text.includes(value.toLowerCase())) ?? values[0] ?? null;
  }

  #isGiven(schema: JsonSchema | boolean, name: string): boolean {
    if (typeof schema !== "object") return false;
    if (isPlaceName(name)) return this.#place !== "";
    return /sides|faces|count|number|amount/iu.test(name) && this.#numbers.length > 0;
  }

  #resolve(ref: string): JsonSchema | boolean | undefined {
    let target: unknown = this.#root;
    for (const key of ref.replace(/^#\/?/u, "").split("/")) {
      if (key === "") continue;
      if (typeof target !== "object" || target === null || !Object.hasOwn(target, key)) return undefined;
      target = (target as Record<string, unknown>)[key];
    }
    return target as JsonSchema | boolean | undefined;
  }
}

function isPlaceName(name: string): boolean {
  return /city|place|location|town|where|address/iu.test(name);
}

function isNull(schema: JsonSchema | boolean): boolean {
  return typeof schema === "object" && schema.type === "null";
}

function typeOf(schema: JsonSchema): string | undefined {
  const { type } = schema;
  if (typeof type === "object") return type.find((name) => name !== "null");
  return type ?? (schema.properties === undefined ? undefined : "object");
}

function mergeAll({ allOf = [], ...rest }: JsonSchema): JsonSchema {
  const parts = [rest, ...allOf.filter((part) => typeof part === "object")];
  const properties: NonNullable<JsonSchema["properties"]> = Object.assign({}, ...parts.map((part) => part.properties ?? {}));
  const merged: JsonSchema = Object.assign({}, ...parts);
  if (Object.keys(properties).length > 0) merged.properties = properties;
  merged.required = parts.flatMap((part) => part.required ?? []);
  return merged;
}
