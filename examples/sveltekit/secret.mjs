// A secret for this machine, which signs cookies and tickets. Kept, so that a restart knows its visitors; never printed.
import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";

const file = path.join(import.meta.dirname, ".dev.vars");
if (!existsSync(file)) writeFileSync(file, `CHATCELL_SECRET="${randomBytes(48).toString("base64")}"\n`, { mode: 0o600, flag: "wx" });
