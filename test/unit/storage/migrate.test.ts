import { migrateSuite } from "./migrate-suite.ts";
import { withNodeStorage } from "./with-node-storage.ts";

migrateSuite(withNodeStorage);
