// The Cap'n Proto text that `workerd serve` reads: one Worker, its objects, and a local directory for their SQLite. Pure.

export interface WorkerdConfig {
  /** File name of the bundled module, beside the config. */
  module: string;
  /** Directory of the objects' SQLite, absolute. */
  storage: string;
  /** Binding → class. */
  objects: Readonly<Record<string, string>>;
  /** Binding → text. */
  vars: Readonly<Record<string, string>>;
  /** Binding → `host:port` of an HTTP server that is not part of it. */
  services: Readonly<Record<string, string>>;
  compatibilityDate: string;
  compatibilityFlags: readonly string[];
}

/** Name of the one socket, as `--socket-addr` and the control messages call it. */
export const SOCKET_NAME = "http";

/** Equal configs give equal text, so an object's id and its storage survive a restart. */
export function formatWorkerdConfig(config: WorkerdConfig): string {
  const { module, storage, objects, vars, services, compatibilityDate, compatibilityFlags } = config;
  const classes = [...new Set(Object.values(objects))];
  const bindings = [
    ...Object.entries(objects).map(([name, className]) => `(name = ${text(name)}, durableObjectNamespace = ${text(className)})`),
    ...Object.entries(vars).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    ...Object.keys(services).map((name) => `(name = ${text(name)}, service = ${text(`external:${name}`)})`),
  ];
  const externals = Object.entries(services).map(
    ([name, address]) => `\n    (name = ${text(`external:${name}`)}, external = (address = ${text(address)}, http = ())),`,
  );
  const namespaces = classes.map((name) => `(className = ${text(name)}, uniqueKey = ${text(name)}, enableSql = true)`);
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "storage", disk = (path = ${text(storage)}, writable = true)),${externals.join("")}
  ],
  sockets = [(name = ${text(SOCKET_NAME)}, address = "127.0.0.1:0", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed ${text(module)})],
  compatibilityDate = ${text(compatibilityDate)},
  compatibilityFlags = [${compatibilityFlags.map(text).join(", ")}],
  bindings = [${bindings.join(", ")}],
  durableObjectNamespaces = [${namespaces.join(", ")}],
  durableObjectStorage = (localDisk = "storage"),
);
`;
}

/** A text literal. The language has no `\u`: what is not plain ASCII goes as the octal escapes of its UTF-8 bytes. */
function text(value: string): string {
  const escaped = Array.from(new TextEncoder().encode(value), (byte) =>
    byte < 0x20 || byte > 0x7e || byte === 0x22 || byte === 0x5c ? `\\${byte.toString(8).padStart(3, "0")}` : String.fromCharCode(byte),
  );
  return `"${escaped.join("")}"`;
}
