import { NodeSqliteStorage } from "../../support/node-sqlite-storage.ts";
import type { WithStorage } from "../../support/storage-probes.ts";

export const withNodeStorage: WithStorage = (body) => {
  const storage = new NodeSqliteStorage();
  try {
    body(storage);
  } finally {
    storage.close();
  }
};
