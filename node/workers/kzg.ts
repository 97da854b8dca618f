/**
 * KZG for blobs, as a service of a pool thread. Creating the context takes seconds: create the
 * service when the thread starts. Work runs on the runtime's own threads.
 */
import { BYTES_PER_BLOB, DasContextJs } from "@crate-crypto/node-eth-kzg";
import { createHash } from "node:crypto";
import type { Hex } from "../../lanes/bytes.ts";

/** Channel name on the pool's port. */
export const KZG_CHANNEL = "kzg";

/** What a blob transaction carries beside each blob (EIP-7594). */
export interface BlobSidecar {
  /** 48 bytes. */
  readonly commitment: Uint8Array;
  /** 128 cell proofs of 48 bytes. */
  readonly proofs: readonly Uint8Array[];
  readonly versionedHash: Hex;
}

// A type, not an interface: `serve` takes services with an index signature.
export type KzgService = {
  blobToSidecar(blob: Uint8Array): Promise<BlobSidecar>;
  /** Versioned hash of the blob; `null` where a field element is not below the modulus. */
  blobToVersionedHash(blob: Uint8Array): Promise<Hex | null>;
};

/** EIP-4844: first byte of a versioned hash of a KZG commitment. */
const VERSION = "01";

/** Versioned hash of a blob's KZG commitment (48 bytes). */
export function versionedHash(commitment: Uint8Array): Hex {
  const digest = createHash("sha256").update(commitment).digest("hex");
  return `0x${VERSION}${digest.slice(2)}`;
}

/** Blocks the calling thread for some seconds while the context is made. */
export function createKzgService(): KzgService {
  // Precomputation would cost more memory and start-up time than it saves for a few blobs a minute.
  const context = DasContextJs.create({ usePrecomp: false });
  return {
    async blobToSidecar(blob) {
      const commitment = await context.asyncBlobToKzgCommitment(blob);
      const { proofs } = await context.asyncComputeCellsAndKzgProofs(blob);
      return { commitment, proofs, versionedHash: versionedHash(commitment) };
    },
    async blobToVersionedHash(blob) {
      if (blob.length !== BYTES_PER_BLOB) return null;
      try {
        return versionedHash(await context.asyncBlobToKzgCommitment(blob));
      } catch {
        // The length is right, so what the library refuses is a field element.
        return null;
      }
    },
  };
}
