// Fixed answers that show what a client must be able to render.

/** A heading, a list, bold text, inline code, a code block, a quotation and a table. */
export const MARKDOWN_SAMPLE = `## A small tour

Here is **bold text**, some *emphasis* and a bit of \`inline code\`.

- A thread is an object.
- An object has one history.
- One history has one order.

\`\`\`ts
export class StudyChat extends ChatSessionObject<Env> {
  async onTurn(turn: Turn) {
    return streamText({ model, messages: await turn.modelMessages(), abortSignal: turn.signal });
  }
}
\`\`\`

> Written before sent: what you read here is already stored.

| try | and see |
| --- | --- |
| reload the page | the answer goes on |
| open a second tab | the same words appear |`;

/** Text outside ASCII: astral code points, joined emoji, scripts without spaces, right-to-left text, combining marks. */
export const UNICODE_SAMPLE = `Emoji: 👋 🌊 🚀, a family 👩‍👩‍👧‍👦, a flag 🇯🇵, a wave with skin tone 👋🏽.
中文：每个对话都是一个对象，它自己保存历史。
日本語：会話はひとつのオブジェクトです。順番は決して崩れません。
한국어: 대화는 하나의 객체입니다.
العربية: المحادثة كائن واحد.
Ελληνικά, кириллица, ไทย, हिन्दी.
Combining: e\u0301 is é, and n\u0303 is ñ. Mathematics: 𝒳 ∈ ℝ, ∑ ≤ ∞.`;
