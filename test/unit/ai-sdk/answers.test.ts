import { expect, it, vi } from "vitest";
import { giveAnswers, lacksNothing } from "../../../src/ai-sdk/answers.ts";
import type { AnyUIMessage } from "../../../src/ai-sdk/types.ts";
import type { ChatClient, ChatMessage } from "../../../src/client/types.ts";

const call = (fields: object) => ({ type: "tool-pickDate", toolCallId: "call-1", input: {}, ...fields });
const message = (...parts: object[]) => ({ id: "reply-1", role: "assistant", parts }) as unknown as AnyUIMessage & ChatMessage;

function client() {
  const answer = () => vi.fn<(...args: unknown[]) => Promise<void>>(async () => {});
  const [approve, addToolOutput] = [answer(), answer()];
  return { approve, addToolOutput, chat: { approve, addToolOutput } as unknown as ChatClient };
}

it("gives one answer to each call that is open, however often a message says it: the last one", async () => {
  const { chat, approve, addToolOutput } = client();
  const outputs = Array.from({ length: 1_000 }, (_, output) => call({ state: "output-available", output }));
  const approvals = Array.from({ length: 1_000 }, (_, n) =>
    call({ toolCallId: "call-2", state: "approval-responded", approval: { id: "a", approved: n < 999 } }),
  );
  const open = message(
    call({ state: "input-available" }),
    call({ toolCallId: "call-2", state: "approval-requested", approval: { id: "a" } }),
  );
  await giveAnswers(chat, message(...outputs, ...approvals), open);
  expect([addToolOutput.mock.calls, approve.mock.calls]).toEqual([[["call-1", { output: 999 }]], [["a", { approved: false }]]]);
});

it("gives the answer to the last call of an id that comes again", async () => {
  const { chat, addToolOutput } = client();
  const first = call({ state: "output-available", output: "then" });
  await giveAnswers(
    chat,
    message(first, call({ state: "output-available", output: "now" })),
    message(first, call({ state: "input-available" })),
  );
  expect(addToolOutput.mock.calls).toEqual([["call-1", { output: "now" }]]);
});

it("takes no part without a call for one", async () => {
  const { chat, approve, addToolOutput } = client();
  const held = message(
    { type: "text", text: "One", state: "output-available" },
    call({ toolCallId: "unknown", state: "output-available" }),
  );
  const own = message({ type: "text", text: "One", state: "done" }, call({ state: "input-available" }));
  await giveAnswers(chat, held, own);
  expect([approve.mock.calls, addToolOutput.mock.calls, lacksNothing(held, own)]).toEqual([[], [], true]);
});
