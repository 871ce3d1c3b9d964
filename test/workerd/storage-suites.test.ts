// The contracts of the storage layer, held by the real SQLite of an object as they are by node:sqlite in the unit tests.
import { runInDurableObject } from "cloudflare:test";
import type { WithStorage } from "../support/storage-probes.ts";
import { databaseSuite } from "../unit/storage/database-suite.ts";
import { migrateSuite } from "../unit/storage/migrate-suite.ts";
import { overflowSuite } from "../unit/storage/overflow-suite.ts";
import { PLAIN } from "./support/objects.ts";

const withObjectStorage: WithStorage = (body) => runInDurableObject(PLAIN.get(PLAIN.newUniqueId()), (_plain, { storage }) => body(storage));

databaseSuite(withObjectStorage);
migrateSuite(withObjectStorage);
overflowSuite(withObjectStorage);
