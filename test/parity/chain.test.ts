/** The generated chain by itself: `npm run test:parity` has the op-geth that it is compared with. */
import t from "tap";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import type { ExecutedBlock } from "../../node/execution/engine.ts";
import { createChain } from "../execution/fixtures/chain.ts";
import { parityChain, parityRollup } from "./chain.ts";

/** Past the first of the scenarios. */
const BLOCKS = 14;

async function blocksOf(seed: number, blocks: number): Promise<ExecutedBlock[]> {
  const made: ExecutedBlock[] = [];
  for await (const executed of parityChain(parityRollup(), seed, blocks)) made.push(executed);
  return made;
}

const hashesOf = (blocks: readonly ExecutedBlock[]) => blocks.map(({ block }) => block.hash);

t.test("a seed is a chain, with every type of transaction, successful and failed", async (t) => {
  const first = await blocksOf(1, BLOCKS);
  t.same(
    first.map(({ block }) => block.header.number),
    Array.from({ length: BLOCKS }, (_, index) => index + 1),
  );
  t.same(hashesOf(await blocksOf(1, 4)), hashesOf(first.slice(0, 4)));
  t.not(hashesOf(await blocksOf(2, 4)).at(-1), first[3]?.block.hash);
  const kinds = new Set(
    first.flatMap(({ receipts }) => receipts.map(({ type, status }) => `${type} ${status}`)),
  );
  for (const type of [0, 1, 2, 4, DEPOSIT_TYPE])
    for (const status of [0, 1]) t.ok(kinds.has(`${type} ${status}`), `${type} ${status}`);

  // Executed again one block after the other, without slices, each on a committed parent.
  const plain = createChain(parityRollup());
  for (const { block } of first) {
    const { timestamp, prevRandao, parentBeaconBlockRoot, gasLimit } = block.header;
    const environment = { timestamp, prevRandao, parentBeaconBlockRoot, gasLimit };
    await plain.engine.open({ parent: plain.head(), ...environment });
    for (const transaction of block.transactions) await plain.engine.apply(transaction);
    t.equal((await plain.close()).block.hash, block.hash, `block ${block.header.number}`);
  }
});
