// The virtual storage keeps the contract that node:sqlite and workerd keep, and what it adds: death, and an alarm in the transaction.
import { expect, it } from "vitest";
import { VirtualAlarm } from "../../src/testing/world/virtual-alarm.ts";
import { VirtualClock } from "../../src/testing/world/virtual-clock.ts";
import { DeadIncarnation, VirtualStorage, type StorageProbe } from "../../src/testing/world/virtual-storage.ts";
import type { WithStorage } from "../support/storage-probes.ts";
import { databaseSuite } from "../unit/storage/database-suite.ts";
import { migrateSuite } from "../unit/storage/migrate-suite.ts";
import { overflowSuite } from "../unit/storage/overflow-suite.ts";

const QUIET: StorageProbe = { beforeStatement: () => {}, beforeCommit: () => {}, afterCommit: () => {} };

function createStorage(probe: Partial<StorageProbe> = {}) {
  const clock = new VirtualClock(0);
  const alarm = new VirtualAlarm(clock, () => true);
  return { clock, alarm, storage: new VirtualStorage(alarm, { ...QUIET, ...probe }) };
}

const withVirtualStorage: WithStorage = (body) => {
  const { storage } = createStorage();
  try {
    body(storage.viewOf({ isDead: false }));
  } finally {
    storage.close();
  }
};

databaseSuite(withVirtualStorage);
migrateSuite(withVirtualStorage);
overflowSuite(withVirtualStorage);

it("undoes everything since the last commit when the object dies, also when the crash is caught", () => {
  const owner = { isDead: false };
  const { storage, alarm } = createStorage();
  const view = storage.viewOf(owner);
  view.sql.exec("CREATE TABLE t (n INTEGER)");
  const dies = (): void => {
    view.transactionSync(() => {
      view.sql.exec("INSERT INTO t VALUES (1)");
      alarm.set(5);
      owner.isDead = true;
      try {
        view.sql.exec("INSERT INTO t VALUES (2)");
      } catch {
        // Code that goes on after it has died.
      }
    });
  };
  expect(dies).toThrow(DeadIncarnation);
  expect(storage.query("SELECT n FROM t")).toEqual([]);
  expect(alarm.at).toBeNull();
  expect(() => view.sql.exec("SELECT 1")).toThrow(DeadIncarnation);
});

it("sets an alarm only with the commit that it belongs to, and takes it back with what is undone", async () => {
  const { storage, alarm, clock } = createStorage();
  const view = storage.viewOf({ isDead: false });
  view.transactionSync(() => {
    alarm.set(10);
    expect(() =>
      view.transactionSync(() => {
        alarm.set(20);
        throw new Error("undone");
      }),
    ).toThrow("undone");
    expect([alarm.at, clock.pending]).toEqual([10, 0]);
  });
  expect([alarm.at, clock.pending]).toEqual([10, 1]);
  await clock.advance(10);
  expect([alarm.at, clock.pending]).toEqual([null, 0]);
});

it("tells of every commit once, and of statements outside of a transaction", () => {
  let commits = 0;
  const { storage } = createStorage({ afterCommit: () => commits++ });
  const view = storage.viewOf({ isDead: false });
  view.sql.exec("CREATE TABLE t (n INTEGER)");
  view.transactionSync(() => view.transactionSync(() => view.sql.exec("INSERT INTO t VALUES (1)")));
  view.sql.exec("SELECT * FROM t");
  expect(commits).toBe(2);
});
