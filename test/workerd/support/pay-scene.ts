// A thread whose tool `pay` needs approval, as each version of the AI SDK is told so. No assertions.
import { Scene, waiting, type Sdk } from "./scene.ts";

export const PAY = { tool: "pay", input: { euros: 5 } };

/** How a version of the AI SDK is told that `pay` needs approval. */
function asking(sdk: Sdk): { settings: object; extra: object } {
  return sdk.endsWith("7")
    ? { settings: { toolApproval: { pay: "user-approval" } }, extra: {} }
    : { settings: {}, extra: { needsApproval: true } };
}

export interface PayOptions {
  sdk?: Sdk;
  pay?: () => unknown;
  others?: (scene: Scene) => Record<string, object>;
  extra?: object;
}

/** A thread whose tool `pay` needs approval. */
export async function payScene(script: ConstructorParameters<typeof Scene>[0]["script"], options: PayOptions = {}): Promise<Scene> {
  const { sdk = "streamText of ai 7", pay = () => "paid", others = () => ({}) } = options;
  const { settings, extra } = asking(sdk);
  return Scene.stage((scene) => ({ pay: scene.tool("pay", pay, { ...extra, ...options.extra }), ...others(scene) }), {
    sdk,
    script,
    settings,
  });
}

/** The same, with its first turn waiting for the approval. */
export async function waitingForPay(options: PayOptions = {}): Promise<Scene & { turnId: string }> {
  const scene = await payScene([["I pay. ", PAY], "Paid."], options);
  const turnId = await scene.send();
  await waiting(scene);
  return Object.assign(scene, { turnId });
}
