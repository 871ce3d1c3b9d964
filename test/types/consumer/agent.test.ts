// Its author's tests, in plain Node: `chatcell` is resolved through the condition `node`. check:package runs them with vitest.
import { ChatSessionObject, getThread, isChatError, routeChatRequest } from "chatcell";
import { createTestThread, explore, scriptedModel } from "chatcell/testing";
import { expect, it } from "vitest";
import { Agent } from "./agent";

const paying = () =>
  scriptedModel(({ prompt }) => (prompt.at(-1)?.role === "tool" ? "It is paid." : [{ tool: "pay", input: { order: "7" } }]));

export const makeThread = (charges: string[], create = createTestThread) =>
  create(Agent, { env: { model: paying(), charge: async (order) => `${order}/${charges.push(order)}` } });

it("takes the build for Node, with everything that the one for Workers has", () => {
  expect(import.meta.resolve("chatcell")).toMatch(/index\.node\.js$/);
  expect(Object.getPrototypeOf(Agent)).toBe(ChatSessionObject);
  expect(typeof routeChatRequest).toBe("function");
});

it("pays once after the approval", async () => {
  const charges: string[] = [];
  await using thread = makeThread(charges);
  const sending = thread.send("Pay order 7");
  await thread.settle();
  await thread.setState({ mode: "build" });
  await thread.evict();
  for (const call of thread.approvals()) await thread.approve(call, { approved: true, reason: "Fine." });
  expect((await sending.settled)?.parts.at(-1)).toMatchObject({ type: "text", text: "It is paid." });
  expect(thread.snapshot().state?.mode).toBe("build");
  expect(thread.sql<{ receipt: string }>("SELECT receipt FROM orders")).toEqual([{ receipt: "7/1" }]);
});

it("knows the errors of the package", async () => {
  await using thread = makeThread([]);
  const missing = getThread(thread.namespace, { threadId: thread.id }, { as: "system:cron" });
  const error = await missing.send("Hi").catch((refused: unknown) => refused);
  expect(isChatError(error, "not_found")).toBe(true);
});

it("never pays twice, whatever goes wrong", async () => {
  const report = await explore(
    async (createTestThread) => {
      const charges: string[] = [];
      const thread = makeThread(charges, createTestThread);
      const sending = thread.send("Pay order 7");
      await thread.settle();
      for (const part of thread.approvals()) await thread.approve(part, { approved: true });
      await sending.settled;
      expect(charges.length).toBeLessThanOrEqual(1);
    },
    { schedules: 40 },
  );
  expect(report.schedules).toBe(40);
}, 30_000);
