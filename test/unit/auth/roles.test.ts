import { describe, expect, it } from "vitest";
import { isAllowed } from "../../../src/auth/roles.ts";
import type { Command, Read, Role } from "../../../src/protocol/frames.ts";

const EXPECTED: Record<Role, Record<(Command | Read)["type"], boolean>> = {
  owner: { ...each(true), append: false, page: true, sync: true },
  member: { ...each(true), append: false, page: true, sync: true },
  viewer: { ...each(false), append: false, page: true, sync: true },
};

function each<Value>(value: Value) {
  return {
    send: value,
    edit: value,
    regenerate: value,
    continue: value,
    stop: value,
    cancel: value,
    resolve: value,
    claim: value,
    set: value,
  };
}

const cells = Object.entries(EXPECTED).flatMap(([role, row]) =>
  Object.entries(row).map(([type, allowed]) => [role, type, allowed] as const),
);

describe("isAllowed", () => {
  it.each(cells)("answers for %s and %s: %s", (role, type, allowed) => {
    expect(isAllowed(role as Role, type as (Command | Read)["type"])).toBe(allowed);
  });

  it("allows nothing that it does not know", () => {
    for (const word of ["", "__proto__", "constructor", "toString", "admin"]) {
      expect(isAllowed(word as Role, "page")).toBe(false);
      expect(isAllowed("owner", word as "page")).toBe(false);
    }
  });
});
