/**
 * Which accounts and slots were written since a moment, across slices and blocks: what a
 * speculative execution that started then may have read too early.
 *
 * Owns the set, and its bound: one that is full says nothing any more. Does not own who fills it:
 * `state.ts`.
 */
import type { Hex } from "../../../lanes/bytes.ts";

/** Accounts and slots; a full block writes some 30,000. */
const WRITES_MAX = 200_000;

interface Written {
  isCleared: boolean;
  readonly slots: Set<Hex>;
}

export class WriteLog {
  readonly #written = new Map<Hex, Written>();
  #size = 0;

  account(address: Hex): void {
    this.#at(address);
  }

  /** The account's whole storage is gone. */
  storage(address: Hex): void {
    const written = this.#at(address);
    if (written !== null) written.isCleared = true;
  }

  slot(address: Hex, slot: Hex): void {
    const slots = this.#at(address)?.slots;
    if (slots === undefined || slots.has(slot) || this.isFull) return;
    slots.add(slot);
    this.#count();
  }

  /** Then what it says is of no use. */
  get isFull(): boolean {
    return this.#size >= WRITES_MAX;
  }

  /** Whether anything of the account was written. */
  has(address: Hex): boolean {
    return this.#written.has(address);
  }

  /** Whether any of its slots was. */
  hasSlots(address: Hex): boolean {
    const written = this.#written.get(address);
    return written !== undefined && (written.isCleared || written.slots.size > 0);
  }

  hasSlot(address: Hex, slot: Hex): boolean {
    const written = this.#written.get(address);
    return written !== undefined && (written.isCleared || written.slots.has(slot));
  }

  #count(): void {
    this.#size += 1;
    if (this.isFull) this.#written.clear();
  }

  #at(address: Hex): Written | null {
    let written = this.#written.get(address);
    if (written !== undefined) return written;
    if (this.isFull) return null;
    written = { isCleared: false, slots: new Set() };
    this.#written.set(address, written);
    this.#count();
    return written;
  }
}
