import { describe, expect, it } from "vitest";
import { readBranch, readPage } from "../../../src/history/page.ts";
import type { Message } from "../../../src/protocol/messages.ts";
import type { MessageTable } from "../../../src/storage/message-table.ts";

/** A table of these messages: id → id of the parent. */
function tableOf(parents: Record<string, string | null>): MessageTable {
  const find = (id: string): Message | undefined =>
    id in parents ? { id, parent: parents[id]!, role: "user", parts: [], createdAt: 0 } : undefined;
  return { find } as MessageTable;
}

const ids = (messages: Message[]): string[] => messages.map(({ id }) => id);

describe("a branch whose parents were damaged", () => {
  it("and run in a circle has each of its messages once", () => {
    const table = tableOf({ a: "c", b: "a", c: "b" });
    expect(ids(readBranch(table, "c"))).toEqual(["a", "b", "c"]);
    expect(readPage(table, "c")).toMatchObject({ messages: [{ id: "a" }, { id: "b" }, { id: "c" }], hasEarlier: false });
  });

  it("and end at a message that is not there begins below it", () => {
    const table = tableOf({ b: "gone", c: "b" });
    expect(ids(readBranch(table, "c"))).toEqual(["b", "c"]);
    expect(readPage(table, "c")).toMatchObject({ messages: [{ id: "b" }, { id: "c" }], hasEarlier: false });
  });
});
