// What a person is asked and asks for: an approval over reloads and tabs, another answer, the rest of one that was cut off.
import { expect, test } from "vitest";
import { setStage } from "./support/stage.ts";
import { SOON } from "./support/tab.ts";

const stage = setStage();

test("a tool asks first: in every tab and after a reload, the first answer counts, and the reply goes on", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin('use the book tool with {"city":"Paris"}');
  const allow = tab.page.getByRole("button", { name: "Allow" });
  await allow.waitFor();
  const other = await open(tab.url);
  await tab.page.reload();
  for (const page of [tab.page, other.page]) await page.getByRole("button", { name: "Deny" }).waitFor();
  await other.page.getByRole("button", { name: "Allow" }).click();
  for (const each of [tab, other]) {
    await expect.poll(() => each.answer(), SOON).toContain("A table for 2 in Paris");
    await each.page.getByRole("button", { name: "Deny" }).waitFor({ state: "hidden" });
    await each.untilQuiet();
  }
  expect(await other.history()).toBe(await tab.history());
});

test("a refusal is told to the model", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin('use the book tool with {"city":"Rome"}');
  await tab.page.getByRole("button", { name: "Deny" }).click();
  await expect.poll(() => tab.answer(), SOON).toContain("was not allowed to run");
});

test("an answer that was stopped goes on in the same message, and another one takes its place", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin("count to 60 at 20 words per second");
  await tab.answerBeyond(20);
  await tab.stop("button");
  await tab.page.getByRole("button", { name: "Continue" }).click();
  await expect.poll(() => tab.answer(), { ...SOON, timeout: 20_000 }).toContain("60");
  await tab.untilQuiet();
  expect(await tab.page.locator("article.is-assistant").count()).toBe(1);
  await tab.page.getByRole("button", { name: "Try again" }).click();
  await tab.page.getByRole("button", { name: "Try again" }).waitFor({ state: "hidden" });
  await tab.page.getByRole("button", { name: "Try again" }).waitFor({ timeout: 20_000 });
  expect(await tab.page.locator("article.is-assistant").count()).toBe(1);
  const fresh = await open(tab.url);
  await fresh.untilQuiet();
  expect(await fresh.history()).toBe(await tab.history());
});
