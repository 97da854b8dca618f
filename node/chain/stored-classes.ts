/**
 * Which class each transaction of a stored block was of: nothing in a block says so, so it is found
 * again, from the prices that its flashblock stood on. Owns where those are found. PROTOCOL 3, 5.
 */
import { classify, type Classification, type PricesAt } from "../../lanes/classify.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { decodeLaneState } from "../../lanes/lane-state.ts";
import type { Policy } from "../../lanes/policy.ts";
import { NO_PRICES } from "../../lanes/price-state.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { EPOCH_SENDER } from "../../lanes/epoch-transaction.ts";
import { deriveEpochs } from "../../lanes/verify-epochs.ts";
import { NodeError } from "../errors.ts";
import { keepNewest } from "../keep-newest.ts";
import { recoverSigner } from "../primitives/signature.ts";
import { laneTransaction } from "../primitives/transaction.ts";
import type { ChainReader, StoredBlock } from "../storage/store.ts";

/** Blocks whose classes are kept: finding them recovers every report that the block lists. */
const BLOCKS_KEPT = 32;

/** Classes of stored blocks; those of the blocks that were asked for last are remembered. */
export class StoredClasses {
  readonly #policy: Policy;
  readonly #known = new Map<Hex, readonly Classification[]>();

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** By transaction, in block order. Errors: `STORAGE_CORRUPT`. */
  of(chain: Pick<ChainReader, "blockByNumber">, stored: StoredBlock): readonly Classification[] {
    const { hash } = stored.block;
    const classes = this.#known.get(hash) ?? classesOf(chain, stored, this.#policy);
    this.#known.delete(hash);
    this.#known.set(hash, classes);
    keepNewest(this.#known, BLOCKS_KEPT);
    return classes;
  }
}

function classesOf(
  chain: Pick<ChainReader, "blockByNumber">,
  stored: StoredBlock,
  policy: Policy,
): Classification[] {
  const prices = pricesOf(chain, stored, policy);
  const classes: Classification[] = [];
  for (const [index, { txCount }] of stored.laneData.flashblocks.entries()) {
    const at = prices[index];
    if (at === undefined) break;
    const end = classes.length + txCount;
    for (const transaction of stored.block.transactions.slice(classes.length, end))
      classes.push(classify(laneTransaction(transaction), policy, at));
  }
  return classes;
}

/** By flashblock. Where no rule names a feed, none is looked for: reports would be recovered. */
function pricesOf(
  chain: Pick<ChainReader, "blockByNumber">,
  { block, laneData }: StoredBlock,
  policy: Policy,
): PricesAt[] {
  const { number, timestamp } = block.header;
  if (number === 0 || policy.namedFeeds.length === 0)
    return laneData.flashblocks.map(({ timestampMs: timeMs }) => ({ prices: NO_PRICES, timeMs }));
  const parent = chain.blockByNumber(number - 1);
  const laneState = parent === null ? null : decodeLaneState(parent.laneState);
  if (laneState?.ok !== true) throw new NodeError("STORAGE_CORRUPT", { record: "block", number });
  const users = block.transactions.findIndex(({ type }) => type !== DEPOSIT_TYPE);
  const head = users === -1 ? block.transactions : block.transactions.slice(0, users);
  const headCount = head.filter(({ sender }) => sender !== EPOCH_SENDER).length;
  const frame = { number, timestamp, headCount };
  const priced = deriveEpochs(frame, laneData, policy, laneState.value, recoverSigner);
  if (!priced.ok) throw new NodeError("STORAGE_CORRUPT", { record: "block", number });
  return priced.value.flashblocks.map(({ prices }, index) => {
    return { prices, timeMs: laneData.flashblocks[index]?.timestampMs ?? 0 };
  });
}
