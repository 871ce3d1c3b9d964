// What a client does about every way in which a connection can end: the table of docs/PROTOCOL.md §6, walked.
import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { reasonToStop } from "../../../src/client/connection.ts";
import { ERRORS } from "../../../src/error-table.ts";
import { isChatError } from "../../../src/errors.ts";
import { createWorld, type World } from "./client-world.ts";

const PAGE = fs.readFileSync(path.resolve(import.meta.dirname, "../../../docs/PROTOCOL.md"), "utf8");
/** Code → what the last column of the table says that a client does. */
const PROMISED = new Map([...PAGE.matchAll(/^\| `(\w+)` .*\| ([^|]+?) +\|$/gm)].map(([, code, does]) => [code!, does!]));

/** What the client does about a close that it has just heard of. */
async function endOf(world: World): Promise<"stop" | "retry"> {
  const { kind } = world.snapshot.connection;
  await world.clock.advance(1_000);
  if (kind === "stopped") {
    expect([world.server.tickets.length, world.clock.pending]).toEqual([1, []]);
    return "stop";
  }
  expect([kind, world.snapshot.connection.kind]).toEqual(["waiting", "live"]);
  // Never the old one again.
  expect(world.server.sockets.map(({ protocols }) => protocols[1])).toEqual(["ticket.ticket1", "ticket.ticket2"]);
  return "retry";
}

describe("a close", () => {
  it.each(Object.entries(ERRORS))("for %s is met as the protocol says", async (code, { close }) => {
    const promised = PROMISED.get(code);
    expect(promised, `the row of ${code} in docs/PROTOCOL.md`).toMatch(/^(stop|retry|new ticket|`POST \/identity`, then a new ticket)$/);
    const world = await createWorld();
    world.server.losesRequests = true;
    const sending = world.client.send("a").catch((failure: unknown) => failure);
    world.server.losesRequests = false;
    world.server.socket.drop(close, code);
    const { connection, error } = world.snapshot;
    const end = await endOf(world);
    expect(end).toBe(promised === "stop" ? "stop" : "retry");
    if (end === "stop") {
      expect([connection, error]).toMatchObject([{ kind: "stopped", reason: { code, retryable: false } }, { code }]);
      expect(isChatError(await sending)).toBe(true);
    } else expect(await sending).toMatchObject({ position: 0 });
  });

  const LOST: [number, string][] = [
    [1000, "a normal close"],
    [1001, "a server that goes away"],
    [1005, "no code"],
    [1006, "no close frame"],
    [1008, "a policy"],
    [1009, "a message too big for a proxy"],
    [1011, "an exception"],
    [1012, "a restart"],
    [1013, "an overload"],
    [1015, "a failed handshake"],
    [3000, "a code of a library"],
    [4000, "an unknown code under 4400"],
    [4399, "the last code under 4400"],
    [4401, "a missing credential"],
    [4402, "an old ticket"],
    [4500, "the first code for retry"],
    [4599, "an unknown code for retry"],
    [4999, "the last code of all"],
  ];
  it.each(LOST)("with %i, %s, is a lost connection", async (close) => {
    const world = await createWorld();
    world.server.socket.drop(close, "why");
    expect(await endOf(world)).toBe("retry");
  });

  it.each([4400, 4403, 4410, 4420, 4426, 4440, 4499])("with %i is for good, also without a reason", async (close) => {
    const world = await createWorld();
    world.server.socket.drop(close);
    const { reason } = world.snapshot.connection as { reason?: unknown };
    expect(reason).toMatchObject({ code: "bad_request", retryable: false });
    expect(await endOf(world)).toBe("stop");
  });

  it("is for good with exactly 98 codes", () => {
    const all = Array.from({ length: 4_000 }, (_, index) => 1_000 + index);
    const stops = all.filter((code) => reasonToStop(code, "gone"));
    expect(stops).toEqual(all.filter((code) => code >= 4400 && code < 4500 && code !== 4401 && code !== 4402));
  });

  it("while connecting counts as a failed attempt, whatever its code", async () => {
    const world = await createWorld({ prepare: (server) => (server.accepts = false) });
    world.server.socket.drop(1006);
    expect(world.snapshot.connection).toMatchObject({ kind: "waiting", attempt: 1 });
    await world.clock.advance(1_000);
    world.server.socket.drop(4404, "not_found");
    expect(world.snapshot.connection).toMatchObject({ kind: "stopped", reason: { code: "not_found" } });
  });
});
