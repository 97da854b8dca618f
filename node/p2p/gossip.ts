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
import { laneDataHash } from "../../lanes/lane-data.ts";
import { blockDigest, type SigningDomain } from "../../lanes/signed.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { parseAttributes } from "../chain/attributes.ts";
import { GENESIS_TERM } from "../chain/chain.ts";
import { ERRORS } from "../errors.ts";
import { decodeSignedBlock, type UnverifiedBlock } from "../primitives/block.ts";
import { recoverSigner } from "../primitives/signature.ts";

const BLOCK_AGE_MAX_MS = 60_000;
const BLOCK_FUTURE_MAX_MS = 5_000;
/** Different signed blocks at one height: more than an L1 reorg explains. */
export const BLOCKS_AT_HEIGHT_MAX = 5;
/** Heights remembered, the oldest forgotten first. */
export const HEIGHTS_MAX = 1024;
/** No forced blocks in this version. */
const LAST_FORCED = 0;

export type BlockRefusal =
  | "BLOCK_TOO_LARGE"
  | "BLOCK_MALFORMED"
  | "BLOCK_SIGNATURE_INVALID"
  | "BLOCK_TIME_OUT_OF_RANGE"
  | "BLOCK_ALREADY_KNOWN"
  | "BLOCK_HEIGHT_CROWDED";

export interface BlockRules {
  readonly domain: SigningDomain;
  /** What the signature must recover to. */
  readonly sequencer: Hex;
  /** Merkle root of encoded transactions in order. */
  transactionsRoot(transactions: readonly Uint8Array[]): Hex;
}

/** Whether body and LaneData are the ones that the sequencer signed. Recovers one signature. */
export function checkSignedBlock(
  block: UnverifiedBlock,
  rules: BlockRules,
): Verdict<undefined, BlockRefusal> {
  if (block.signature === null)
    return refuse("BLOCK_SIGNATURE_INVALID", { number: block.header.number });
  const [first] = block.transactions;
  const last = block.laneData.flashblocks.at(-1);
  if (first?.type !== DEPOSIT_TYPE) return refuse("BLOCK_MALFORMED", { field: "transactions" });
  if (last === undefined) return refuse("BLOCK_MALFORMED", { field: "laneData.flashblocks" });
  const attributes = parseAttributes(first);
  if (!attributes.ok) return attributes;

  const digest = blockDigest(rules.domain, {
    number: block.header.number,
    blockHash: block.hash,
    laneDataHash: laneDataHash(block.laneData),
    term: GENESIS_TERM,
    leaderEpoch: last.leaderEpoch,
    lastForced: LAST_FORCED,
    l1OriginNumber: attributes.value.originNumber,
    l1OriginHash: attributes.value.originHash,
  });
  if (recoverSigner(digest, block.signature) !== rules.sequencer)
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
  /** Hashes of the accepted blocks by height, in the order in which heights were first seen. */
  const heights = new Map<number, Set<Hex>>();

  const remember = (number: number, hash: Hex): void => {
    const hashes = heights.get(number);
    if (hashes !== undefined) {
      hashes.add(hash);
      return;
    }
    heights.set(number, new Set([hash]));
    if (heights.size <= HEIGHTS_MAX) return;
    const [oldest] = heights.keys();
    if (oldest !== undefined) heights.delete(oldest);
  };

  return {
    check(bytes, nowMs) {
      const decoded = decodeSignedBlock(bytes);
      if (!decoded.ok) return decoded;
      const { hash, header } = decoded.value;
      const number = header.number;

      // Before the time check: an old block that is known is a duplicate, not a fault of the
      // sender.
      const known = heights.get(number);
      if (known?.has(hash) === true) return refuse("BLOCK_ALREADY_KNOWN", { number });
      const ageMs = nowMs - header.timestamp * 1000;
      if (ageMs > BLOCK_AGE_MAX_MS || ageMs < -BLOCK_FUTURE_MAX_MS)
        return refuse("BLOCK_TIME_OUT_OF_RANGE", { number, ageMs });
      if (known !== undefined && known.size >= BLOCKS_AT_HEIGHT_MAX)
        return refuse("BLOCK_HEIGHT_CROWDED", { number });

      const signed = checkSignedBlock(decoded.value, rules);
      if (!signed.ok) return signed;
      remember(number, hash);
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
