// The only runtime import of `ai`. It names what it needs and is loaded lazily as a file of its own: a bare `import("ai")`
// would keep the whole package in the app's bundle.
export { convertToModelMessages } from "ai";
