/**
 * KZG for blobs, as a service of a pool thread. Creating the context takes seconds: create the
 * service when the thread starts. Work blocks the thread for up to half a second a blob.
 *
 * Only the library's synchronous functions are used. Its asynchronous ones let go of their
 * arguments in a thread of Rust's, by way of the first JavaScript thread that loaded the module:
 * where another thread calls them, two threads change the same list of references, and the process
 * dies (`free(): invalid pointer`; napi-rs 2.16 with `worker_threads`).
 */
import { BYTES_PER_BLOB, DasContextJs } from "@crate-crypto/node-eth-kzg";
import { createHash } from "node:crypto";
import type { Hex } from "../../lanes/bytes.ts";
import type { SharedTurn } from "./shared-turn.ts";

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

/** Its thread compresses too, and a batch has a deadline: no turn is waited for longer. */
const TURN_WAIT_MS = 2_000;
/** EIP-4844: first byte of a versioned hash of a KZG commitment. */
const VERSION = "01";

/** Versioned hash of a blob's KZG commitment (48 bytes). */
export function versionedHash(commitment: Uint8Array): Hex {
  const digest = createHash("sha256").update(commitment).digest("hex");
  return `0x${VERSION}${digest.slice(2)}`;
}

/** Blocks the calling thread for some seconds while the context is made; work is done in `turn`s. */
export function createKzgService(turn: SharedTurn | null): KzgService {
  // Precomputation would cost more memory and start-up time than it saves for a few blobs a minute.
  const context = DasContextJs.create({ usePrecomp: false });
  return {
    blobToSidecar(blob) {
      const compute = (): Promise<BlobSidecar> => {
        const commitment = context.blobToKzgCommitment(blob);
        const { proofs } = context.computeCellsAndKzgProofs(blob);
        return Promise.resolve({ commitment, proofs, versionedHash: versionedHash(commitment) });
      };
      return turn === null ? compute() : turn.hold(compute, TURN_WAIT_MS);
    },
    blobToVersionedHash: (blob) => Promise.resolve(commitmentHash(context, blob)),
  };
}

function commitmentHash(context: DasContextJs, blob: Uint8Array): Hex | null {
  if (blob.length !== BYTES_PER_BLOB) return null;
  try {
    return versionedHash(context.blobToKzgCommitment(blob));
  } catch {
    // The length is right, so what the library refuses is a field element.
    return null;
  }
}
