/**
 * The sequencer key, behind a durable compare-and-set.
 *
 * Owns: the key and the rule that one height gets one signature (I8): the mark is durable before
 * the signature exists, so a crash, a restart or a second builder cannot make another. PROTOCOL 10.
 */
import { type Hex, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import {
  batchDigest,
  batchStructHash,
  type BatchCommitment,
  blockDigest,
  type BlockCommitment,
  type SigningDomain,
} from "../../lanes/signed.ts";
import { NodeError } from "../errors.ts";
import { signDigest } from "../primitives/signature.ts";
import type { SignedMark } from "../storage/store.ts";

export interface MarkStore {
  signedMark(kind: SignedMark["kind"], height: number): SignedMark | null;
  /** Resolves when durable. */
  saveSignedMark(mark: SignedMark): Promise<void>;
}

export interface Signer {
  /**
   * 65-byte signature. Errors: `SIGNATURE_CONFLICT` where another hash was signed at this height.
   */
  signBlock(commitment: BlockCommitment): Promise<Uint8Array>;
  /** As `signBlock`, by batch index. */
  signBatch(commitment: BatchCommitment): Promise<Uint8Array>;
}

export function createSigner(
  privateKey: Uint8Array,
  domain: SigningDomain,
  marks: MarkStore,
): Signer {
  // One signature at a time: two callers must not both find the height unmarked.
  let turn: Promise<unknown> = Promise.resolve();

  const signOnce = (mark: SignedMark, digest: Uint8Array): Promise<Uint8Array> => {
    const run = turn.then(async () => {
      const { kind, height, hash } = mark;
      const earlier = marks.signedMark(kind, height);
      if (earlier !== null && earlier.hash !== hash)
        throw new NodeError("SIGNATURE_CONFLICT", {
          kind,
          height,
          signed: earlier.hash,
          asked: hash,
        });
      if (earlier === null) await marks.saveSignedMark(mark);
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
      return signOnce({ kind: "block", height, hash, origin }, digest);
    },
    signBatch(commitment) {
      const hash = batchStructHash(commitment);
      return signOnce(
        { kind: "batch", height: commitment.index, hash, origin: ZERO_HASH },
        batchDigest(domain, commitment),
      );
    },
  };
}
