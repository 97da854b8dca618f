/**
 * The EVM's journal: which addresses and slots are warm (EIP-2929), which accounts were touched
 * (EIP-161), and the checkpoints of the state, in the shape that EthereumJS asks for.
 *
 * The library's own keeps three collections for every call, until the transaction ends: a loop of
 * calls drowns in them. This one keeps a list of what to take back.
 * Owns one transaction's accesses. Does not own the state: it only passes checkpoints on.
 * Invariant: a revert takes back exactly what was warmed and touched since its checkpoint, but for
 * the touch of RIPEMD-160, which stays as on mainnet.
 */
import assert from "node:assert/strict";
import type { Account, Address } from "@ethereumjs/util";
import type { Hex } from "../../../lanes/bytes.ts";
import { isEmpty, type WorkingState } from "./state.ts";
import { hexOf, toAccountRecord } from "./state-manager.ts";

const RIPEMD160: Hex = "0x0000000000000000000000000000000000000003";

/** What to take back: a touch, a warm address, or a warm slot of an address. */
interface Entry {
  readonly kind: "touch" | "address" | "slot";
  readonly address: Hex;
  readonly slot?: Hex;
}

/** Addresses and slots are given with or without `0x`, as bytes or hex. */
function prefixed(hex: string): Hex {
  return hex.startsWith("0x") ? (hex as Hex) : `0x${hex}`;
}

export class StateJournal {
  readonly #state: WorkingState;
  readonly #warm = new Map<Hex, Set<Hex>>();
  readonly #touched = new Set<Hex>();
  readonly #entries: Entry[] = [];
  readonly #checkpoints: number[] = [];

  constructor(state: WorkingState) {
    this.#state = state;
  }

  touch(address: Hex): void {
    if (this.#touched.has(address)) return;
    this.#touched.add(address);
    this.#entries.push({ kind: "touch", address });
  }

  putAccount(address: Address, account: Account | undefined): Promise<void> {
    const key = hexOf(address.bytes);
    this.touch(key);
    this.#state.setAccount(key, toAccountRecord(this.#state, key, account));
    return Promise.resolve();
  }

  deleteAccount(address: Address): Promise<void> {
    const key = hexOf(address.bytes);
    this.touch(key);
    this.#state.setAccount(key, null);
    return Promise.resolve();
  }

  checkpoint(): Promise<void> {
    this.#checkpoints.push(this.#entries.length);
    this.#state.checkpoint();
    return Promise.resolve();
  }

  commit(): Promise<void> {
    assert(this.#checkpoints.pop() !== undefined, "no checkpoint to commit");
    this.#state.commit();
    return Promise.resolve();
  }

  revert(): Promise<void> {
    const mark = this.#checkpoints.pop();
    assert(mark !== undefined, "no checkpoint to revert to");
    while (this.#entries.length > mark) this.#takeBack(this.#entries.pop() as Entry);
    this.#state.revert();
    return Promise.resolve();
  }

  /** Forgets a transaction's accesses. */
  cleanJournal(): void {
    this.#warm.clear();
    this.#touched.clear();
    this.#entries.length = 0;
    this.#checkpoints.length = 0;
  }

  /** Deletes touched accounts that are empty (EIP-161), and forgets the accesses. */
  cleanup(): Promise<void> {
    for (const address of this.#touched) {
      const account = this.#state.account(address);
      if (account !== null && isEmpty(account)) this.#state.setAccount(address, null);
    }
    this.cleanJournal();
    return Promise.resolve();
  }

  /** Warm whatever is reverted. */
  addAlwaysWarmAddress(address: string): void {
    this.#slotsOf(prefixed(address));
  }

  addAlwaysWarmSlot(address: string, slot: string): void {
    this.#slotsOf(prefixed(address)).add(prefixed(slot));
  }

  isWarmedAddress(address: Uint8Array): boolean {
    return this.#warm.has(hexOf(address));
  }

  addWarmedAddress(address: Uint8Array): void {
    this.#warmAddress(hexOf(address));
  }

  isWarmedStorage(address: Uint8Array, slot: Uint8Array): boolean {
    return this.#warm.get(hexOf(address))?.has(hexOf(slot)) ?? false;
  }

  addWarmedStorage(address: Uint8Array, slot: Uint8Array): void {
    const key = hexOf(address);
    this.#warmAddress(key);
    const slots = this.#slotsOf(key);
    const hex = hexOf(slot);
    if (slots.has(hex)) return;
    slots.add(hex);
    this.#entries.push({ kind: "slot", address: key, slot: hex });
  }

  #warmAddress(address: Hex): void {
    if (this.#warm.has(address)) return;
    this.#warm.set(address, new Set());
    this.#entries.push({ kind: "address", address });
  }

  #slotsOf(address: Hex): Set<Hex> {
    let slots = this.#warm.get(address);
    if (slots === undefined) {
      slots = new Set();
      this.#warm.set(address, slots);
    }
    return slots;
  }

  #takeBack({ kind, address, slot }: Entry): void {
    if (kind === "address") this.#warm.delete(address);
    else if (slot !== undefined) this.#warm.get(address)?.delete(slot);
    else if (address !== RIPEMD160) this.#touched.delete(address);
  }
}
