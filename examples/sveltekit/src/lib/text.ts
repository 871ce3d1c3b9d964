import type { Part } from "chatcell/client";

/** What parts say, as plain text. */
export function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}
