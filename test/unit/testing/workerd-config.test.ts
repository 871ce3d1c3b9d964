import { describe, expect, it } from "vitest";
import { formatWorkerdConfig } from "../../../src/testing/workerd-config.ts";

const BASE = {
  module: "worker.js",
  storage: "/tmp/a b",
  objects: { CHAT: "Chat", ALSO: "Chat" },
  vars: {},
  services: {},
  compatibilityDate: "2026-10-12",
  compatibilityFlags: ["one", "two"],
};

describe("formatWorkerdConfig", () => {
  it("declares a class once, however many bindings it has", () => {
    const text = formatWorkerdConfig(BASE);
    expect(text.match(/className = "Chat"/g)).toHaveLength(1);
    expect(text.match(/durableObjectNamespace = "Chat"/g)).toHaveLength(2);
    expect(text).toContain('compatibilityFlags = ["one", "two"]');
  });

  it("lets no value leave its quotes", () => {
    const text = formatWorkerdConfig({ ...BASE, vars: { SECRET: 'a"), (name = "b\\\n€' } });
    expect(text).toContain('text = "a\\042), (name = \\042b\\134\\012\\342\\202\\254")');
  });

  it("binds a server that is outside of the process", () => {
    const text = formatWorkerdConfig({ ...BASE, services: { BANK: "127.0.0.1:8123" } });
    expect(text).toContain('(name = "external:BANK", external = (address = "127.0.0.1:8123", http = ()))');
    expect(text).toContain('(name = "BANK", service = "external:BANK")');
  });
});
