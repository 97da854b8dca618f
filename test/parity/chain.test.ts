/** The generated chain by itself: `npm run test:parity` has the op-geth that it is compared with. */
import t from "tap";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { parityChain, parityRollup } from "./chain.ts";

const BLOCKS = 20;

async function hashes(seed: number) {
  const found = [];
  const kinds = new Set<string>();
  for await (const { block, receipts } of parityChain(parityRollup(), seed, BLOCKS)) {
    found.push(block.hash);
    for (const { type, status } of receipts) kinds.add(`${type} ${status}`);
  }
  return { found, kinds };
}

t.test("a seed is a chain, with every type of transaction, successful and failed", async (t) => {
  const first = await hashes(1);
  t.equal(first.found.length, BLOCKS);
  t.same((await hashes(1)).found, first.found);
  t.not((await hashes(2)).found.at(-1), first.found.at(-1));
  for (const type of [0, 1, 2, 4, DEPOSIT_TYPE])
    for (const status of [0, 1]) t.ok(first.kinds.has(`${type} ${status}`), `${type} ${status}`);
});
