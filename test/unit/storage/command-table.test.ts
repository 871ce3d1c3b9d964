import { describe, expect, it } from "vitest";
import { CommandTable } from "../../../src/storage/command-table.ts";
import { Database } from "../../../src/storage/database.ts";
import { createSchema } from "../../../src/storage/migrate.ts";
import { LIBRARY_MIGRATIONS } from "../../../src/storage/schema.ts";
import { NodeSqliteStorage } from "../../support/node-sqlite-storage.ts";

const DAY_MS = 86_400_000;

/** A table with so many commands, one a second, the last one at 0. */
function tableOf(count: number): CommandTable {
  const db = new Database(new NodeSqliteStorage());
  createSchema(db, { library: LIBRARY_MIGRATIONS, app: [], now: () => 1, mode: "report", report: () => {} });
  const table = new CommandTable(db);
  for (let n = 1; n <= count; n++) table.insert(`command-${n}`, { fingerprint: "f", rev: n }, (n - count) * 1_000);
  return table;
}

describe("trimming the commands", () => {
  it("keeps what a client may still repeat: a week", () => {
    const table = tableOf(1_500);
    expect(table.trim(7 * DAY_MS - 2_000_000)).toBe(1_500);
    expect(table.trim(7 * DAY_MS - 1_200_000)).toBe(1_201);
    expect(table.find("command-300")).toBeDefined();
    expect(table.find("command-299")).toBeUndefined();
  });

  it("keeps the newest thousand, however old they are", () => {
    const table = tableOf(1_500);
    expect(table.trim(365 * DAY_MS)).toBe(1_000);
    expect(table.find("command-501")).toBeDefined();
    expect(table.find("command-500")).toBeUndefined();
    expect(tableOf(10).trim(365 * DAY_MS)).toBe(10);
  });
});
