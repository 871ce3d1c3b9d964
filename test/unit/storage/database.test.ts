import { databaseSuite } from "./database-suite.ts";
import { withNodeStorage } from "./with-node-storage.ts";

databaseSuite(withNodeStorage);
