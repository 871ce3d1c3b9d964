import { createApp, h, shallowRef } from "vue";
import Chat from "./chat.vue";
import { type ChatProps, followThread } from "./transport.ts";

const props = shallowRef<ChatProps>();
createApp({ render: () => props.value && h(Chat, { key: props.value.id, ...props.value }) }).mount("#app");
followThread((next) => (props.value = next));
