import { overflowSuite } from "./overflow-suite.ts";
import { withNodeStorage } from "./with-node-storage.ts";

overflowSuite(withNodeStorage);
