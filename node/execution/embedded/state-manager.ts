/**
 * EthereumJS' view of the working state. Owns conversions only; every method is synchronous
 * underneath. Roots are not computed here: the library asks for none while it executes.
 */
import assert from "node:assert/strict";
import type { StateManagerInterface } from "@ethereumjs/common";
import { type Account, type Address, createAccount } from "@ethereumjs/util";
import { bigintToMinimalBytes, bytesToBigint, fromHex, type Hex } from "../../../lanes/bytes.ts";
import { EMPTY_TRIE_ROOT } from "../../primitives/header.ts";
import { type AccountRecord, EMPTY_CODE_HASH } from "../../storage/state.ts";
import { EMPTY_ACCOUNT, type WorkingState } from "./state.ts";

const EMPTY_CODE_HASH_BYTES = fromHex(EMPTY_CODE_HASH);
const EMPTY_TRIE_ROOT_BYTES = fromHex(EMPTY_TRIE_ROOT);

/** Hex of bytes by the native encoder: this runs several times an opcode. */
export function hexOf(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`;
}

function toLibraryAccount(record: AccountRecord): Account {
  const { nonce, balance, codeHash, storageRoot } = record;
  return createAccount({
    nonce,
    balance,
    codeHash: codeHash === EMPTY_CODE_HASH ? EMPTY_CODE_HASH_BYTES : fromHex(codeHash),
    storageRoot: storageRoot === EMPTY_TRIE_ROOT ? EMPTY_TRIE_ROOT_BYTES : fromHex(storageRoot),
  });
}

/** What the state keeps of an account that the library hands back; `null` for none. */
export function toAccountRecord(
  state: WorkingState,
  address: Hex,
  account: Account | undefined,
): AccountRecord | null {
  if (account === undefined) return null;
  // The library keeps `storageRoot` as it was read: it never computes roots.
  const { storageRoot } = state.account(address) ?? EMPTY_ACCOUNT;
  const { nonce, balance } = account;
  return { nonce, balance, codeHash: hexOf(account.codeHash), storageRoot };
}

/* eslint-disable @typescript-eslint/require-await -- the library's interface is asynchronous */

/** The adapter the EVM and its journal work on. */
export function createStateManager(state: WorkingState): StateManagerInterface {
  const manager: StateManagerInterface = {
    async getAccount(address: Address) {
      const record = state.account(hexOf(address.bytes));
      return record === null ? undefined : toLibraryAccount(record);
    },
    async putAccount(address, account) {
      const key = hexOf(address.bytes);
      state.setAccount(key, toAccountRecord(state, key, account));
    },
    async deleteAccount(address) {
      state.setAccount(hexOf(address.bytes), null);
    },
    async modifyAccountFields(address, fields) {
      const key = hexOf(address.bytes);
      const record = state.account(key) ?? EMPTY_ACCOUNT;
      state.setAccount(key, {
        ...record,
        nonce: fields.nonce ?? record.nonce,
        balance: fields.balance ?? record.balance,
        codeHash: fields.codeHash === undefined ? record.codeHash : hexOf(fields.codeHash),
      });
    },
    async putCode(address, code) {
      state.setCode(hexOf(address.bytes), code);
    },
    async getCode(address) {
      return state.code(hexOf(address.bytes));
    },
    async getCodeSize(address) {
      return state.code(hexOf(address.bytes)).length;
    },
    async getStorage(address, key) {
      return bigintToMinimalBytes(state.slot(hexOf(address.bytes), hexOf(key)));
    },
    async putStorage(address, key, value) {
      state.setSlot(hexOf(address.bytes), hexOf(key), bytesToBigint(value));
    },
    async clearStorage(address) {
      state.clearStorage(hexOf(address.bytes));
    },
    async checkpoint() {
      state.checkpoint();
    },
    async commit() {
      state.commit();
    },
    async revert() {
      state.revert();
    },
    getStateRoot: notHere,
    setStateRoot: notHere,
    hasStateRoot: notHere,
    originalStorageCache: {
      get: async (address, key) =>
        bigintToMinimalBytes(state.originalSlot(hexOf(address.bytes), hexOf(key))),
      clear: () => {
        state.beginTransaction();
      },
    },
    clearCaches: () => undefined,
    shallowCopy: () => createStateManager(state),
  };
  return manager;
}

/** Roots belong to the `RootHasher`; execution never asks for one. */
async function notHere(): Promise<never> {
  assert.fail("the state manager keeps no roots");
}
