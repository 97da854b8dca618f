/**
 * Takes transactions in: number, journal, then answer (I7: persist before promise). PROTOCOL 3.
 *
 * Owns: the admission counter (`leaderEpoch · 2^40 + seq`) and the way from a submitted transaction
 * to an acknowledged one. Does not own: pool rules, the journal's format.
 */
import { NORMAL_RANK } from "../../lanes/classify.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { SubmitAnswer } from "../api.ts";
import { type ErrorCode, NodeError } from "../errors.ts";
import type { AccountView } from "../execution/engine.ts";
import type { Logger } from "../log.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { decodeTransaction, type UserTransaction } from "../primitives/transaction.ts";
import { JOURNAL_TRANSACTION, type JournalRecord, type Store } from "../storage/store.ts";
import { createPool, type Pool } from "../txpool/pool.ts";
import type { PooledTransaction } from "../txpool/sender-queue.ts";

const SEQ_BITS = 40n;
const SEQ_MAX = (1n << SEQ_BITS) - 1n;

export interface AdmissionOptions {
  readonly chainId: number;
  readonly policy: Policy;
  readonly leaderEpoch: number;
  readonly globalMax: number;
  readonly accountMax: number;
}

export interface AdmissionDeps {
  readonly store: Pick<Store, "appendJournal" | "loadJournal">;
  account(address: Hex): AccountView;
  recoverSenders(raws: readonly Uint8Array[]): Promise<readonly (Hex | null)[]>;
  /** Something may have become executable. */
  onReady(): void;
  onAccepted(hash: Hex): void;
  readonly log: Logger;
}

export interface Admission {
  readonly pool: Pool;
  /** Puts every journaled transaction of earlier runs back into the pool; their promise stands. */
  restore(): Promise<void>;
  /** Resolves when the transaction is durable, or refused. */
  submit(transaction: UserTransaction): Promise<SubmitAnswer>;
  /**
   * Journal records of transactions that left the pool other than by a block, since the last call.
   */
  takeDropped(): bigint[];
  /** Whether a fast transaction is taken in, but not durable yet: it is executable any moment. */
  isFastArriving(): boolean;
  /** Refuses everything from now on. */
  close(): void;
}

export function createAdmission(options: AdmissionOptions, deps: AdmissionDeps): Admission {
  const first = BigInt(options.leaderEpoch) << SEQ_BITS;
  let seq = 0n;
  let dropped: bigint[] = [];
  let open = true;
  let fastArriving = 0;

  const nextNumber = (): bigint => {
    if (seq >= SEQ_MAX) throw new NodeError("NOT_ACCEPTING", { admissionNumbers: "exhausted" });
    seq += 1n;
    return first + seq;
  };
  const onDropped = (item: PooledTransaction, code: ErrorCode): void => {
    // Settled with the next block, in its batch: the record of a replaced transaction must outlive
    // the moment in which its replacement is not durable yet.
    dropped.push(item.accepted);
    deps.log.info("transaction dropped", { hash: item.transaction.hash, code });
  };
  const pool = createPool(options, {
    account: (address) => deps.account(address),
    nextNumber,
    onDropped,
  });

  const restoreRecords = async (records: readonly JournalRecord[]): Promise<void> => {
    const senders = await deps.recoverSenders(records.map(({ bytes }) => bytes));
    for (const [index, record] of records.entries()) {
      const decoded = decodeTransaction(record.bytes);
      const sender = senders[index];
      if (!decoded.ok || sender === null || sender === undefined)
        throw new NodeError("STORAGE_CORRUPT", {
          record: "journal",
          accepted: String(record.accepted),
        });
      pool.restore({ ...decoded.value, sender }, record.accepted);
    }
    deps.log.info("journal restored", { records: records.length, ...pool.counts() });
  };

  return {
    pool,
    async restore() {
      const records = await deps.store.loadJournal();
      await restoreRecords(records.filter(({ kind }) => kind === JOURNAL_TRANSACTION));
    },
    async submit(transaction) {
      if (!open) return { ok: false, code: "NOT_ACCEPTING", data: {} };
      const { hash, raw } = transaction;
      const accepted = nextNumber();
      const admitted = pool.admit(transaction, accepted);
      if (!admitted.ok) return admitted;
      const isFast = admitted.value.rank !== NORMAL_RANK;
      if (isFast) fastArriving += 1;
      try {
        await deps.store.appendJournal([{ accepted, kind: JOURNAL_TRANSACTION, bytes: raw }]);
      } catch (error) {
        pool.withdraw(admitted.value);
        throw error;
      } finally {
        if (isFast) fastArriving -= 1;
      }
      pool.activate(admitted.value);
      deps.onAccepted(hash);
      deps.onReady();
      return { ok: true, hash, lane: isFast ? "fast" : "normal" };
    },
    takeDropped() {
      const taken = dropped;
      dropped = [];
      return taken;
    },
    isFastArriving: () => fastArriving > 0,
    close() {
      open = false;
    },
  };
}
