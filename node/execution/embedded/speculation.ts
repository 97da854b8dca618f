/**
 * Both ends of a speculative execution: running a message on a state that may be old, with every
 * read kept, and saying later whether the reads still hold: on a state that knows what was written
 * since, or on one that does not.
 *
 * Owns what counts as read. Reads come in two kinds: of the state, compared by value where it was
 * written since; and of the block or a price, which hold in one block only. What the sender has is
 * no read by itself, or every payment to it would void the result: it is one where BALANCE asks for
 * it, or where the sender has code.
 * Does not own fees, validity or receipts: `transition.ts` does them on the state of now.
 * Invariant: an outcome that is current is the one that execution in place would have.
 */
import assert from "node:assert/strict";
import type { Hex } from "../../../lanes/bytes.ts";
import { EMPTY_TRIE_ROOT } from "../../primitives/header.ts";
import type { RollupConfig } from "../../rollup-config.ts";
import type { AccountRecord, StateReader } from "../../storage/state.ts";
import type { Poll } from "../poll.ts";
import type { Speculated, SpeculationRequest } from "../speculation.ts";
import { createMachine } from "./evm.ts";
import { gasCost } from "./gas.ts";
import type { RunState } from "./interpreter.ts";
import { finishMessage, runMessage } from "./message.ts";
import { type BlockContext, ISTHMUS } from "./rules.ts";
import { createWorkingState, EMPTY_ACCOUNT, type WorkingState } from "./state.ts";

const BALANCE = 0x31;
const GASPRICE = 0x3a;
const BLOCKHASH = 0x40;
const TIMESTAMP = 0x42;
const NUMBER = 0x43;
const PREVRANDAO = 0x44;
const BASEFEE = 0x48;

/** What differs from block to block; COINBASE, GASLIMIT and BLOBBASEFEE hardly ever do. */
const OF_THE_BLOCK: ReadonlySet<number> = new Set([
  ...[GASPRICE, BLOCKHASH, TIMESTAMP, NUMBER, PREVRANDAO, BASEFEE],
]);

const WATCHED: ReadonlySet<number> = new Set([BALANCE, ...OF_THE_BLOCK]);

const ADDRESS_MASK = (1n << 160n) - 1n;

/** Executes aside, on `state` within `context`. Throws what `poll` throws. */
export async function speculate(
  rollup: RollupConfig,
  base: { readonly state: StateReader; readonly context: BlockContext; readonly poll: Poll },
  request: SpeculationRequest,
): Promise<Speculated> {
  const { transaction, gasPrice, charge } = request;
  const { sender } = transaction;
  const reads = new Reads(base.state);
  const state = createWorkingState(reads);
  let readsBlock = false;
  let readsSender = state.code(sender).length > 0 || transaction.authorizationList.length > 0;
  const watch = ({ opCode, stack }: RunState): void => {
    if (opCode !== BALANCE) readsBlock = true;
    else if (((stack._store[stack._len - 1] ?? 0n) & ADDRESS_MASK) === BigInt(sender))
      readsSender = true;
  };
  const { context, poll } = base;
  const watched = { opcodes: WATCHED, watch };
  const machine = await createMachine(rollup.chainId, state, context, ISTHMUS, poll, watched);
  state.beginTransaction();
  state.subtractBalance(sender, charge);
  const outcome = await runMessage(machine, { ...transaction, gasPrice }, gasCost(transaction));
  await finishMessage(machine, outcome);
  const { accounts, storage } = reads;
  return {
    ...{ ...request, seen: context, outcome, reads: { accounts, slots: storage } },
    ...{ ...state.takeSlice(), readsBlock, readsSender },
  };
}

/** Keeps what is read of `below`, with what it said. */
class Reads implements StateReader {
  readonly accounts = new Map<Hex, AccountRecord | null>();
  readonly storage = new Map<Hex, Map<Hex, bigint>>();
  readonly #below: StateReader;

  constructor(below: StateReader) {
    this.#below = below;
  }

  account(address: Hex): AccountRecord | null {
    const known = this.accounts.get(address);
    if (known !== undefined) return known;
    const account = this.#below.account(address);
    this.accounts.set(address, account);
    return account;
  }

  slot(address: Hex, slot: Hex): bigint {
    let values = this.storage.get(address);
    if (values === undefined) {
      values = new Map();
      this.storage.set(address, values);
    }
    const known = values.get(slot);
    if (known !== undefined) return known;
    const value = this.#below.slot(address, slot);
    values.set(slot, value);
    return value;
  }

  slots(): never {
    assert.fail("no opcode lists an account's slots");
  }

  code(hash: Hex): Uint8Array {
    return this.#below.code(hash);
  }
}

/** What execution would find at the beginning of a transaction now. */
export interface Now {
  /** Its parent's hash may be unknown yet: then whoever asks waits for it. */
  readonly context: BlockContext;
  /** wei per gas. */
  readonly gasPrice: bigint;
  /** wei that the sender would pay before execution. */
  readonly charge: bigint;
  readonly state: WorkingState;
}

/** Whether an execution now would read the same; what was written since its base is in the log. */
export function isCurrent(speculated: Speculated, now: Now): boolean {
  const written = now.state.writeLog();
  if (written === null || written.isFull) return false;
  return holds(speculated, now, {
    mayDiffer: (address) => written.has(address),
    mayDifferAt: (address, slot) => written.hasSlot(address, slot),
    hasNewStorage: (address) => written.hasSlots(address),
  });
}

/**
 * The same for a state that knows nothing of the base: every read is compared. The log is that of
 * the block at hand.
 */
export function isCurrentByValue(speculated: Speculated, now: Now): boolean {
  const { state } = now;
  const written = state.writeLog();
  if (written === null || written.isFull) return false;
  return holds(speculated, now, {
    mayDiffer: () => true,
    mayDifferAt: () => true,
    hasNewStorage: (address) => !hadNoStorage(state.account(address)) || written.hasSlots(address),
  });
}

/** What is known of the changes since an execution. */
interface Changes {
  readonly mayDiffer: (address: Hex) => boolean;
  readonly mayDifferAt: (address: Hex, slot: Hex) => boolean;
  /** Of an account that had no storage. */
  readonly hasNewStorage: (address: Hex) => boolean;
}

function holds(
  speculated: Speculated,
  now: Now,
  { mayDiffer, mayDifferAt, hasNewStorage }: Changes,
): boolean {
  const { transaction, reads, readsSender, charge: charged } = speculated;
  const { charge, state } = now;
  if (!isSameBlock(speculated, now)) return false;
  if (readsSender && charged !== charge) return false;
  for (const [address, was] of reads.accounts) {
    if (!mayDiffer(address)) continue;
    // Where there was no storage, no slot was read one by one.
    if (hadNoStorage(was) && hasNewStorage(address)) return false;
    const isBalanceRead = address !== transaction.sender || readsSender;
    if (!isSame(was, state.account(address), isBalanceRead)) return false;
  }
  for (const [address, values] of reads.slots)
    for (const [slot, value] of values)
      if (mayDifferAt(address, slot) && state.slot(address, slot) !== value) return false;
  return true;
}

/** Coinbase and gas limit are compared in any case: opcodes that show them are not watched. */
function isSameBlock({ seen, gasPrice, readsBlock }: Speculated, now: Now): boolean {
  const { context } = now;
  if (seen.beneficiary !== context.beneficiary || seen.gasLimit !== context.gasLimit) return false;
  if (!readsBlock) return true;
  return (
    gasPrice === now.gasPrice &&
    seen.number === context.number &&
    seen.timestamp === context.timestamp &&
    seen.baseFee === context.baseFee &&
    seen.prevRandao === context.prevRandao &&
    seen.parentHash === context.parentHash
  );
}

function hadNoStorage(account: AccountRecord | null): boolean {
  return account === null || account.storageRoot === EMPTY_TRIE_ROOT;
}

function isSame(a: AccountRecord | null, b: AccountRecord | null, isBalanceRead: boolean): boolean {
  if (a === null || b === null) return a === b;
  const isPaid = isBalanceRead && a.balance !== b.balance;
  return !isPaid && a.nonce === b.nonce && a.codeHash === b.codeHash;
}

/**
 * Writes what the execution has written, where it is current; the sender has paid `charge` by now.
 * What it has beside that stays its own.
 */
export function adopt(
  { transaction, reads, writes, codes, charge }: Speculated,
  state: WorkingState,
) {
  const { sender } = transaction;
  const before = (reads.accounts.get(sender)?.balance ?? 0n) - charge;
  const { balance } = state.account(sender) ?? EMPTY_ACCOUNT;
  const moved = writes.map((write) => {
    const { address, after } = write;
    if (address !== sender || after === null) return write;
    return { ...write, after: { ...after, balance: balance + after.balance - before } };
  });
  state.adopt(moved, codes);
}
