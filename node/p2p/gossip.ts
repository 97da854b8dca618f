/**
 * What a block must show before it is passed on: form, size, time, signature, and that no more than
 * a few signed blocks share its height. One verdict a block; what gossip then does is the row of
 * `errors.ts`.
 *
 * Pure but for the memory of heights. Does not own: lanes, execution, the L1 origin's truth; the
 * sequencing thread checks those. The transactions root is checked here, because the signature
 * binds the body only through it: otherwise a peer could change the body of a signed block and have
 * the true one taken for a duplicate. ACCEPTANCE 33 to 36.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { BlockCommitment } from "../../lanes/signed.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { blockCommitment, type BlockSigner, isSigned } from "../chain/commitment.ts";
import { ERRORS } from "../errors.ts";
import { decodeSignedBlock, type UnverifiedBlock } from "../primitives/block.ts";

const BLOCK_AGE_MAX_MS = 60_000;
const BLOCK_FUTURE_MAX_MS = 5_000;
/** Different signed blocks at one height: more than an L1 reorg explains. */
export const BLOCKS_AT_HEIGHT_MAX = 5;
/** Heights remembered, the oldest forgotten first. */
export const HEIGHTS_MAX = 1024;

export type BlockRefusal =
  | "BLOCK_TOO_LARGE"
  | "BLOCK_MALFORMED"
  | "BLOCK_SIGNATURE_INVALID"
  | "BLOCK_TIME_OUT_OF_RANGE"
  | "BLOCK_ALREADY_KNOWN"
  | "BLOCK_HEIGHT_CROWDED";

export interface BlockRules extends BlockSigner {
  /** Merkle root of encoded transactions in order. */
  transactionsRoot(transactions: readonly Uint8Array[]): Hex;
}

/** Whether body and LaneData are the ones that the sequencer signed. Recovers one signature. */
export function checkSignedBlock(
  block: UnverifiedBlock,
  rules: BlockRules,
): Verdict<undefined, BlockRefusal> {
  const commitment = blockCommitment(block);
  return commitment.ok ? checkCommitment(block, commitment.value, rules) : commitment;
}

function checkCommitment(
  block: UnverifiedBlock,
  commitment: BlockCommitment,
  rules: BlockRules,
): Verdict<undefined, BlockRefusal> {
  if (!isSigned(commitment, block.signature, rules))
    return refuse("BLOCK_SIGNATURE_INVALID", { number: block.header.number });
  const root = rules.transactionsRoot(block.transactions.map(({ raw }) => raw));
  if (root !== block.header.transactionsRoot)
    return refuse("BLOCK_MALFORMED", { field: "transactionsRoot" });
  return accept(undefined);
}

export interface GossipCheck {
  /** The block of a gossiped message, and remembers it. `nowMs` is Unix milliseconds. */
  check(bytes: Uint8Array, nowMs: number): Verdict<UnverifiedBlock, BlockRefusal>;
}

export function createGossipCheck(rules: BlockRules): GossipCheck {
  /**
   * The accepted blocks by height, in the order in which heights were first seen: by block hash and
   * LaneData, because the same block with other LaneData is another promise of its sequencer.
   */
  const heights = new Map<number, Set<string>>();

  const remember = (number: number, identity: string): void => {
    const identities = heights.get(number);
    if (identities !== undefined) {
      identities.add(identity);
      return;
    }
    heights.set(number, new Set([identity]));
    if (heights.size <= HEIGHTS_MAX) return;
    const [oldest] = heights.keys();
    if (oldest !== undefined) heights.delete(oldest);
  };

  return {
    check(bytes, nowMs) {
      const decoded = decodeSignedBlock(bytes);
      if (!decoded.ok) return decoded;
      const { header } = decoded.value;
      const number = header.number;
      const commitment = blockCommitment(decoded.value);
      if (!commitment.ok) return commitment;

      // Before the time check: an old block that is known is a duplicate, not a fault of the
      // sender.
      const identity = commitment.value.blockHash + commitment.value.laneDataHash;
      const known = heights.get(number);
      if (known?.has(identity) === true) return refuse("BLOCK_ALREADY_KNOWN", { number });
      const ageMs = nowMs - header.timestamp * 1000;
      if (ageMs > BLOCK_AGE_MAX_MS || ageMs < -BLOCK_FUTURE_MAX_MS)
        return refuse("BLOCK_TIME_OUT_OF_RANGE", { number, ageMs });
      if (known !== undefined && known.size >= BLOCKS_AT_HEIGHT_MAX)
        return refuse("BLOCK_HEIGHT_CROWDED", { number });

      const signed = checkCommitment(decoded.value, commitment.value, rules);
      if (!signed.ok) return signed;
      remember(number, identity);
      return decoded;
    },
  };
}

/** What gossip does with a message that got this verdict: the table's answer, and nobody else's. */
export function gossipAction(
  verdict: Verdict<unknown, BlockRefusal>,
): "accept" | "ignore" | "reject" {
  return verdict.ok ? "accept" : ERRORS[verdict.code].gossip;
}
