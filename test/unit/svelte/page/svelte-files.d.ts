// What vitest.unit.config.ts makes of a component for a server.
declare module "*.svelte?server" {
  import type { Component } from "svelte";
  const component: Component<Record<string, unknown>>;
  export default component;
}
