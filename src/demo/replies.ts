// Conversation: what the demo model answers when a message is not a command. Short, friendly, and about the person's own words.
import { DEMO_COMMANDS } from "./commands.ts";
import type { Conversation } from "./conversation.ts";
import { historyReply, knownName, shorten } from "./history-replies.ts";
import { pick, type Random } from "./random.ts";
import { TOPICS } from "./topics.ts";

const HEAD_LENGTH = 500;

const COMMON_WORDS = new Set(
  "about after again also always and another any anything because been before being best between both but came can could did does doing done down each even ever every find for from get give goes going gonna good had has have having help her here him his how into its just know let like look made make many may maybe mean might more most much must name need never not now off often only other our out over own please put really said same say see shall she should show since some something still such take tell than that the their them then there these they thing things think this those through too try under until upon use very want was way well were what when where which while who why will with without would yes yet you your yours".split(
    " ",
  ),
);

const SUGGESTIONS = [
  "Ask me to “write 400 words”, and reload the page in the middle.",
  "Open this thread in a second tab, then say something.",
  "Try “think about the sea”, and watch the reasoning come first.",
  "Try “count to 100”, and press Stop somewhere.",
  "Ask what happens when you kill the server, then do it.",
  "Say “my name is …” now, and ask me for it tomorrow.",
  "Send “help” to see everything that I can do.",
] as const;

/** The answer to the last message of a conversation. Never empty. */
export function converse(conversation: Conversation, random: Random): string {
  const text = (conversation.said.at(-1) ?? "").slice(0, HEAD_LENGTH);
  return (
    fileReply(conversation) ??
    historyReply(conversation) ??
    smallTalk(text, conversation, random) ??
    topicReply(text) ??
    fallback(text, conversation, random)
  );
}

function fileReply({ files }: Conversation): string | undefined {
  if (files.length === 0) return undefined;
  const names = files.slice(0, 5).map((file) => `**${shorten(file.name, 80)}** (${file.mediaType})`);
  const more = files.length > names.length ? ` and ${files.length - names.length} more` : "";
  return `Thank you, I got ${names.join(", ")}${more}. I am only a demo and cannot look inside, but a real model in my place could.`;
}

function smallTalk(text: string, conversation: Conversation, random: Random): string | undefined {
  const name = knownName(conversation.said);
  const friend = name === undefined ? "" : `, ${name}`;
  const suggestion = pick(SUGGESTIONS, random);
  if (/^\s*(?:help|commands?)\W*$|\bwhat (?:can|do) (?:you|i) (?:do|try|say|understand)\b/iu.test(text)) return helpReply();
  if (/^\W*(?:hi|hello|hey|hallo|hola|bonjour|ciao|servus|good (?:morning|afternoon|evening))\b[^?]{0,30}$/iu.test(text)) {
    const hello = pick([`Hello${friend}!`, `Hi${friend}!`, `Good to see you${friend}.`], random);
    return `${hello} I am the demo model that comes with chatcell. ${suggestion}`;
  }
  if (/\bhow are you\b|\bhow(?:'s|’s| is) it going\b/iu.test(text))
    return `Very well${friend}, thank you: no key, no network, no worries. ${suggestion}`;
  if (/\b(?:thanks?|thank you|thx|cheers|merci|danke|gracias)\b/iu.test(text)) {
    return pick([`You are welcome${friend}!`, `My pleasure${friend}.`, `Any time${friend}.`], random) + ` ${suggestion}`;
  }
  if (/^\W*(?:bye|goodbye|see you|good night|ciao|tschüss)\b/iu.test(text)) {
    return `Goodbye${friend}! The thread stays as it is; come back whenever you like.`;
  }
  if (/^\W*(?:yes|yeah|yep|ok|okay|sure|fine|great|nice|cool|wow|perfect)\W*$/iu.test(text)) return `Good${friend}. ${suggestion}`;
  if (/^\W*(?:no|nope|nah|never mind)\W*$/iu.test(text)) return `All right${friend}. ${suggestion}`;
  return undefined;
}

function helpReply(): string {
  return `This is what I understand:\n\n${DEMO_COMMANDS.map(({ example, description }) => `- \`${example}\`: ${description}`).join("\n")}\n\nAnything else is conversation.`;
}

function topicReply(text: string): string | undefined {
  return TOPICS.find(({ pattern }) => pattern.test(text))?.answer;
}

/** Up to two words of the person that carry meaning, in their order. */
export function keyWords(text: string): string[] {
  const words = text.match(/[\p{L}\p{N}][\p{L}\p{M}\p{N}'’-]{2,30}/gu) ?? [];
  const telling = [...new Set(words.filter((word) => !COMMON_WORDS.has(word.toLowerCase().replace(/['’].*$/u, ""))))];
  const longest = [...telling].sort((one, other) => other.length - one.length).slice(0, 2);
  return telling.filter((word) => longest.includes(word));
}

function fallback(text: string, conversation: Conversation, random: Random): string {
  const suggestion = pick(SUGGESTIONS, random);
  if (text.trim() === "") return `That message has no words in it, so I have none to pick up. ${suggestion}`;
  const words = keyWords(text).map((word) => `“${word}”`);
  const subject = words.length === 0 ? `“${shorten(text, 60)}”` : words.join(" and ");
  const earlier = keyWords((conversation.said.at(-2) ?? "").slice(0, HEAD_LENGTH)).find(
    (word) => !text.toLowerCase().includes(word.toLowerCase()),
  );
  const link = earlier === undefined ? "" : ` A moment ago it was “${earlier}”; now this.`;
  const opening = text.includes("?")
    ? pick([`A good question about ${subject}.`, `You ask about ${subject}.`, `${subject}: I wish that I knew.`], random)
    : pick([`So, ${subject}.`, `${subject}, noted.`, `You mention ${subject}.`], random);
  const honest = pick(
    [
      "I am a demo model and only know a few things, but your message is safely in this thread.",
      "I am only the demo model, so I have no opinion on that; a real model in my place would have one.",
      "That is more than my few rules can judge. What I can do is show how this chat behaves.",
    ],
    random,
  );
  return `${opening}${link} ${honest} ${suggestion}`;
}
