// What the demo model can tell about chatcell. Every paragraph must stay true: it is the first documentation that many people read.

/** A subject that the demo model knows, the pattern that recognises it, and the answer. */
export interface Topic {
  pattern: RegExp;
  answer: string;
}

/** The more special subjects come first; the first match answers. */
export const TOPICS: readonly Topic[] = [
  {
    pattern: /\b(?:kill|killed|crash(?:es|ed)?|restarts?|deploy(?:s|ed|ment)?|evict(?:ed|ion)?|goes down|power cut)\b/iu,
    answer:
      "Try it: ask me to “write 400 words”, then kill the server in the middle.\n\nEvery piece of an answer is stored before it is sent, so nothing that you saw can be lost. When the server is back, the thread finds its unfinished turn by itself, even if nobody visits: an alarm was set before I began. The text that was there is kept and marked as interrupted, and what waits in the queue is answered next. Say “continue”, and I go on where I was cut off.",
  },
  {
    pattern: /\b(?:(?:two|second|other|another|many|several) (?:tabs?|windows?|devices?|browsers?)|tabs)\b/iu,
    answer:
      "Open this thread in a second tab and send something from either one.\n\nBoth tabs hang on the same object, so both see the same words at the same time, the same queue and the same Stop button. Neither tab owns the conversation. They send commands and show what the object says, so they cannot disagree.",
  },
  {
    pattern:
      /\b(?:resum(?:e|es|ed|ing)|reconnect(?:s|ed|ing)?|reload(?:s|ed|ing)?|refresh(?:es|ed|ing)?|offline|(?:my|the|your|lost) connection|disconnect(?:s|ed|ing)?)\b/iu,
    answer:
      "Ask me to “write 400 words” and reload the page in the middle.\n\nThe pieces of an answer are numbered and stored. Your client remembers the last one that it saw, and after a reconnect it gets what comes after: once, and in order. If it was away for long, it gets the message as far as it is now and goes on live. I never notice: closing a tab does not stop an answer.",
  },
  {
    pattern:
      /\b(?:hibernat(?:e|es|ed|ing|ion)|(?:to|fall|falls) (?:a)?sleep|idle|wakes? (?:up|it)|(?:this|it|chatcell|thread|object) costs?|pricing|billing)\b/iu,
    answer:
      "When a thread has nothing to do for about ten seconds, its object goes to sleep while your socket stays open. That is hibernation: an open page that nobody types in costs no running time.\n\nThe next message wakes the object. It reads the little that it needs from its own SQLite and goes on. Pings are answered by the platform without waking it, and no timer runs in a quiet thread.",
  },
  {
    pattern: /\b(?:queue[ds]?|in order|ordering|order of|while you (?:write|answer|talk))\b/iu,
    answer:
      "Send a second message while I am still writing. It waits in the queue, in every tab, and can be taken back from any of them until its turn starts.\n\nThe object gives out the order, and a message enters history only when its turn begins. So history always reads as it happened, whoever was faster.",
  },
  {
    pattern: /\bstop(?:s|ped|ping)?\b/iu,
    answer:
      "Stop is a command, not a hang-up. Closing the page lets an answer run on; pressing Stop ends it, from any tab, and keeps what was written.\n\nAsk me to “count to 500” and press Stop somewhere in the middle.",
  },
  {
    pattern: /\b(?:branch(?:es|ing)?|regenerat(?:e|es|ed|ion)|edit(?:s|ed|ing)?)\b/iu,
    answer:
      "That is not in this version: a message cannot be edited, and an answer cannot be asked for again. What you can do is take a message back while it waits in the queue, or stop an answer and say “continue”.",
  },
  {
    pattern: /\b(?:approv(?:e|es|ed|al|als)|permission)\b/iu,
    answer:
      "Approvals are not in this version: a tool that the app gives me runs when I call it. A call that was under way when the server was killed is marked as interrupted, and is not run again.",
  },
  {
    pattern: /\b(?:sqlite|d1|databases?|stored|storage|saved|sidebar|thread list|redis|sync)\b/iu,
    answer:
      "History lives in the thread's own SQLite, inside its Durable Object. It is written before it is sent, and it is the only copy that counts: tabs show what the object says, and nothing has to be kept in step.\n\nA list of all threads is not in this version. The address of a thread is the way back to it.",
  },
  {
    pattern: /\b(?:durable objects?|cloudflare)\b/iu,
    answer:
      "A Durable Object is a small server with a name and a database of its own. For one name there is one object in the whole world, so everybody in this thread talks to the same one.\n\nThat suits a conversation well. One author decides the order, the history sits beside the code that needs it, and all sockets of the thread end in one place.",
  },
  {
    pattern:
      /\b(?:who are you|what are you|are you (?:a |an )?(?:real|human|person|bot|robot|ai|llm|model)|which model|what model|demo model|api key|no key)\b/iu,
    answer:
      "I am chatcell's demo model. I need no key and no network, and I choose my words by a few simple rules, so please do not ask me for advice.\n\nThe rest is real: the thread, its storage, the stream, the queue, the Stop button. When you are ready, put any AI SDK model in my place.",
  },
  {
    pattern: /\b(?:chatcell|this (?:chat|app|page|sdk|demo|thing)|how does (?:this|it) work|thread|object)\b/iu,
    answer:
      "chatcell is an SDK for chat on Cloudflare, and its one idea is this: **a chat thread is an object**.\n\nEach thread is a Durable Object. It orders the messages, keeps them in its own SQLite, runs the model and streams the answer to every open tab. A client never sends a transcript; it sends commands and shows what the object says.\n\nMany familiar faults need no fix here, because they cannot begin: doubled messages, lost halves of answers, a Stop button that does not stop. Ask me about hibernation, resuming, two tabs, or what happens when you kill the server.",
  },
];
