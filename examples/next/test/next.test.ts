// The whole example: stock `useChat` in a page of Next, history from the server, a Worker of another origin.
import { decodeJwt, SignJWT } from "jose";
import { expect, test } from "vitest";
import { setStage } from "./support/stage.ts";
import { countTo, SOON } from "./support/tab.ts";

const stage = setStage();
/** What is in the HTML itself, and not in the data that Next sends along for its scripts. */
const withoutScripts = (html: string) => html.replaceAll(/<script[\s\S]*?<\/script>/g, "");

test("the first message makes the thread, which has its address as soon as it is answered", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  const address = await tab.begin("count to 60 at 30 words per second");
  await tab.answerBeyond(10);
  expect(await tab.isBusy()).toBe(true);
  await tab.untilAnswered(countTo(60));
  const again = await open(address);
  await again.untilAnswered(countTo(60));
  await tab.write("say And again");
  await tab.untilAnswered("And again");
  expect(tab.page.url()).toBe(address);
});

test("what was said is in the HTML of a later request, for its visitor only", async () => {
  const { open, context } = await stage.visitor();
  const tab = await open();
  const address = await tab.begin("say Three grey herons");
  await tab.untilAnswered("Three grey herons");
  const response = await context.request.get(address);
  const html = withoutScripts(await response.text());
  expect(html).toContain("say Three grey herons</p>");
  expect(html).toContain(">Three grey herons</p>");
  const foreign = await fetch(address);
  expect(foreign.status).toBe(404);
  expect(await foreign.text()).not.toContain("herons");
});

test("an answer goes on over a reload, with nothing missing or doubled", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin("count to 160 at 40 words per second");
  const before = await tab.answerBeyond(40);
  await tab.page.reload();
  const after = await tab.answerBeyond(before.length);
  expect(after.startsWith(before)).toBe(true);
  expect(await tab.isBusy()).toBe(true);
  await tab.untilAnswered(countTo(160));
  expect(await tab.said()).toEqual(["count to 160 at 40 words per second", countTo(160)]);
});

test("another tab hears of a message and of its answer as it comes", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  const address = await tab.begin("say One");
  await tab.untilAnswered("One");
  const other = await open(address);
  await other.untilAnswered("One");
  await tab.write("count to 100 at 40 words per second");
  await other.answerBeyond(20);
  expect(await other.isBusy()).toBe(true);
  await other.untilAnswered(countTo(100));
  await tab.untilAnswered(countTo(100));
  expect(await other.said()).toEqual(await tab.said());
});

test("another tab stops an answer that it did not ask for", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  const other = await open(await tab.begin("say One"));
  await other.untilAnswered("One");
  await tab.untilAnswered("One");
  await tab.write("stall after 12 words");
  await other.untilBusy(true);
  await expect.poll(async () => (await other.answer()).split(" ").length, SOON).toBe(12);
  await other.stop();
  await tab.untilBusy(false);
  await other.untilBusy(false);
  expect((await tab.answer()).split(" ")).toHaveLength(12);
  await tab.write("say Two");
  await other.untilAnswered("Two");
});

test("a tool waits for a person, and goes on with the word of any tab", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  const other = await open(await tab.begin("use the book tool in Paris"));
  await other.page.getByRole("button", { name: "Allow" }).click();
  for (const { page } of [tab, other]) await page.getByRole("log").getByText("A table for 2 in Paris").waitFor();
  expect(await tab.page.getByRole("button", { name: "Allow" }).count()).toBe(0);
});

test("an answer that failed says so, here and after a reload, and can be asked for again", async () => {
  const { open } = await stage.visitor();
  const tab = await open();
  await tab.begin("fail after 12 words");
  await tab.page.getByText("The demo model failed").waitFor();
  await tab.untilBusy(false);
  expect(await tab.page.getByText("The demo model failed").count()).toBe(1);
  await tab.page.reload();
  await tab.page.getByText("The demo model failed").waitFor();
  await tab.page.getByRole("button", { name: "Try again" }).click();
  await tab.page.getByText("The demo model failed").waitFor({ state: "detached" });
  await tab.page.getByText("The demo model failed").waitFor();
  await tab.untilBusy(false);
  expect(await tab.said()).toHaveLength(2);
});

test("another visitor gets nothing of a foreign thread", async () => {
  const ada = await stage.visitor();
  const tab = await ada.open();
  const address = await tab.begin("say Secret");
  await tab.untilAnswered("Secret");
  stage.expectErrors(/status of 404 \(Not Found\) http:\/\/localhost:\d+\/(chat\/[\w-]+|favicon\.ico)$/);
  const bob = await stage.visitor();
  // A visitor with an identity of his own, and one who has none yet.
  const own = await bob.open();
  await own.begin("say Mine");
  for (const { open } of [bob, await stage.visitor()]) {
    const foreign = await open(address);
    expect(await foreign.page.getByRole("heading").innerText()).toBe("There is no chat here");
    expect(await foreign.page.content()).not.toContain("Secret");
  }
  const { token } = (await (await bob.context.request.post("/api/chat-token")).json()) as { token: string };
  const headers = { authorization: `Bearer ${token}`, origin: stage.app.origin, "content-type": "application/json" };
  const threadUrl = stage.app.chatUrl + new URL(address).pathname.replace("/chat/", "/threads/");
  expect((await fetch(`${threadUrl}/messages`, { headers })).status).toBe(404);
  expect((await fetch(`${threadUrl}/ticket`, { method: "POST", headers, body: "{}" })).status).toBe(404);
});

test("the Worker takes no token that the app did not sign, and no page of another origin", async () => {
  const { context } = await stage.visitor();
  const ticketUrl = `${stage.app.chatUrl}/threads/AAAAAAAAAAAAAAAAAAAAAA/ticket`;
  const ask = (token: string, origin: string) =>
    fetch(ticketUrl, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, origin, "content-type": "application/json" },
      body: "{}",
    });
  const { token } = (await (await context.request.post("/api/chat-token")).json()) as { token: string };
  // The cookie of the visitor is signed for another purpose.
  const [cookie] = await context.cookies();
  expect((await ask(cookie!.value, stage.app.origin)).status).toBe(401);
  expect((await ask(`${token.slice(0, -4)}AAAA`, stage.app.origin)).status).toBe(401);
  expect((await ask(token, "http://localhost:1")).status).toBe(403);
  expect((await ask(token, stage.app.origin)).status).toBe(404);
});

test("a token that has run out is renewed, and the chat goes on", async () => {
  const { open, context } = await stage.visitor();
  const secret = new TextEncoder().encode(stage.app.secret("CHAT_TOKEN_SECRET"));
  const expiries: number[] = [];
  // The first token lives for seconds; those after it are the app's own.
  await context.route("**/api/chat-token", async (route) => {
    const response = await route.fetch();
    const { token, seconds } = (await response.json()) as { token: string; seconds: number };
    const { sub, exp } = decodeJwt(token);
    const isFirst = expiries.length === 0;
    expiries.push(isFirst ? Math.floor(Date.now() / 1_000) + 4 : exp!);
    const short = () => new SignJWT({ exp: expiries[0]! }).setProtectedHeader({ alg: "HS256" }).setSubject(sub!).sign(secret);
    await route.fulfill({ response, json: isFirst ? { token: await short(), seconds: 30 } : { token, seconds } });
  });
  const tab = await open();
  await tab.begin("say One");
  await tab.untilAnswered("One");
  expect(expiries).toHaveLength(1);
  await expect.poll(() => Date.now() / 1_000, SOON).toBeGreaterThan(expiries[0]!);
  await tab.write("say Two");
  await tab.untilAnswered("Two");
  expect(expiries).toHaveLength(2);
  expect(await tab.said()).toEqual(["say One", "One", "say Two", "Two"]);
});
