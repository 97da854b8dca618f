/**
 * What this thread knows of transactions before their block: signed flashblocks, drops, results of
 * the open block; and who waits for one of them.
 *
 * Owns waiting: woken by events, never by looking again and again, bounded in number and time. A
 * transaction is preconfirmed when its flashblock is durable and signed; on a node that hears of no
 * flashblocks, when its block is stored.
 */
import type { Hex } from "../lanes/bytes.ts";
import { type InclusionReceipt, inclusionReceipts } from "../lanes/inclusion.ts";
import type { DroppedTransaction } from "../node/api.ts";
import { NodeError } from "../node/errors.ts";
import type { PendingBody, Reader } from "../node/reader.ts";
import { type JsonObject, receiptToJson } from "./codec.ts";
import { Flashblocks, type KnownFlashblock } from "./flashblocks.ts";
import { WAITERS_MAX } from "./limits.ts";
import { type BlockBody, pendingBody } from "./pending-block.ts";
import { keepNewest } from "../node/keep-newest.ts";

/** Flashblocks of stored blocks whose trees are kept; one has some thousands of leaves at most. */
const STORED_KEPT = 16;

interface Waiter {
  /** The admission number that it waits for: what was dropped before is another story. */
  readonly accepted: bigint;
  resolve(receipt: JsonObject): void;
  reject(error: unknown): void;
}

export class Preconfirmations {
  readonly #reader: Reader;
  readonly #flashblocks = new Flashblocks();
  readonly #waiters = new Map<Hex, Set<Waiter>>();
  #waiting = 0;
  /** Receipts of stored flashblocks that were asked for last, by block hash and index. */
  readonly #stored = new Map<string, ReturnType<typeof inclusionReceipts>>();

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** A flashblock was signed; call `moved` when it has been told to those who watch. */
  add(bytes: Uint8Array): KnownFlashblock {
    return this.#flashblocks.add(bytes);
  }

  addDrop(drop: DroppedTransaction): void {
    this.#flashblocks.addDrop(drop);
    for (const waiter of this.#waiters.get(drop.hash) ?? [])
      if (drop.accepted >= waiter.accepted) waiter.reject(dropError(drop));
  }

  /**
   * Something has changed that somebody may wait for: a flashblock, a slice; or a head, which alone
   * makes it worth a look into the store.
   */
  moved(isHead = false): void {
    let open: OpenReceipts | null = null;
    for (const [hash, waiters] of this.#waiters) {
      if (!isHead && this.#flashblocks.find(hash) === null) continue;
      try {
        open ??= new OpenReceipts(this.#reader.pendingBodies());
        const receipt = this.#settled(hash, open);
        if (receipt !== null) for (const waiter of waiters) waiter.resolve(receipt);
      } catch (error) {
        // What cannot be read is the trouble of who asks for it.
        for (const waiter of waiters) waiter.reject(error);
      }
    }
  }

  /** Proof of a transaction's place; `null` where it has none, or this node has not signed it. */
  inclusion(hash: Hex): InclusionReceipt | null {
    const known = this.#flashblocks.find(hash);
    if (known !== null) return known.flashblock.receipt(known.index);
    const location = this.#reader.chain.transactionLocation(hash);
    if (location === null) return null;
    const { blockNumber } = location;
    const stored = this.#reader.chain.blockByNumber(blockNumber);
    const counts = stored?.laneData.flashblocks ?? [];
    let index = location.index;
    let at = 0;
    for (; at < counts.length && index >= (counts[at]?.txCount ?? 0); at++)
      index -= counts[at]?.txCount ?? 0;
    return this.#storedReceipts(blockNumber, stored?.block.hash, at)?.receipt(index) ?? null;
  }

  drop(hash: Hex): Pick<DroppedTransaction, "accepted" | "code" | "blockNumber"> | null {
    return this.#flashblocks.drop(hash) ?? this.#reader.chain.drop(hash);
  }

  /** The receipt of an executed transaction, sealed or not; `null` while it is not executed. */
  #receipt(hash: Hex, open: OpenReceipts): JsonObject | null {
    const executed = open.receipt(hash);
    if (executed !== null) return executed;
    const { chain } = this.#reader;
    const location = chain.transactionLocation(hash);
    const stored = location === null ? null : chain.blockByNumber(location.blockNumber);
    const receipts = location === null ? null : chain.receipts(location.blockNumber);
    if (location === null || stored === null || receipts === null) return null;
    return receiptToJson(stored.block, receipts, location.index);
  }

  /**
   * Sends a transaction and waits for its receipt, until it is preconfirmed. Errors: what `send`
   * throws; the code of its drop; `SYNC_GAPPED`, `SYNC_TIMEOUT`; `LIMIT_EXCEEDED` where too many
   * wait, and then it is not sent.
   */
  async sync(
    send: () => Promise<{ readonly hash: Hex; accepted: bigint; isGapped: boolean }>,
    timeoutMs: number,
  ): Promise<JsonObject> {
    if (this.#waiting >= WAITERS_MAX)
      throw new NodeError("LIMIT_EXCEEDED", { waiters: WAITERS_MAX });
    this.#waiting += 1;
    try {
      const { hash, accepted, isGapped } = await send();
      if (isGapped) throw new NodeError("SYNC_GAPPED", { hash });
      return await this.#wait(hash, accepted, timeoutMs);
    } finally {
      this.#waiting -= 1;
    }
  }

  async #wait(hash: Hex, accepted: bigint, timeoutMs: number): Promise<JsonObject> {
    const known = this.#settled(hash, new OpenReceipts(this.#reader.pendingBodies()));
    if (known !== null) return known;
    const drop = this.drop(hash);
    if (drop !== null && drop.accepted >= accepted) throw dropError(drop);
    const waiters = this.#waiters.get(hash) ?? new Set<Waiter>();
    this.#waiters.set(hash, waiters);
    let timer: NodeJS.Timeout | undefined;
    let own: Waiter | undefined;
    try {
      return await new Promise<JsonObject>((resolve, reject) => {
        own = { accepted, resolve, reject };
        waiters.add(own);
        timer = setTimeout(() => {
          reject(new NodeError("SYNC_TIMEOUT", { hash }));
        }, timeoutMs);
      });
    } finally {
      clearTimeout(timer);
      if (own !== undefined) waiters.delete(own);
      if (waiters.size === 0) this.#waiters.delete(hash);
    }
  }

  /** The receipt of one that is promised: in a signed flashblock, or in a stored block. */
  #settled(hash: Hex, open: OpenReceipts): JsonObject | null {
    const isPromised =
      this.#flashblocks.find(hash) !== null ||
      this.#reader.chain.transactionLocation(hash) !== null;
    return isPromised ? this.#receipt(hash, open) : null;
  }

  #storedReceipts(number: number, hash: Hex | undefined, at: number) {
    const key = `${hash ?? ""} ${at}`;
    const known = this.#stored.get(key);
    if (known !== undefined) return known;
    const flashblock = this.#reader.flashblock(number, at);
    if (flashblock === null) return null;
    const receipts = inclusionReceipts(flashblock);
    this.#stored.set(key, receipts);
    keepNewest(this.#stored, STORED_KEPT);
    return receipts;
  }
}

/** Receipts of what is executed and not stored: each block is indexed once, and only when asked. */
class OpenReceipts {
  readonly #bodies: readonly PendingBody[];
  #places: Map<Hex, { readonly body: BlockBody; readonly index: number }> | null = null;

  constructor(bodies: readonly PendingBody[]) {
    this.#bodies = bodies;
  }

  receipt(hash: Hex): JsonObject | null {
    this.#places ??= this.#index();
    const place = this.#places.get(hash);
    return place === undefined
      ? null
      : receiptToJson(place.body.block, place.body.receipts, place.index);
  }

  #index() {
    const places = new Map<Hex, { readonly body: BlockBody; readonly index: number }>();
    for (const open of this.#bodies) {
      const body = pendingBody(open);
      for (const [index, { hash }] of open.transactions.entries())
        places.set(hash, { body, index });
    }
    return places;
  }
}

function dropError({ code, blockNumber }: Pick<DroppedTransaction, "code" | "blockNumber">) {
  return new NodeError(code, { blockNumber });
}
