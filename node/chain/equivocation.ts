/**
 * Notices that the sequencer signed two blocks for one position, and keeps both: the proof that it
 * broke its word, which nobody else may have seen. PROTOCOL 9.
 *
 * Owns what is compared: a block against the one in the chain at its height, and against those that
 * came and were not taken. Does not own what makes two promises contradict each other
 * (`lanes/evidence.ts`) nor the records. Whoever is first stays in the chain: which block L1 gets is
 * the batch's affair, not this alarm's.
 */
import { toHex } from "../../lanes/bytes.ts";
import { type BlockEvidence, contradictEachOther } from "../../lanes/evidence.ts";
import type { BlockCommitment } from "../../lanes/signed.ts";
import { type ErrorCode, NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { decodeSignedBlock, type UnverifiedBlock } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import type { EquivocationRecord, Store } from "../storage/store.ts";
import { blockCommitment, type BlockSigner, isSigned } from "./commitment.ts";

/**
 * Signed blocks that are not in the chain and are remembered, the oldest forgotten first; as many
 * pairs of which L1 has to tell.
 */
export const UNPLACED_MAX = 16;

export interface EquivocationDeps extends BlockSigner {
  readonly store: Pick<Store, "rawBlock" | "blockByNumber" | "saveEquivocation" | "equivocations">;
  /** This node's own view of L1; `null` where L1 has no such block yet. */
  originAt(number: number): Promise<Pick<L1Origin, "hash"> | null>;
  readonly log: Logger;
}

export interface EquivocationWatch {
  /**
   * A block that came from a peer, after it was imported or not; one call at a time. `bytes` is its
   * wire form. What it proves is durable when this resolves.
   */
  saw(block: UnverifiedBlock, bytes: Uint8Array, isImported: boolean): Promise<void>;
  /** What is kept, the oldest first: one proof a height, and a bounded number of them. */
  found(): readonly BlockEvidence[];
}

interface Seen {
  readonly block: UnverifiedBlock;
  readonly bytes: Uint8Array;
}

/** A block and what its signature covers. */
interface Promised extends Seen {
  readonly commitment: BlockCommitment;
  readonly signature: Uint8Array;
}

/** `waits`: this node has not seen the L1 block yet that would tell. */
type Comparison = "contradict" | "agree" | "waits";

export function createEquivocationWatch(deps: EquivocationDeps): EquivocationWatch {
  const { store, log } = deps;
  const found = store.equivocations().map(({ blocks: [first, second] }) => {
    const [one, other] = [promiseOf(decode(first)), promiseOf(decode(second))];
    if (one === null || other === null)
      throw new NodeError("STORAGE_CORRUPT", { record: "equivocation" });
    return evidenceOf(one, other);
  });
  let unplaced: readonly Seen[] = [];
  let undecided: readonly (readonly [Promised, Promised])[] = [];

  const compare = async (one: Promised, other: Promised): Promise<Comparison> => {
    const [a, b] = [one.commitment, other.commitment];
    if (!contradictEachOther(a, b)) return "agree";
    if (!isSigned(a, one.signature, deps) || !isSigned(b, other.signature, deps)) return "agree";
    if (a.l1OriginNumber === b.l1OriginNumber && a.l1OriginHash === b.l1OriginHash)
      return "contradict";
    // On another origin it is honest after an L1 reorg, and only then: L1 has one of the two.
    let waits = false;
    for (const { l1OriginNumber, l1OriginHash } of [a, b]) {
      const origin = await deps.originAt(l1OriginNumber);
      if (origin === null) waits = true;
      else if (origin.hash !== l1OriginHash) return "agree";
    }
    return waits ? "waits" : "contradict";
  };

  const keep = async (first: Promised, second: Promised): Promise<void> => {
    const { number } = first.commitment;
    if (found.some((one) => one.number === number)) return;
    const inChain = store.blockByNumber(number);
    const record: EquivocationRecord = {
      number,
      blocks: [first.bytes, second.bytes],
      orderHashes: inChain?.orderHashes ?? [],
      flashblockSignatures: inChain?.flashblockSignatures ?? [],
    };
    const isKept = await store.saveEquivocation(record);
    if (isKept) found.push(evidenceOf(first, second));
    const code: ErrorCode = "SEQUENCER_EQUIVOCATED";
    log.error("the sequencer signed two blocks for one position", {
      code,
      number,
      first: first.commitment.blockHash,
      second: second.commitment.blockHash,
      isKept,
    });
  };

  const settle = async (one: Promised, other: Promised): Promise<void> => {
    const result = await compare(one, other);
    if (result === "contradict") await keep(one, other);
    if (result === "waits") undecided = [...undecided, [one, other] as const].slice(-UNPLACED_MAX);
  };

  return {
    async saw(block, bytes, isImported) {
      const waiting = undecided;
      undecided = [];
      for (const [one, other] of waiting) await settle(one, other);

      const { number } = block.header;
      const raw = isImported ? null : store.rawBlock(number);
      const others = unplaced.filter((seen) => seen.block.header.number === number);
      if (raw !== null) others.unshift(decode(raw));
      // Almost always there is none, and nothing is hashed or recovered.
      const own = others.length === 0 ? null : promiseOf({ block, bytes });
      let isNew = true;
      for (const seen of own === null ? [] : others) {
        const other = promiseOf(seen);
        if (own === null || other === null) continue;
        if (isSameBlock(own, other)) isNew = false;
        else await settle(other, own);
      }
      if (isNew && !isImported) unplaced = [...unplaced, { block, bytes }].slice(-UNPLACED_MAX);
    },
    found: () => found,
  };
}

function decode(bytes: Uint8Array): Seen {
  const block = decodeSignedBlock(bytes);
  if (!block.ok) throw new NodeError("STORAGE_CORRUPT", { record: "block", reason: block.code });
  return { block: block.value, bytes };
}

/** `null` for a block from L1, which has no signature of its own. */
function promiseOf(seen: Seen): Promised | null {
  const commitment = blockCommitment(seen.block);
  const { signature } = seen.block;
  if (!commitment.ok || signature === null) return null;
  return { ...seen, commitment: commitment.value, signature };
}

function isSameBlock({ commitment: one }: Promised, { commitment: other }: Promised): boolean {
  return one.blockHash === other.blockHash && one.laneDataHash === other.laneDataHash;
}

function evidenceOf(first: Promised, second: Promised): BlockEvidence {
  const signedOf = ({ commitment, signature }: Promised) => ({
    ...commitment,
    signature: toHex(signature),
  });
  return { number: first.commitment.number, blocks: [signedOf(first), signedOf(second)] };
}
