/**
 * The newest signed flashblocks, as this thread was told of them: what becomes receipts before
 * their block is stored, and the newest drops. Older ones are in the store (`reader.flashblock`).
 *
 * Owns the index from a transaction to its place, and bounds. Bytes are decoded, and trees hashed,
 * when somebody asks, once a flashblock.
 */
import { toHex, type Hex } from "../lanes/bytes.ts";
import { type InclusionReceipt, inclusionReceipts } from "../lanes/inclusion.ts";
import {
  decodeSignedFlashblock,
  flashblockBlockNumber,
  flashblockHashes,
  type SignedFlashblock,
} from "../lanes/signed-flashblock.ts";
import type { DroppedTransaction } from "../node/api.ts";
import { NodeError } from "../node/errors.ts";
import { keepNewest } from "../node/keep-newest.ts";

/** Flashblocks kept are of this many blocks: the open one, and those on their way to the store. */
const BLOCKS_KEPT = 8;
/** What a byte of a flashblock comes to in memory, with its index, its leaves and its trees. */
const MEMORY_A_BYTE = 18;

/** What is kept. */
export interface FlashblockBounds {
  /** Bytes of memory, whatever the number of flashblocks; the newest always stays. */
  readonly bytesMax: number;
  readonly dropsMax: number;
}

export const FLASHBLOCK_BOUNDS: FlashblockBounds = {
  bytesMax: 128 * 1024 * 1024,
  dropsMax: 16_384,
};

/** A flashblock and the places in it, decoded when it is needed. */
export class KnownFlashblock {
  readonly bytes: Uint8Array;
  readonly blockNumber: number;
  #decoded: SignedFlashblock | null = null;
  #receipts: ReturnType<typeof inclusionReceipts> | null = null;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.blockNumber = flashblockBlockNumber(bytes);
  }

  decoded(): SignedFlashblock {
    if (this.#decoded !== null) return this.#decoded;
    const decoded = decodeSignedFlashblock(this.bytes);
    if (!decoded.ok) throw new NodeError("INTERNAL", { ...decoded.data, flashblock: "malformed" });
    return (this.#decoded = decoded.value);
  }

  receipt(index: number): InclusionReceipt {
    this.#receipts ??= inclusionReceipts(this.decoded());
    return this.#receipts.receipt(index);
  }
}

export interface FlashblockPlace {
  readonly flashblock: KnownFlashblock;
  readonly index: number;
}

export class Flashblocks {
  readonly #bounds: FlashblockBounds;
  #known: KnownFlashblock[] = [];
  #bytes = 0;
  readonly #places = new Map<Hex, FlashblockPlace>();
  readonly #drops = new Map<Hex, DroppedTransaction>();

  constructor(bounds = FLASHBLOCK_BOUNDS) {
    this.#bounds = bounds;
  }

  /** Flashblocks kept. */
  get size(): number {
    return this.#known.length;
  }

  /** The next flashblock; one that was announced before, after a pause, takes its place. */
  add(bytes: Uint8Array): KnownFlashblock {
    const flashblock = new KnownFlashblock(bytes);
    this.#known.push(flashblock);
    this.#bytes += MEMORY_A_BYTE * bytes.length;
    let index = 0;
    for (const hash of flashblockHashes(bytes))
      this.#places.set(toHex(hash), { flashblock, index: index++ });
    this.#forget(flashblock.blockNumber);
    return flashblock;
  }

  addDrop(drop: DroppedTransaction): void {
    this.#drops.set(drop.hash, drop);
    keepNewest(this.#drops, this.#bounds.dropsMax);
  }

  find(hash: Hex): FlashblockPlace | null {
    return this.#places.get(hash) ?? null;
  }

  drop(hash: Hex): DroppedTransaction | null {
    return this.#drops.get(hash) ?? null;
  }

  #forget(newest: number): void {
    let oldest = this.#known[0];
    while (oldest !== undefined && this.#known.length > 1) {
      const isOld = oldest.blockNumber <= newest - BLOCKS_KEPT;
      if (!isOld && this.#bytes <= this.#bounds.bytesMax) return;
      this.#known.shift();
      this.#bytes -= MEMORY_A_BYTE * oldest.bytes.length;
      for (const hash of flashblockHashes(oldest.bytes)) {
        const key = toHex(hash);
        if (this.#places.get(key)?.flashblock === oldest) this.#places.delete(key);
      }
      oldest = this.#known[0];
    }
  }
}
