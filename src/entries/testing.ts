// `chatcell/testing`: what a test of an app needs. Node only.
export { conformance } from "../testing/conformance/conformance.ts";
export { createMemoryServer } from "../testing/conformance/memory-server.ts";
export { createLink } from "../testing/link.ts";
export { checkProviderRules } from "../testing/provider-rules.ts";
export { scriptedModel } from "../testing/scripted-model.ts";
export { explore } from "../testing/thread/explore.ts";
export { createTestThread } from "../testing/thread/test-thread.ts";
export { startWorkerd } from "../testing/workerd.ts";

export type { MemoryServer } from "../testing/conformance/memory-server.ts";
export type {
  Capability,
  ClientAdapter,
  ClientSetup,
  ClientUnderTest,
  ClientView,
  ConformanceCase,
  ConformanceOptions,
  ConformanceServer,
  MessageView,
} from "../testing/conformance/types.ts";
export type { Link, LinkCounts, LinkOptions } from "../testing/link.ts";
export type { PromptMessage } from "../testing/provider-rules.ts";
export type { LanguageModelFinish, ScriptedPart, ScriptedStep } from "../testing/script.ts";
export type { Script, ScriptedCall, ScriptedModel, ScriptedModelOptions } from "../testing/scripted-model.ts";
export type { ExploreOptions, ExploreReport, Scenario } from "../testing/thread/explore.ts";
export type { Fault } from "../testing/thread/faults.ts";
export type { TestableClass, TestThread, TestThreadOptions, TestToolPart } from "../testing/thread/test-thread.ts";
export type { WorkerdOptions, WorkerdProcess } from "../testing/workerd.ts";
