// Threads with the client tools of `Scripted`. No assertions.
import { Scene, waiting, type Sdk } from "./scene.ts";

export const PICK = { tool: "pickDate", input: { label: "When?" } };
export const LOCATE = { tool: "locate", input: {} };
/** An output of `pickDate`. */
export const DATE = { date: "2026-12-24" };

/** A tool as an app declares one that it does not run. */
export function clientTool(scene: Scene, name: string, extra: object = {}): object {
  const { execute: _execute, ...rest } = scene.tool(name, undefined, extra) as { execute: unknown };
  return rest;
}

/** A thread with the two client tools of `Scripted`, and `others`. */
export function clientScene(
  script: ConstructorParameters<typeof Scene>[0]["script"],
  { sdk, others = () => ({}), settings = {} }: { sdk?: Sdk; others?: (scene: Scene) => Record<string, object>; settings?: object } = {},
): Promise<Scene> {
  const toolsOf = (scene: Scene) => ({ pickDate: clientTool(scene, "pickDate"), locate: clientTool(scene, "locate"), ...others(scene) });
  return Scene.stage(toolsOf, { script, settings, ...(sdk ? { sdk } : {}) });
}

/** The same, with its first turn waiting. */
export async function waitingForClient(step: readonly { tool: string; input: unknown }[] = [PICK], sdk?: Sdk): Promise<Scene> {
  const scene = await clientScene([step, "Noted."], sdk ? { sdk } : {});
  await scene.send();
  await waiting(scene);
  return scene;
}
