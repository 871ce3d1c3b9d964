// A value outside of components that they follow.
export function createCell<Value>(first: Value): { current: Value } {
  let value = $state.raw(first);
  return {
    get current() {
      return value;
    },
    set current(next) {
      value = next;
    },
  };
}
