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
import type { Reader } from "../node/reader.ts";
import { type JsonObject, receiptToJson } from "./codec.ts";
import { Flashblocks, type KnownFlashblock } from "./flashblocks.ts";
import { WAITERS_MAX } from "./limits.ts";
import { pendingBody } from "./pending-block.ts";

interface Waiter {
  resolve(receipt: JsonObject): void;
  reject(error: unknown): void;
}

export class Preconfirmations {
  readonly #reader: Reader;
  readonly #flashblocks = new Flashblocks();
  readonly #waiters = new Map<Hex, Set<Waiter>>();
  #waiting = 0;

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
      waiter.reject(new NodeError(drop.code, { blockNumber: drop.blockNumber }));
  }

  /**
   * Something has changed that somebody may wait for: a flashblock, a slice; or a head, which alone
   * makes it worth a look into the store.
   */
  moved(isHead = false): void {
    for (const [hash, waiters] of this.#waiters) {
      if (!isHead && this.#flashblocks.find(hash) === null) continue;
      const receipt = this.#settled(hash);
      if (receipt !== null) for (const waiter of waiters) waiter.resolve(receipt);
    }
  }

  /** Proof of a transaction's place; `null` where it has none, or this node has not signed it. */
  inclusion(hash: Hex): InclusionReceipt | null {
    const known = this.#flashblocks.find(hash);
    if (known !== null) return known.flashblock.receipt(known.index);
    const location = this.#reader.chain.transactionLocation(hash);
    if (location === null) return null;
    const { blockNumber } = location;
    const counts = this.#reader.chain.blockByNumber(blockNumber)?.laneData.flashblocks ?? [];
    let index = location.index;
    let at = 0;
    for (; at < counts.length && index >= (counts[at]?.txCount ?? 0); at++)
      index -= counts[at]?.txCount ?? 0;
    const flashblock = this.#reader.flashblock(blockNumber, at);
    return flashblock === null ? null : inclusionReceipts(flashblock).receipt(index);
  }

  drop(hash: Hex): Pick<DroppedTransaction, "accepted" | "code" | "blockNumber"> | null {
    return this.#flashblocks.drop(hash) ?? this.#reader.chain.drop(hash);
  }

  /** The receipt of an executed transaction, sealed or not; `null` while it is not executed. */
  receipt(hash: Hex): JsonObject | null {
    const { chain } = this.#reader;
    for (const body of this.#reader.pendingBodies()) {
      const index = body.transactions.findIndex((transaction) => transaction.hash === hash);
      if (index === -1) continue;
      const { block, receipts } = pendingBody(body);
      return receiptToJson(block, receipts, index);
    }
    const location = chain.transactionLocation(hash);
    const stored = location === null ? null : chain.blockByNumber(location.blockNumber);
    const receipts = location === null ? null : chain.receipts(location.blockNumber);
    if (location === null || stored === null || receipts === null) return null;
    return receiptToJson(stored.block, receipts, location.index);
  }

  /**
   * The receipt as soon as the transaction is preconfirmed. Errors: the code of its drop,
   * `SYNC_TIMEOUT`, `LIMIT_EXCEEDED` where too many wait.
   */
  async wait(hash: Hex, timeoutMs: number): Promise<JsonObject> {
    const known = this.#settled(hash);
    if (known !== null) return known;
    const drop = this.drop(hash);
    if (drop !== null) throw new NodeError(drop.code, { blockNumber: drop.blockNumber });
    if (this.#waiting >= WAITERS_MAX)
      throw new NodeError("LIMIT_EXCEEDED", { waiters: WAITERS_MAX });
    this.#waiting += 1;
    const waiters = this.#waiters.get(hash) ?? new Set<Waiter>();
    this.#waiters.set(hash, waiters);
    let timer: NodeJS.Timeout | undefined;
    let own: Waiter | undefined;
    try {
      return await new Promise<JsonObject>((resolve, reject) => {
        own = { resolve, reject };
        waiters.add(own);
        timer = setTimeout(() => {
          reject(new NodeError("SYNC_TIMEOUT", { hash }));
        }, timeoutMs);
      });
    } finally {
      clearTimeout(timer);
      if (own !== undefined) waiters.delete(own);
      if (waiters.size === 0) this.#waiters.delete(hash);
      this.#waiting -= 1;
    }
  }

  /** The receipt of one that is promised: in a signed flashblock, or in a stored block. */
  #settled(hash: Hex): JsonObject | null {
    const isPromised =
      this.#flashblocks.find(hash) !== null ||
      this.#reader.chain.transactionLocation(hash) !== null;
    return isPromised ? this.receipt(hash) : null;
  }
}
