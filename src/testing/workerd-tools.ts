// Finds what runs a Worker outside of the package's own dependencies: the workerd binary and esbuild. Both belong to the
// project under test, so they are looked for there first, and named with the command that adds them when they are missing.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ChatError } from "../errors.ts";

/** The part of esbuild that is used. */
interface Bundler {
  build(options: Record<string, unknown>): Promise<{ outputFiles: { text: string }[] }>;
}

/** @throws {ChatError} `configuration` when the package `workerd` is not installed, or not for this machine */
export function findWorkerd(): string {
  const found = resolveTool("workerd");
  const { default: binary } = createRequire(found)(found) as { default: string };
  return binary;
}

/**
 * The Worker at `entry` with all that it imports, as the text of one ES module.
 * @throws {ChatError} `configuration` when esbuild is not installed, or the module cannot be bundled
 */
export async function bundleWorker(entry: string): Promise<string> {
  const esbuild = (await import(pathToFileURL(resolveTool("esbuild")).href)) as Bundler & { default?: Bundler };
  try {
    const { outputFiles } = await (esbuild.default ?? esbuild).build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      format: "esm",
      platform: "neutral",
      target: "es2022",
      mainFields: ["module", "main"],
      conditions: ["workerd", "worker", "browser"],
      external: ["cloudflare:*", "node:*"],
      logLevel: "silent",
    });
    return outputFiles.map(({ text }) => text).join("");
  } catch (cause) {
    throw new ChatError("configuration", `The Worker ${entry} cannot be bundled: ${String(cause)}`, { cause });
  }
}

function resolveTool(name: string): string {
  for (const from of [pathToFileURL(path.join(process.cwd(), "package.json")).href, import.meta.url]) {
    try {
      return createRequire(from).resolve(name);
    } catch {
      // Not to be found from there: the next place, then the error.
    }
  }
  throw new ChatError("configuration", `startWorkerd needs the package "${name}". Add it: npm install --save-dev ${name}`);
}
