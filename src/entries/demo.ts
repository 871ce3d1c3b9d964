// `chatcell/demo`: a model that needs no key.
export { DEMO_COMMANDS } from "../demo/commands.ts";
export { createDemoModel } from "../demo/model.ts";

export type { DemoCommand } from "../demo/commands.ts";
export type { DemoModel, DemoModelOptions } from "../demo/model.ts";
