/**
 * The stored admission log of a stopped node, for running it again (`pricelane replay`): opens the
 * folder as its owner, reads a range of blocks, closes it.
 *
 * Owns how blocks, their logs and drops become arrivals. Does not own what is made of them.
 * Errors: `STORAGE_LOCKED` while a node runs on the folder; `BLOCK_NOT_FOUND`; and where the log of
 * a block is not kept any more, `STATE_NOT_AVAILABLE`.
 */
import { EPOCH_SENDER } from "../lanes/epoch-transaction.ts";
import { decodeLaneState } from "../lanes/lane-state.ts";
import type { ReplayArrival, ReplayBlock } from "../lanes/replay.ts";
import { DEPOSIT_TYPE } from "../lanes/transaction.ts";
import { parseAttributes } from "./chain/attributes.ts";
import { isDepositOnly } from "./chain/origin.ts";
import { NodeError } from "./errors.ts";
import { decodeWithSender } from "./primitives/signature.ts";
import { laneTransaction, type UserTransaction } from "./primitives/transaction.ts";
import { createStore } from "./storage/chain-store.ts";
import type { Store } from "./storage/store.ts";

export interface AdmissionLog {
  /** In order of their numbers. */
  readonly arrivals: readonly ReplayArrival[];
  readonly blocks: readonly ReplayBlock[];
  /** In block order: what was really executed, by number, and in which block. */
  readonly executed: readonly { readonly accepted: bigint; readonly block: number }[];
  /** What was really dropped, by number. */
  readonly dropped: readonly { readonly accepted: bigint; readonly code: string }[];
  /** Of these, how many cannot be among the arrivals: the log had no room for their bytes. */
  readonly withoutBytes: number;
}

/** Blocks of a range: a log of more would not fit a person's patience, or memory. */
const BLOCKS_MAX = 8192;

export async function readAdmissionLog(
  folders: { readonly dataDir: string; readonly journalDir: string | null },
  from: number,
  to: number,
  systemReserveGas: number,
): Promise<AdmissionLog> {
  const { dataDir, journalDir } = folders;
  const store = await createStore({ dataDir, ...(journalDir === null ? {} : { journalDir }) });
  try {
    return readRange(store, from, to, systemReserveGas);
  } finally {
    await store.close();
  }
}

function readRange(store: Store, from: number, to: number, systemReserveGas: number): AdmissionLog {
  const head = store.heads().unsafe.number;
  if (from < 1 || to < from || to > head || to - from >= BLOCKS_MAX)
    throw new NodeError("BLOCK_NOT_FOUND", { from, to, head, blocksMax: BLOCKS_MAX });
  const arrivals = new Map<bigint, ReplayArrival>();
  const blocks: ReplayBlock[] = [];
  const executed: { accepted: bigint; block: number }[] = [];
  const dropped: { accepted: bigint; code: string }[] = [];
  let withoutBytes = 0;
  const times = arrivalTimes(store, from, to);
  for (let number = from; number <= to; number++) {
    const stored = store.blockByNumber(number);
    const receipts = store.receipts(number);
    const parent = store.headerByNumber(number - 1);
    if (stored === null || receipts === null || parent === null)
      throw new NodeError("STATE_NOT_AVAILABLE", { block: number });
    const { header, transactions } = stored.block;
    const systemGas = transactions
      .filter(({ type, sender }) => type === DEPOSIT_TYPE && sender !== EPOCH_SENDER)
      .reduce((sum, { gasLimit }) => sum + gasLimit, 0n);
    const [first] = transactions;
    const attributes = first?.type === DEPOSIT_TYPE ? parseAttributes(first) : null;
    if (attributes?.ok !== true)
      throw new NodeError("STORAGE_CORRUPT", { record: "block", number, reason: "attributes" });
    const origin = { timestamp: attributes.value.originTimestamp };
    const laneState = decodeLaneState(stored.laneState);
    if (!laneState.ok) throw new NodeError("STORAGE_CORRUPT", { record: "laneState", number });
    const { prices } = laneState.value;
    blocks.push({
      prices: { prices, timeMs: header.timestamp * 1000 },
      isDepositOnly: isDepositOnly(header.timestamp, origin),
      number,
      startMs: parent.header.timestamp * 1000,
      endMs: header.timestamp * 1000,
      baseFee: header.baseFeePerGas,
      gas: { gasLimit: header.gasLimit, systemGas, systemReserveGas },
    });
    let user = 0;
    for (const [index, transaction] of transactions.entries()) {
      if (transaction.type === DEPOSIT_TYPE) continue;
      const accepted = stored.laneData.numbers[user++]?.accepted ?? 0n;
      executed.push({ accepted, block: number });
      const gas = receipts[index]?.gasUsed ?? transaction.gasLimit;
      // Taken in before the range: it waits when the range begins.
      const arrivedMs = times.get(accepted) ?? blocks[0]?.startMs ?? 0;
      arrivals.set(accepted, arrivalOf(accepted, arrivedMs, transaction, { gas, isIn: true }));
    }
    for (const { accepted, code, raw } of store.admissions(number).dropped) {
      dropped.push({ accepted, code });
      if (raw === null) {
        withoutBytes += 1;
        continue;
      }
      const decoded = decodeWithSender(raw);
      const arrivedMs = times.get(accepted);
      if (!decoded.ok || arrivedMs === undefined) continue;
      const outcome = { gas: decoded.value.gasLimit, isIn: false };
      arrivals.set(accepted, arrivalOf(accepted, arrivedMs, decoded.value, outcome));
    }
  }
  const inOrder = [...arrivals.values()].sort(
    (a, b) => a.arrivedMs - b.arrivedMs || (a.accepted < b.accepted ? -1 : 1),
  );
  return { arrivals: inOrder, blocks, executed, dropped, withoutBytes };
}

/** The first entry of a number counts: a restart repeats those of what still waited. */
function arrivalTimes(store: Store, from: number, to: number): Map<bigint, number> {
  const times = new Map<bigint, number>();
  for (let number = from; number <= to; number++)
    for (const { accepted, timeMs } of store.admissions(number).accepted)
      if (!times.has(accepted)) times.set(accepted, timeMs);
  return times;
}

function arrivalOf(
  accepted: bigint,
  arrivedMs: number,
  transaction: UserTransaction,
  outcome: { readonly gas: bigint; readonly isIn: boolean },
): ReplayArrival {
  const { maxFeePerGas, maxPriorityFeePerGas } = transaction;
  return {
    ...{ accepted, arrivedMs, maxFeePerGas, maxPriorityFeePerGas },
    transaction: laneTransaction(transaction),
    gas: outcome.gas,
    wasExecuted: outcome.isIn,
  };
}
