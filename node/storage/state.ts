/**
 * Flat state as the store knows it: accounts by address, slots by (address, slot), code by hash,
 * trie nodes by path; and the change a block makes to it, which is also its reverse diff.
 */
import type { Hex } from "../../lanes/bytes.ts";

/** keccak256 of nothing: the code hash of an account without code. */
export const EMPTY_CODE_HASH: Hex =
  "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";

export interface AccountRecord {
  readonly nonce: bigint;
  /** wei */
  readonly balance: bigint;
  readonly codeHash: Hex;
  /** Root of the account's storage trie at the last committed block. */
  readonly storageRoot: Hex;
}

export interface SlotChange {
  /** 32-byte slot number. */
  readonly slot: Hex;
  readonly before: bigint;
  readonly after: bigint;
}

export interface AccountChange {
  readonly address: Hex;
  readonly before: AccountRecord | null;
  readonly after: AccountRecord | null;
  /**
   * All slots that existed before were deleted; `slots` then lists them with their old values too.
   */
  readonly storageCleared: boolean;
  readonly slots: readonly SlotChange[];
}

/** No account, and of an account no slot, twice. Their order says nothing. */
export interface StateDiff {
  readonly accounts: readonly AccountChange[];
  readonly codes: readonly { readonly hash: Hex; readonly code: Uint8Array }[];
}

/** One node of the Merkle Patricia trie, stored by path so that no garbage is left behind. */
export interface TrieNodeChange {
  /** Owner (empty for the account trie, else the 32-byte account hash) ‖ one byte a nibble. */
  readonly path: Uint8Array;
  /** RLP of the node; `null` deletes. */
  readonly node: Uint8Array | null;
  /** What stood there before; `null` for nothing: the node's part of the reverse diff. */
  readonly previous: Uint8Array | null;
}

/** Synchronous reads of the committed state. Every record's checksum is verified. */
export interface StateReader {
  account(address: Hex): AccountRecord | null;
  slot(address: Hex, slot: Hex): bigint;
  /** Slots of an account in slot order: only for clearing storage and proofs. */
  slots(address: Hex): readonly { readonly slot: Hex; readonly value: bigint }[];
  code(hash: Hex): Uint8Array;
}

export interface TrieReader {
  node(path: Uint8Array): Uint8Array | null;
}
