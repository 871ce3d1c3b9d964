// Runs the simulated world: `npm run test:simulation -- --schedules 100000 --seed 7`. Other arguments go to vitest.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const VARIABLES = { "--schedules": "SIMULATION_SCHEDULES", "--seed": "SIMULATION_SEED" };

const env = { ...process.env };
const rest = [];
for (let args = process.argv.slice(2); args.length > 0; args = args.slice(1)) {
  const [name, inline] = args[0].split("=");
  if (!(name in VARIABLES)) {
    rest.push(args[0]);
    continue;
  }
  if (inline === undefined) args = args.slice(1);
  const value = inline ?? args[0];
  if (!/^\d+$/.test(value ?? "")) {
    console.error(`simulate: ${name} needs a whole number`);
    process.exit(1);
  }
  env[VARIABLES[name]] = value;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const cli = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const child = spawn(process.execPath, [cli, "run", "-c", "vitest.simulation.config.ts", ...rest], { cwd: root, env, stdio: "inherit" });
child.on("close", (code) => (process.exitCode = code ?? 1));
