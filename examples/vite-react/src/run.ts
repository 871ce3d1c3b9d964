/** Lets a command take its course. What it was about shows a refusal already, for example as a message that is `failed`. */
export function run(command: Promise<unknown>): void {
  command.catch(() => {});
}
