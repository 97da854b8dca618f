/**
 * Plain Ethereum under Cancun as rules for the transition: what the public state and transaction
 * tests expect. No chain of ours runs them. Source: execution-specs, fork cancun.
 */
import { Hardfork } from "@ethereumjs/common";
import type { Hex } from "../../lanes/bytes.ts";
import { ethereumPrecompiles } from "../../node/execution/embedded/precompiles/ethereum.ts";
import type { Rules } from "../../node/execution/embedded/rules.ts";
import { keccakHex } from "../../node/primitives/hash.ts";

export const CHAIN_ID = 1;
/** EIP-4844. */
export const BLOB_BASE_FEE_UPDATE_FRACTION = 3_338_477;

/** The tests' convention: the hash of a block is that of its number in decimal digits. */
export function testBlockHash(number: number): Hex {
  return keccakHex(new TextEncoder().encode(String(number)));
}

/** Why a test cannot be asked of us. */
export const SKIP = {
  fork: "no expectation for Cancun",
  number: "a block number or time beyond 2^53",
  unsigned: "neither the bytes of the transaction nor its sender's key",
  size: "larger than the 120 KiB a transaction may have",
};

/** The last of the fork's precompiles, point evaluation. */
const LAST_PRECOMPILE = 0x0an;

/** The base fee is burnt, nothing but gas is paid, and the fork's own precompiles hold. */
export const CANCUN: Rules = {
  hardfork: Hardfork.Cancun,
  precompiles: (poll) =>
    ethereumPrecompiles(poll).filter(({ address }) => BigInt(address) <= LAST_PRECOMPILE),
  transactionTypes: new Set([0, 1, 2]),
  calldataFloor: false,
  baseFeeRecipient: null,
  rollupFees: () => ({ l1Fee: () => 0n, operatorFee: () => 0n }),
  ancestorHash: (_state, number) => testBlockHash(number),
};

/** What a transaction's form is checked by under Prague: set code, and a floor for calldata. */
export const PRAGUE: Rules = {
  ...CANCUN,
  hardfork: Hardfork.Prague,
  transactionTypes: new Set([0, 1, 2, 4]),
  calldataFloor: true,
};
