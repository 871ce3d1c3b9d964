import { describe, expect, it } from "vitest";
import { isAllowed } from "../../../src/auth/roles.ts";
import type { ClientFrame, Role } from "../../../src/protocol/frames.ts";

const EXPECTED: Record<Role, Record<ClientFrame["type"], boolean>> = {
  owner: { send: true, stop: true, cancel: true, page: true, sync: true },
  member: { send: true, stop: true, cancel: true, page: true, sync: true },
  viewer: { send: false, stop: false, cancel: false, page: true, sync: true },
};

const cells = Object.entries(EXPECTED).flatMap(([role, row]) =>
  Object.entries(row).map(([type, allowed]) => [role, type, allowed] as const),
);

describe("isAllowed", () => {
  it.each(cells)("answers for %s and %s: %s", (role, type, allowed) => {
    expect(isAllowed(role as Role, type as ClientFrame["type"])).toBe(allowed);
  });

  it("allows nothing that it does not know", () => {
    for (const word of ["", "__proto__", "constructor", "toString", "admin"]) {
      expect(isAllowed(word as Role, "page")).toBe(false);
      expect(isAllowed("owner", word as "page")).toBe(false);
    }
  });
});
