// What the pages of all frameworks show of a message, in the same words.

interface Shown {
  parts: readonly { type: string }[];
}

/** The text, and each tool call with its state and its output. */
export function textOf({ parts }: Shown): string {
  return (parts as readonly { type: string; text?: string; state?: string; output?: unknown }[])
    .map(({ type, text, state, output }) => {
      if (type === "text") return text;
      return type.startsWith("tool-") ? `[${type} ${state} ${JSON.stringify(output ?? null)}]` : "";
    })
    .join("");
}

/** The approvals that somebody is asked for. */
export function asked(messages: readonly Shown[]): string[] {
  return messages.flatMap(({ parts }) =>
    (parts as readonly { state?: string; approval?: { id: string } }[]).flatMap(({ state, approval }) =>
      state === "approval-requested" && approval ? [approval.id] : [],
    ),
  );
}
