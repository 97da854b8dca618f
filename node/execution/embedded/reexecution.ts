/**
 * Re-execution of a block, slice by slice, from a fresh view of the state before it: what the
 * independent check compares with what the builder says. DESIGN 4; ACCEPTANCE 21, 22.
 *
 * Owns the comparison. Shares transition and EVM with the engine, but none of its memory: caches,
 * overlay and machine are made anew for each block, so whatever a long-lived executor carries over
 * from one transaction to the next shows here. Does not own order, roots, or what follows.
 */
import assert from "node:assert/strict";
import { bytesEqual } from "../../../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../../../lanes/transaction.ts";
import { encodeReceipt, type Receipt } from "../../primitives/receipt.ts";
import type { RollupConfig } from "../../rollup-config.ts";
import type { AccountRecord, StateReader } from "../../storage/state.ts";
import type { AccountWrite, BlockSlice } from "../engine.ts";
import type { Speculated } from "../speculation.ts";
import type { Mismatch, ReexecutionStart } from "../verification.ts";
import { contextOf, runSystemCalls } from "./block-start.ts";
import { createCachedReader } from "./cached-reader.ts";
import { createMachine } from "./evm.ts";
import { createWorkingState } from "./state.ts";
import { applyTransaction, type BlockProgress } from "./transition.ts";

export interface Reexecution {
  /**
   * Executes the block's next slice and compares; `null` where everything is equal. An execution of
   * one of its transactions aside is taken where every read has the value that it has here.
   */
  check(slice: BlockSlice, witnesses?: readonly Speculated[]): Promise<Mismatch | null>;
  /**
   * Whether the next slice has to be executed: the L1 fees of a block are those before its first
   * transaction that is not a deposit, which may stand in the middle of a slice.
   */
  mustCheck(slice: BlockSlice): boolean;
  /** Takes the next slice's word: what comes after it starts from what it says. */
  adopt(slice: BlockSlice): void;
}

/** Starts on the state that `state` reads, which is that before the block. */
export async function startReexecution(
  rollup: RollupConfig,
  state: StateReader,
  { parent, environment }: ReexecutionStart,
): Promise<Reexecution> {
  const working = createWorkingState(createCachedReader(state));
  const context = contextOf(rollup, parent.header, environment, () => parent.hash);
  const machine = await createMachine(rollup.chainId, working, context);
  const progress: BlockProgress = { machine, gasUsed: 0n, fees: null };
  await runSystemCalls(machine, environment.parentBeaconBlockRoot, parent.hash);
  // What a witness cannot have seen: storage that was empty.
  working.logWrites();
  let executed = 0;
  const mustCheck = ({ transactions }: BlockSlice): boolean =>
    progress.fees === null && transactions.some(({ type }) => type !== DEPOSIT_TYPE);

  return {
    mustCheck,
    async check(slice, witnesses = []) {
      const start = executed;
      executed += slice.transactions.length;
      for (const [index, transaction] of slice.transactions.entries()) {
        const own = witnesses.find((each) => each.transaction.hash === transaction.hash);
        const result = await applyTransaction(progress, transaction, { witness: own ?? null });
        const at = start + index;
        if (!result.ok) return { transaction: at, part: "order", detail: result.code };
        const detail = receiptDifference(result.receipt, slice.receipts[index]);
        if (detail !== null) return { transaction: at, part: "receipt", detail };
      }
      const detail = writesDifference(working.takeSlice().writes, slice.writes);
      return detail === null ? null : { transaction: start, part: "state", detail };
    },
    adopt(slice) {
      assert(!mustCheck(slice), "this slice has to be executed");
      executed += slice.transactions.length;
      progress.gasUsed = slice.receipts.at(-1)?.cumulativeGasUsed ?? progress.gasUsed;
      working.beginTransaction();
      working.adopt(slice.writes, slice.codes);
      working.takeSlice();
    },
  };
}

function receiptDifference(ours: Receipt, theirs: Receipt | undefined): string | null {
  if (theirs === undefined) return "none";
  if (ours.gasUsed !== theirs.gasUsed) return `gas ${ours.gasUsed}, not ${theirs.gasUsed}`;
  return bytesEqual(encodeReceipt(ours), encodeReceipt(theirs)) ? null : "outcome";
}

/** Both are sorted by address; which slots were written, and in which order, is execution too. */
function writesDifference(
  ours: readonly AccountWrite[],
  theirs: readonly AccountWrite[],
): string | null {
  if (ours.length !== theirs.length) return `${ours.length} accounts, not ${theirs.length}`;
  for (const [index, own] of ours.entries()) {
    const other = theirs[index] as AccountWrite;
    if (own.address !== other.address) return `${own.address}, not ${other.address}`;
    if (!sameAccount(own.after, other.after)) return `account ${own.address}`;
    if (own.storageCleared !== other.storageCleared || !sameSlots(own.slots, other.slots))
      return `storage of ${own.address}`;
  }
  return null;
}

type Account = Omit<AccountRecord, "storageRoot"> | null;

function sameAccount(a: Account, b: Account): boolean {
  if (a === null || b === null) return a === b;
  return a.nonce === b.nonce && a.balance === b.balance && a.codeHash === b.codeHash;
}

function sameSlots(a: AccountWrite["slots"], b: AccountWrite["slots"]): boolean {
  if (a.length !== b.length) return false;
  return a.every(({ slot, value }, index) => b[index]?.slot === slot && b[index].value === value);
}
