/**
 * Whether two things that one sequencer signed contradict each other: what a bond pays for, once
 * there is one. PROTOCOL 9. Both must have been checked before (`checkAdmissionReceipt`,
 * `checkInclusionReceipt`); whether an L1 origin is canonical only L1 can say.
 *
 *   E1  two `orderHash`es for one position
 *   E3  inside one `laneRoot`, a higher rank before a lower one
 *   E4  one accepted number with two hashes; or promised to the fast lane and placed in the normal
 *       one
 */
import { NORMAL_RANK, SYSTEM_RANK } from "./classify.ts";
import { orderHash } from "./flashblock.ts";
import type { InclusionReceipt } from "./inclusion.ts";
import type { Hex } from "./bytes.ts";
import type { Receipt } from "./receipt-json.ts";
import type { BlockCommitment } from "./signed.ts";

export interface Evidence {
  readonly kind: "E1" | "E3" | "E4";
  /** What cannot both be true. */
  readonly reason: string;
}

/** What a block's signature covers, and the signature. */
export interface SignedCommitment extends BlockCommitment {
  /** 65 bytes. */
  readonly signature: Hex;
}

/** Two blocks that one sequencer signed for one position: whoever has both can show it. */
export interface BlockEvidence {
  /** Of both. */
  readonly number: number;
  readonly blocks: readonly [SignedCommitment, SignedCommitment];
}

/** What a signature says of the L1 block that it builds on. */
interface Origin {
  readonly l1OriginNumber: number;
  readonly l1OriginHash: Hex;
}

/** Whether both can be canonical: of one height, only one is. */
function canBothStand(one: Origin, other: Origin): boolean {
  return one.l1OriginNumber !== other.l1OriginNumber || one.l1OriginHash === other.l1OriginHash;
}

/**
 * Whether two signed blocks cannot both be the one of their position: they differ in order, results
 * or LaneData. As with E1, both L1 origins must be canonical; they are not where L1 has changed
 * under the sequencer.
 */
export function contradictEachOther(one: BlockCommitment, other: BlockCommitment): boolean {
  const isOnePosition =
    one.number === other.number && one.term === other.term && one.lastForced === other.lastForced;
  const isOneBlock = one.blockHash === other.blockHash && one.laneDataHash === other.laneDataHash;
  return isOnePosition && !isOneBlock && canBothStand(one, other);
}

/** The contradiction between two receipts; `null` where there is none. */
export function findEvidence(a: Receipt, b: Receipt): Evidence | null {
  if (a.type === "inclusion" && b.type === "inclusion")
    return betweenInclusions(a.receipt, b.receipt) ?? sameNumber(a, b);
  return sameNumber(a, b) ?? demoted(a, b) ?? demoted(b, a);
}

function betweenInclusions(a: InclusionReceipt, b: InclusionReceipt): Evidence | null {
  const [one, other] = [a.header, b.header];
  const isOnePosition =
    one.chainId === other.chainId &&
    one.term === other.term &&
    one.lastForced === other.lastForced &&
    one.blockNumber === other.blockNumber &&
    one.index === other.index;
  if (orderHash(one) !== orderHash(other))
    return isOnePosition && canBothStand(one, other)
      ? { kind: "E1", reason: `two orders are signed for one position${condition(one, other)}` }
      : null;
  const [first, second] = a.index < b.index ? [a, b] : [b, a];
  return first.lane.rank > second.lane.rank
    ? { kind: "E3", reason: "a lower class stands before a higher one in a flashblock" }
    : null;
}

/** What only L1 can say of the two. */
function condition(one: Origin, other: Origin): string {
  const [first, second] = [one, other].map(
    ({ l1OriginNumber: number, l1OriginHash: hash }) => `${number} (${hash})`,
  );
  return first === second
    ? `; it counts if L1 block ${first} is canonical`
    : `; it counts if L1 blocks ${first} and ${second} are both canonical`;
}

function sameNumber(a: Receipt, b: Receipt): Evidence | null {
  const [one, other] = [numberOf(a), numberOf(b)];
  const isOne = one.term === other.term && one.accepted === other.accepted && one.accepted > 0n;
  return isOne && one.hash !== other.hash
    ? { kind: "E4", reason: "one accepted number is given to two transactions" }
    : null;
}

function numberOf(receipt: Receipt): { term: number; accepted: bigint; hash: string } {
  if (receipt.type === "admission") {
    const { group, leaf } = receipt.receipt;
    return { term: group.term, accepted: leaf.accepted, hash: leaf.hash };
  }
  const { header, lane } = receipt.receipt;
  // A system transaction has no number.
  const accepted = lane.rank === SYSTEM_RANK ? 0n : lane.accepted;
  return { term: header.term, accepted, hash: lane.txHash };
}

function demoted(admission: Receipt, inclusion: Receipt): Evidence | null {
  if (admission.type !== "admission" || inclusion.type !== "inclusion") return null;
  const { leaf, group } = admission.receipt;
  const { lane, header } = inclusion.receipt;
  const isSame =
    group.term === header.term &&
    leaf.accepted === lane.accepted &&
    leaf.hash === lane.txHash &&
    leaf.policyHash === header.policyHash;
  return isSame && leaf.lane === "fast" && lane.rank === NORMAL_RANK
    ? { kind: "E4", reason: "it was promised the fast lane and stands in the normal one" }
    : null;
}
