import { describe, expect, it } from "vitest";
import { ChatError, ERRORS, isChatError, toErrorBody, type ErrorCode } from "../../src/errors.ts";

describe("errors", () => {
  it.each(Object.entries(ERRORS))("gives a ChatError of code %s the retryability of the table", (code, spec) => {
    expect(new ChatError(code as ErrorCode, "text").retryable).toBe(spec.retryable);
  });

  it("keeps the retryability that came by wire", () => {
    expect(new ChatError("internal", "text", { retryable: false }).retryable).toBe(false);
  });

  it("knows a ChatError of another bundle by name and code", () => {
    const foreign = Object.assign(new Error("text"), { name: "ChatError", code: "gone" });
    expect(isChatError(foreign)).toBe(true);
    expect(isChatError(foreign, "gone")).toBe(true);
    expect(isChatError(foreign, "forbidden")).toBe(false);
    expect(isChatError(new Error("text"))).toBe(false);
    expect(isChatError({ name: "ChatError", code: "gone" })).toBe(false);
  });

  it("hides the text of an error that is not its own", () => {
    expect(toErrorBody(new Error("SELECT secret"))).toEqual({
      code: "internal",
      message: "Something went wrong on the server.",
      retryable: true,
    });
    expect(toErrorBody(new ChatError("gone", "text", { details: 1 }))).toEqual({
      code: "gone",
      message: "text",
      retryable: false,
      details: 1,
    });
  });
});
