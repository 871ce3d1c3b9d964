// The client of a thread as a Vue composable. On a server it opens nothing: a component subscribes when it is mounted.
import {
  computed,
  type ComputedRef,
  getCurrentInstance,
  type MaybeRefOrGetter,
  onMounted,
  onScopeDispose,
  getCurrentScope,
  type ShallowRef,
  shallowRef,
  toValue,
  watch,
} from "vue";
import { page } from "../client/page.ts";
import { keyOf, openThread, type ThreadCommands, type ThreadSource } from "../client/thread-source.ts";
import type { ChatClient, ChatSnapshot, ChatTypes } from "../client/types.ts";

/** A ref for each field of the snapshot, which changes only with that field; the commands of the thread that it is now; both whole. */
export type Thread<Types extends ChatTypes = ChatTypes> = {
  readonly [Field in keyof ChatSnapshot<Types>]-?: ComputedRef<ChatSnapshot<Types>[Field]>;
} & ThreadCommands<Types> & {
    readonly snapshot: Readonly<ShallowRef<ChatSnapshot<Types>>>;
    readonly client: Readonly<ShallowRef<ChatClient<Types>>>;
  };

/**
 * The thread of a client, or of options; a ref or getter of either follows what it says, at once. With options it makes the
 * client, another one for another `url` or `threadId`, and closes it with the scope, as soon as no message of ours is on its way;
 * a client of your own it leaves open. Connects when the component is mounted; outside of a component at once, in browsers only.
 */
export function useThread<Types extends ChatTypes = ChatTypes>(source: MaybeRefOrGetter<ThreadSource<Types>>): Thread<Types> {
  const latest = () => toValue(source);
  // Made when it is read: by a command at once, and never from props of which only some have changed yet.
  const held = computed<{ key: unknown; client: ChatClient<Types> }>((former) => {
    const key = keyOf(latest());
    return former && former.key === key ? former : { key, client: openThread(latest(), latest) };
  });
  const client = computed(() => held.value.client);
  const changes = shallowRef(0);
  const snapshot = computed(() => (void changes.value, client.value.getSnapshot()));
  let isFollowing = false;
  let followed: ChatClient<Types> | undefined;
  let leave: (() => void) | undefined;
  const attach = (next: ChatClient<Types>) => {
    if (!isFollowing || next === followed) return;
    leave?.();
    followed = next;
    leave = next.subscribe(() => changes.value++);
  };
  const follow = () => {
    isFollowing = true;
    watch(client, attach, { immediate: true });
    onScopeDispose(() => {
      isFollowing = false;
      leave?.();
    }, true);
  };
  /** The client of now. Without a trace in the effect that gives a command: another thread is no reason to give it again. */
  const now = () => {
    let at!: ChatClient<Types>;
    watch(client, (value) => (at = value), { immediate: true })();
    attach(at);
    return at;
  };
  const scope = getCurrentScope();
  if (getCurrentInstance()) onMounted(() => scope!.run(follow));
  else if (page.document) follow();

  const fields = Object.keys(snapshot.value) as (keyof ChatSnapshot<Types>)[];
  const { getSnapshot: _get, subscribe: _subscribe, ...commands } = client.value;
  const names = Object.keys(commands) as (keyof typeof commands)[];
  return {
    ...Object.fromEntries(names.map((name) => [name, (...args: unknown[]) => (now()[name] as (...args: unknown[]) => unknown)(...args)])),
    ...Object.fromEntries(fields.map((field) => [field, computed(() => snapshot.value[field])])),
    snapshot,
    client,
  } as unknown as Thread<Types>;
}
