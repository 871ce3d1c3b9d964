// `chatcell/testing`: what a test of an app needs. Node only.
export { createLink } from "../testing/link.ts";
export { checkProviderRules } from "../testing/provider-rules.ts";
export { scriptedModel } from "../testing/scripted-model.ts";
export { startWorkerd } from "../testing/workerd.ts";

export type { Link, LinkCounts, LinkOptions } from "../testing/link.ts";
export type { PromptMessage } from "../testing/provider-rules.ts";
export type { LanguageModelFinish, ScriptedPart, ScriptedStep } from "../testing/script.ts";
export type { Script, ScriptedCall, ScriptedModel, ScriptedModelOptions } from "../testing/scripted-model.ts";
export type { WorkerdOptions, WorkerdProcess } from "../testing/workerd.ts";
