/**
 * A process that runs the cases of one file after another, as `pool.ts` orders them. It says which
 * case it begins, so that the other side knows what it was at if it ends.
 */
import { casesOf } from "./folder.ts";
import { type CaseResult, runCase } from "./outcome.ts";

export interface Order {
  readonly folder: string;
  readonly path: string;
  /** Number of the first case to run. */
  readonly from: number;
}

export type Message =
  | { readonly kind: "begin"; readonly name: string; readonly index: number }
  | ({ readonly kind: "result" } & CaseResult)
  | { readonly kind: "end" };

async function run({ folder, path, from }: Order): Promise<void> {
  let index = -1;
  for (const each of casesOf(folder, path)) {
    index += 1;
    if (index < from) continue;
    send({ kind: "begin", name: each.name, index });
    send({ kind: "result", ...(await runCase(each)) });
  }
  send({ kind: "end" });
}

function send(message: Message): void {
  process.send?.(message);
}

process.on("message", (order: Order) => {
  void run(order);
});
