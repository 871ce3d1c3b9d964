// What frameworks make of it, in a real Chromium: stock `useChat` and the bindings in pages of their own, and the examples with
// their own development servers.
import { defineConfig, mergeConfig } from "vitest/config";
import browser from "./vitest.browser.config.ts";

const config = mergeConfig(browser, defineConfig({ test: { name: "frameworks" } }));
config.test!.include = ["test/browser/frameworks/**/*.test.ts", "examples/*/test/**/*.test.ts"];
export default config;
