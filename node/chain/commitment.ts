/**
 * What the sequencer's signature of a block covers, as everybody reads it from the block itself.
 * Owns that reading and the check of the signature. PROTOCOL 4.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { laneDataHash } from "../../lanes/lane-data.ts";
import { type BlockCommitment, blockDigest, type SigningDomain } from "../../lanes/signed.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import type { UnverifiedBlock } from "../primitives/block.ts";
import { recoverSigner } from "../primitives/signature.ts";
import { parseAttributes } from "./attributes.ts";
import { GENESIS_TERM } from "../rollup-config.ts";

/** No forced blocks in this version. */
const LAST_FORCED = 0;

/** Whose signature counts, and over which domain. */
export interface BlockSigner {
  readonly domain: SigningDomain;
  /** What the signature must recover to. */
  readonly sequencer: Hex;
}

export function blockCommitment(
  block: UnverifiedBlock,
): Verdict<BlockCommitment, "BLOCK_MALFORMED"> {
  const { header, hash, laneData, transactions } = block;
  const [first] = transactions;
  const last = laneData.flashblocks.at(-1);
  if (first?.type !== DEPOSIT_TYPE) return refuse("BLOCK_MALFORMED", { field: "transactions" });
  if (last === undefined) return refuse("BLOCK_MALFORMED", { field: "laneData.flashblocks" });
  const attributes = parseAttributes(first);
  if (!attributes.ok) return attributes;
  return accept({
    number: header.number,
    blockHash: hash,
    laneDataHash: laneDataHash(laneData),
    term: GENESIS_TERM,
    leaderEpoch: last.leaderEpoch,
    lastForced: LAST_FORCED,
    l1OriginNumber: attributes.value.originNumber,
    l1OriginHash: attributes.value.originHash,
  });
}

/** Recovers one signature. */
export function isSigned(
  commitment: BlockCommitment,
  signature: Uint8Array | null,
  { domain, sequencer }: BlockSigner,
): signature is Uint8Array {
  return (
    signature !== null && recoverSigner(blockDigest(domain, commitment), signature) === sequencer
  );
}
