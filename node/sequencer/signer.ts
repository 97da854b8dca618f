/**
 * The sequencer key, behind a durable compare-and-set.
 *
 * Owns: the key and the rule that one position gets one signature (I8): its mark is durable before
 * the signature exists, so a crash, a restart or a second builder cannot make another. Positions
 * are block heights, batch indexes, (block, index) of flashblocks, and first numbers of admission
 * groups. Blocks at or below the store's floor have everything they will ever get. PROTOCOL 10.
 *
 * Not owned: that the marks themselves are no old copy; `checkSigner` compares them with the chain.
 */
import { type Hex, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import {
  type AdmissionGroup,
  admissionGroupDigest,
  batchDigest,
  batchStructHash,
  type BatchCommitment,
  blockDigest,
  type BlockCommitment,
  flashblockDigest,
  type SigningDomain,
} from "../../lanes/signed.ts";
import {
  type ExecutedFlashblock,
  flashblockOrderHash,
  flashblockResultHash,
} from "../../lanes/signed-flashblock.ts";
import { NodeError } from "../errors.ts";
import { signDigest } from "../primitives/signature.ts";
import type { AdmissionMark, JournalRecord, SignedMark, Store } from "../storage/store.ts";

export type MarkStore = Pick<
  Store,
  "signedMark" | "saveSignedMark" | "signedFloor" | "admissionMark" | "appendJournal"
>;

/** What becomes durable together and is signed then. */
export interface Promises {
  readonly records: readonly JournalRecord[];
  readonly group: AdmissionGroup | null;
  readonly flashblocks: readonly ExecutedFlashblock[];
}

/** 65-byte signatures. */
export interface PromiseSignatures {
  readonly group: Uint8Array | null;
  readonly flashblocks: readonly Uint8Array[];
}

/** Everything throws `SIGNATURE_CONFLICT` where something else was signed for the position. */
export interface Signer {
  signBlock(commitment: BlockCommitment): Promise<Uint8Array>;
  /** By batch index. */
  signBatch(commitment: BatchCommitment): Promise<Uint8Array>;
  /**
   * One call at a time. A flashblock's results may be signed again, its order may not: results are
   * corrected where the independent check found them wrong.
   */
  signPromises(promises: Promises): Promise<PromiseSignatures>;
}

export function createSigner(
  privateKey: Uint8Array,
  domain: SigningDomain,
  marks: MarkStore,
): Signer {
  // One signature at a time: two callers must not both find the height unmarked.
  let turn: Promise<unknown> = Promise.resolve();

  /** The mark to be saved; `null` where it stands already. */
  const missingMark = (mark: SignedMark): SignedMark | null => {
    const { kind, height, index, hash } = mark;
    const earlier = marks.signedMark(kind, height, index);
    const isBelow = kind !== "batch" && height <= marks.signedFloor();
    if (earlier === null && !isBelow) return mark;
    if (earlier?.hash === hash && earlier.origin === mark.origin) return null;
    const signed = earlier?.hash ?? "pruned";
    throw new NodeError("SIGNATURE_CONFLICT", { kind, height, index, signed, asked: hash });
  };

  const missingAdmission = (group: AdmissionGroup, digest: Uint8Array): AdmissionMark | null => {
    const earlier = marks.admissionMark();
    const { firstAccepted } = group;
    const mark = { firstAccepted, hash: toHex(digest) };
    if (earlier === null || firstAccepted > earlier.firstAccepted) return mark;
    if (earlier.firstAccepted === firstAccepted && earlier.hash === mark.hash) return null;
    throw new NodeError("SIGNATURE_CONFLICT", {
      kind: "admission",
      firstAccepted: String(firstAccepted),
      signed: String(earlier.firstAccepted),
    });
  };

  const signOnce = (mark: SignedMark, digest: Uint8Array): Promise<Uint8Array> => {
    const run = turn.then(async () => {
      const missing = missingMark(mark);
      if (missing !== null) await marks.saveSignedMark(missing);
      return signDigest(digest, privateKey);
    });
    turn = run.catch(() => undefined);
    return run;
  };

  return {
    signBlock(commitment) {
      const digest = blockDigest(domain, commitment);
      // The digest covers LaneData and origin too: the same block hash with another order is
      // another promise.
      const hash: Hex = toHex(digest);
      const { number: height, l1OriginHash: origin } = commitment;
      return signOnce({ kind: "block", height, index: 0, hash, origin }, digest);
    },
    signBatch(commitment) {
      const hash = batchStructHash(commitment);
      return signOnce(
        { kind: "batch", height: commitment.index, index: 0, hash, origin: ZERO_HASH },
        batchDigest(domain, commitment),
      );
    },
    async signPromises({ records, group, flashblocks }) {
      const digest = group === null ? null : admissionGroupDigest(domain, group);
      const admission = group === null || digest === null ? null : missingAdmission(group, digest);
      const commitments = flashblocks.map((flashblock) => ({
        orderHash: flashblockOrderHash(flashblock),
        resultHash: flashblockResultHash(flashblock),
      }));
      const missing = flashblocks.flatMap(({ header }, at) => {
        const { blockNumber: height, index, l1OriginHash: origin } = header;
        const hash = commitments[at]?.orderHash ?? ZERO_HASH;
        return missingMark({ kind: "flashblock", height, index, hash, origin }) ?? [];
      });
      await marks.appendJournal(records, missing, admission ?? undefined);
      return {
        group: digest === null ? null : signDigest(digest, privateKey),
        flashblocks: commitments.map((commitment) =>
          signDigest(flashblockDigest(domain, commitment), privateKey),
        ),
      };
    },
  };
}

/**
 * Whether marks and chain are of one time: an old copy of either could make a key sign twice.
 *
 * Errors: `SIGNER_AHEAD` where a signature is out for a block that the chain does not hold;
 * `SIGNER_BEHIND` where the chain holds a signature that the marks do not know.
 */
export function checkSigner(
  store: Pick<Store, "signedFloor" | "signedMark">,
  head: { readonly number: number; readonly isSigned: boolean },
): void {
  const floor = store.signedFloor();
  const { number, isSigned } = head;
  if (floor > number || store.signedMark("block", number + 1) !== null)
    throw new NodeError("SIGNER_AHEAD", { head: number, signed: Math.max(floor, number + 1) });
  if (isSigned && floor < number && store.signedMark("block", number) === null)
    throw new NodeError("SIGNER_BEHIND", { head: number, signed: floor });
}
