// Makes .dev.vars with a random secret, once. It signs cookies and tickets; kept, so that a restart knows its visitors.
import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";

const file = `${import.meta.dirname}/.dev.vars`;
if (!existsSync(file)) writeFileSync(file, `CHATCELL_SECRET="${randomBytes(48).toString("base64")}"\n`, { mode: 0o600, flag: "wx" });
