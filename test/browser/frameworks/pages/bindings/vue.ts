import { createApp, h, shallowRef } from "vue";
import { followAddress, type ThreadOfPage } from "../address.ts";
import Chat from "./chat.vue";

const thread = shallowRef<ThreadOfPage>();
followAddress((next) => (thread.value = next));
createApp({ render: () => h(Chat, { thread: thread.value }) }).mount("#app");
