// The Worker of examples/minimal, as its own start.mjs starts it, with other pages than its own.
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import ts from "typescript";
import { afterAll } from "vitest";
import { Example } from "../../support/example.ts";
import { buildPages } from "./build.ts";

const EXAMPLE = path.resolve(import.meta.dirname, "../../../../examples/minimal");

/** What starts a server of the pages of a folder beside the chat, once. Its files are gone after the tests of the file. */
export function siteOf(folder: "use-chat" | "bindings"): () => Promise<Example> {
  const place = mkdtempSync(path.join(tmpdir(), "chatcell-pages-"));
  afterAll(() => rmSync(place, { recursive: true, force: true }));
  return async () => {
    await buildPages(folder, path.join(place, "pages"));
    return Example.start(["--config", writeConfig(place)]);
  };
}

/** The example's configuration with assets of ours, which are built already. @returns its file */
function writeConfig(place: string): string {
  const file = path.join(EXAMPLE, "wrangler.jsonc");
  const { config } = ts.parseConfigFileTextToJson(file, readFileSync(file, "utf8")) as { config: Record<string, object> };
  const { $schema: _schema, build: _build, ...rest } = config;
  const written = path.join(place, "wrangler.json");
  const own = {
    main: path.join(EXAMPLE, "worker.ts"),
    assets: { ...rest.assets, directory: path.join(place, "pages") },
    vars: { CHATCELL_SECRET: randomBytes(48).toString("base64") },
  };
  writeFileSync(written, JSON.stringify({ ...rest, ...own }));
  return written;
}
