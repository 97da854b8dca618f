/**
 * Posts batches: takes unposted blocks, has their header signed, and sees one L1 transaction at a
 * time through until the batch is derived back from L1.
 *
 * Owns the batch in flight and its record on disk. Does not own the sequencer key (`signBatch` asks
 * for it), the payload's form, or L1 transactions (`batch-poster.ts`). Invariants: one batch in
 * flight; a header is on disk before it is signed, an attempt before it is sent, so a restart
 * repeats the same bytes; two mined reverts of a batch stop the batcher.
 */
import { batchStructHash } from "../../lanes/signed.ts";
import type { Clock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ChainReader } from "../storage/store.ts";
import type { CompressService } from "../workers/compress.ts";
import type { KzgService } from "../workers/kzg.ts";
import { type BatchPlace, buildBatch, collectUnposted } from "./batch-builder.ts";
import type { BatchPoster, SignedRecord } from "./batch-poster.ts";
import type { Attempt, BatchRecord, BatchRecordFile } from "./batch-record.ts";
import type { L1Client } from "./l1.ts";
import type { L1Heads } from "./l1-heads.ts";
import type { SettlementHandlers } from "./settlement.ts";

const REPLACE_AFTER_MS = 60_000;
/** Doublings of the fees before the batcher only waits and says so. */
const ATTEMPTS_MAX = 6;
const REVERTS_MAX = 2;

export interface BatcherOptions {
  readonly batchIntervalMs: number;
  /** @default 60000 */
  readonly replaceAfterMs?: number;
}

export interface BatcherDeps {
  readonly client: Pick<L1Client, "nextBatchIndex" | "batchHash" | "receipt">;
  readonly poster: BatchPoster;
  readonly heads: Pick<L1Heads, "head" | "originAt">;
  readonly chain: Pick<ChainReader, "heads" | "blockByNumber">;
  /** The first batch that derivation has not applied: where the next one goes. */
  place(): BatchPlace;
  readonly signBatch: SettlementHandlers["signBatch"];
  readonly record: BatchRecordFile;
  readonly kzg: KzgService;
  readonly compress: CompressService;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Batcher {
  /**
   * One step of the batch in flight, or the start of the next; `now` does not wait for the
   * interval.
   */
  step(now: boolean): Promise<void>;
  /** Batches signed or sent and not derived yet: 0 or 1. */
  pending(): number;
}

export function createBatcher(options: BatcherOptions, deps: BatcherDeps): Batcher {
  const { client, clock, log, poster } = deps;
  const replaceAfterMs = options.replaceAfterMs ?? REPLACE_AFTER_MS;
  /** `undefined` until the file was read. */
  let record: BatchRecord | null | undefined;
  /** Monotonic time of the last sending by this process. */
  let sentAt: number | null = null;

  const keep = async (next: BatchRecord): Promise<BatchRecord> => {
    await deps.record.save(next);
    record = next;
    return next;
  };

  const signed = async (current: BatchRecord): Promise<SignedRecord> => {
    if (current.signature !== null) return { ...current, signature: current.signature };
    const next = { ...current, signature: await deps.signBatch(current.header) };
    await keep(next);
    return next;
  };

  const transmit = async (current: SignedRecord, attempt: Attempt): Promise<void> => {
    sentAt = clock.monotonicMs();
    const { accepted, reason } = await poster.send(current, attempt);
    const { index, firstBlock, lastBlock } = current.header;
    const facts = { index, firstBlock, lastBlock, transaction: attempt.hash };
    if (accepted) log.info("batch sent", facts);
    // Known already, or the nonce is used: the receipt will tell.
    else log.warn("L1 did not take the batch", { ...facts, reason });
  };

  const attempt = async (current: SignedRecord): Promise<void> => {
    const next = await poster.prepare(current);
    await keep({ ...current, attempts: [...current.attempts, next] });
    await transmit(current, next);
  };

  const follow = async (current: SignedRecord, last: Attempt): Promise<void> => {
    const receipts = await Promise.all(current.attempts.map(({ hash }) => client.receipt(hash)));
    const mined = receipts.find((receipt) => receipt !== null);
    if (mined?.succeeded === true) return;
    if (mined !== undefined) {
      log.error("batch reverted on L1", { index: current.header.index });
      await keep({ ...current, attempts: [], reverts: current.reverts + 1 });
    } else if ((await poster.minedNonce()) > last.nonce) {
      // Another transaction of this key took the nonce.
      await keep({ ...current, attempts: [] });
    } else if (sentAt === null) {
      await transmit(current, last);
    } else if (clock.monotonicMs() - sentAt >= replaceAfterMs) {
      const attempts = current.attempts.length;
      if (attempts >= ATTEMPTS_MAX) throw failed(current, { attempts });
      await attempt(current);
    }
  };

  return {
    pending: () => (record === null || record === undefined ? 0 : 1),
    async step(now) {
      if (record === undefined) record = await deps.record.load();
      const nextIndex = await client.nextBatchIndex();
      // Derived, and L1 has not lost it again since.
      if (record !== null && Math.min(deps.place().index, nextIndex) > record.header.index) {
        await deps.record.remove();
        record = null;
        sentAt = null;
      }
      const begun = record ?? (await begin(nextIndex, now, options, deps));
      if (begun === null) return;
      const current = record ?? (await keep(begun));
      if (current.reverts >= REVERTS_MAX) throw failed(current, { reverts: current.reverts });
      const last = current.attempts.at(-1);
      if (nextIndex > current.header.index) await confirm(current, client);
      else if (last === undefined) await attempt(await signed(current));
      else await follow(await signed(current), last);
    },
  };
}

/** The next batch, unsigned; `null` while there is nothing to post, or it is not due. */
async function begin(
  nextIndex: number,
  now: boolean,
  options: BatcherOptions,
  deps: BatcherDeps,
): Promise<BatchRecord | null> {
  const place = deps.place();
  // Derivation has not caught up with L1: the place is taken already.
  if (nextIndex !== place.index) return null;
  // A post refers to an origin below L1's head, so that its hash can be asked for in any block.
  const { blocks, full } = collectUnposted(deps.chain, (deps.heads.head()?.number ?? 0) - 1);
  const first = blocks[0];
  const last = blocks.at(-1);
  if (first === undefined || last === undefined) return null;
  const dueAt = first.stored.block.header.timestamp * 1000 + options.batchIntervalMs;
  if (!now && !full && deps.clock.nowMs() < dueAt) return null;
  const origin = await deps.heads.originAt(last.origin.number);
  if (origin === null) return null;
  if (origin.hash !== last.origin.hash)
    throw new NodeError("L1_REORGED", { number: last.origin.number, found: origin.hash });
  const built = await buildBatch(blocks, place, deps);
  return { ...built, signature: null, attempts: [], reverts: 0 };
}

/** The batch's index is taken on L1: by this batch, and then derivation will see it. */
async function confirm(record: BatchRecord, client: Pick<L1Client, "batchHash">): Promise<void> {
  const found = await client.batchHash(record.header.index);
  if (found !== batchStructHash(record.header)) throw failed(record, { anotherBatch: true });
}

function failed(record: BatchRecord, data: Record<string, string | number | boolean>): NodeError {
  return new NodeError("L1_TRANSACTION_FAILED", { batch: record.header.index, ...data });
}
