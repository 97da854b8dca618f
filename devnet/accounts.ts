/**
 * The devnet's accounts: one well-known mnemonic, indexes given out by role.
 *
 * 0 to 9 are printed for the user: funded on both chains, used by nobody here, nonce 0. 10 to 29
 * are internal. 30 signs `examples.fastTransaction`. These keys are public: the node refuses the
 * sequencer's and the batcher's on any chain but the devnet's.
 */
import { pbkdf2Sync } from "node:crypto";
import { HDKey, hdKeyToAccount } from "viem/accounts";
import { type Hex, toHex } from "../lanes/bytes.ts";

export const MNEMONIC = "test test test test test test test test test test test junk";
export const DERIVATION_PATH = "m/44'/60'/0'/0/";

export const ACCOUNT_COUNT = 31;
export const PRINTED_COUNT = 10;
/** Publishers the policy and the demo feed know; `--publishers` starts at most so many. */
export const PUBLISHERS_MAX = 5;

export interface DevnetAccount {
  readonly index: number;
  /** With EIP-55 checksum. */
  readonly address: Hex;
  readonly privateKey: Hex;
}

export interface DevnetAccounts {
  readonly all: readonly DevnetAccount[];
  /** The user's: index 0 to 9. */
  readonly printed: readonly DevnetAccount[];
  readonly sequencer: DevnetAccount;
  readonly batcher: DevnetAccount;
  readonly deployer: DevnetAccount;
  readonly publishers: readonly DevnetAccount[];
  readonly traffic: readonly DevnetAccount[];
  /** Transfers of the smoke run. */
  readonly smoke: readonly DevnetAccount[];
  /** Price updates of the smoke run. */
  readonly smokePublishers: readonly DevnetAccount[];
  /** Signs `examples.fastTransaction`. */
  readonly example: DevnetAccount;
}

/** Derives all accounts (BIP-39 seed without passphrase, BIP-44 path of Ethereum). */
export function deriveAccounts(): DevnetAccounts {
  // BIP-39 in one native call; the libraries' own take as long as the rest of the start-up.
  const seed = pbkdf2Sync(MNEMONIC, "mnemonic", 2048, 64, "sha512");
  const root = HDKey.fromMasterSeed(new Uint8Array(seed));
  const all = Array.from({ length: ACCOUNT_COUNT }, (_, index): DevnetAccount => {
    const account = hdKeyToAccount(root, { addressIndex: index });
    const key = account.getHdKey().privateKey;
    if (key === null) throw new Error("a derived key has no private half");
    return { index, address: account.address, privateKey: toHex(key) };
  });
  const at = (index: number): DevnetAccount => {
    const account = all[index];
    if (account === undefined) throw new RangeError("no such account");
    return account;
  };
  return {
    all,
    printed: all.slice(0, PRINTED_COUNT),
    sequencer: at(10),
    batcher: at(11),
    deployer: at(12),
    publishers: all.slice(13, 13 + PUBLISHERS_MAX),
    traffic: all.slice(18, 23),
    smoke: all.slice(23, 28),
    smokePublishers: all.slice(28, 30),
    example: at(30),
  };
}
