import { describe, expect, it } from "vitest";
import { Admissions } from "../../../src/auth/admissions.ts";
import { LIMITS } from "../../../src/protocol/limits.ts";
import { codeOf, countedIds, NOW, ORIGIN } from "./support.ts";

const principal = { id: "ann" };

function makeAdmissions() {
  const clock = { now: NOW };
  return { clock, admissions: new Admissions({ now: () => clock.now, newId: countedIds() }) };
}

describe("Admissions", () => {
  it("gives each admission its own nonce, the boot of this life, and 30 seconds", () => {
    const { admissions } = makeAdmissions();
    expect(admissions.admit({ principal, origin: ORIGIN })).toEqual({ nonce: "id-2", boot: "id-1", expiresAt: NOW + 30_000 });
    expect(admissions.admit({ principal, origin: ORIGIN })).toMatchObject({ nonce: "id-3", boot: "id-1" });
  });

  it("gives the principal once", () => {
    const { admissions } = makeAdmissions();
    const { nonce } = admissions.admit({ principal, origin: ORIGIN });
    expect(admissions.take(nonce, ORIGIN)).toEqual(principal);
    expect(admissions.take(nonce, ORIGIN)).toBeNull();
  });

  it("lets one of 50 parallel uses win", async () => {
    const { admissions } = makeAdmissions();
    const { nonce } = admissions.admit({ principal, origin: ORIGIN });
    const uses = await Promise.all(Array.from({ length: 50 }, async () => admissions.take(nonce, ORIGIN)));
    expect(uses.filter((taken) => taken !== null)).toEqual([principal]);
  });

  it("burns an admission that comes from another origin", () => {
    const { admissions } = makeAdmissions();
    for (const [noted, shown] of [
      [ORIGIN, ""],
      ["", ORIGIN],
      [ORIGIN, "https://evil.example"],
    ] as const) {
      const { nonce } = admissions.admit({ principal, origin: noted });
      expect(admissions.take(nonce, shown)).toBeNull();
      expect(admissions.take(nonce, noted)).toBeNull();
    }
  });

  it("knows no nonce that it did not give out", () => {
    const { admissions } = makeAdmissions();
    for (const nonce of ["", "id-1", "__proto__", "constructor"]) expect(admissions.take(nonce, "")).toBeNull();
  });

  it("forgets an admission when its time is over", () => {
    const { admissions, clock } = makeAdmissions();
    const late = admissions.admit({ principal, origin: "" });
    const inTime = admissions.admit({ principal, origin: "" });
    clock.now = inTime.expiresAt - 1;
    expect(admissions.take(inTime.nonce, "")).toEqual(principal);
    clock.now = late.expiresAt;
    expect(admissions.take(late.nonce, "")).toBeNull();
  });

  it("does not outlive its principal", () => {
    const { admissions } = makeAdmissions();
    expect(admissions.admit({ principal: { id: "u", expiresAt: NOW + 5 }, origin: "" }).expiresAt).toBe(NOW + 5);
  });

  it("holds a bounded number and takes new ones when old ones are used or over", async () => {
    const { admissions, clock } = makeAdmissions();
    const first = admissions.admit({ principal, origin: "" });
    for (let i = 1; i < LIMITS.maxAdmissions; i++) admissions.admit({ principal: { id: `u${i}` }, origin: "" });
    expect(await codeOf(() => admissions.admit({ principal, origin: "" }))).toBe("too_many_admissions");
    expect(admissions.take(first.nonce, "")).toEqual(principal);
    admissions.admit({ principal, origin: "" });
    expect(await codeOf(() => admissions.admit({ principal, origin: "" }))).toBe("too_many_admissions");
    clock.now += LIMITS.ticketTtlMs;
    expect(admissions.admit({ principal, origin: "" }).expiresAt).toBe(clock.now + LIMITS.ticketTtlMs);
  });

  it("lets no principal use up the tickets of the others", async () => {
    const { admissions } = makeAdmissions();
    for (let i = 0; i < LIMITS.maxAdmissionsPerPrincipal; i++) admissions.admit({ principal, origin: "" });
    expect(await codeOf(() => admissions.admit({ principal, origin: "" }))).toBe("too_many_admissions");
    expect(admissions.admit({ principal: { id: "another" }, origin: "" }).nonce).toBeTruthy();
  });

  it("remembers nothing in its next life", () => {
    const { nonce } = makeAdmissions().admissions.admit({ principal, origin: "" });
    expect(makeAdmissions().admissions.take(nonce, "")).toBeNull();
  });
});
