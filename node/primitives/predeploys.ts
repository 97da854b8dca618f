/**
 * Addresses that every chain has: OP Stack predeploys and vaults, system contracts of
 * Ethereum. Source: OP Stack specs, predeploys.md; EIP-4788, EIP-2935.
 */
import type { Hex } from "../../lanes/bytes.ts";

/** Tips; also the beneficiary of every block. */
export const SEQUENCER_FEE_VAULT: Hex = "0x4200000000000000000000000000000000000011";
/** Tells wallets what a transaction will cost. */
export const GAS_PRICE_ORACLE: Hex = "0x420000000000000000000000000000000000000f";
export const L1_BLOCK: Hex = "0x4200000000000000000000000000000000000015";
/** Its storage root is the header's `withdrawalsRoot`. */
export const MESSAGE_PASSER: Hex = "0x4200000000000000000000000000000000000016";
export const BASE_FEE_VAULT: Hex = "0x4200000000000000000000000000000000000019";
export const L1_FEE_VAULT: Hex = "0x420000000000000000000000000000000000001a";
export const OPERATOR_FEE_VAULT: Hex = "0x420000000000000000000000000000000000001b";
/** Sends the L1 attributes. */
export const DEPOSITOR: Hex = "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001";

export const BEACON_ROOTS: Hex = "0x000f3df6d732807ef1319fb7b8bb8522d0beac02";
export const HISTORY_STORAGE: Hex = "0x0000f90827f1c53a10cb7a02335b175320002935";
/** Caller of the system contracts. */
export const SYSTEM_ADDRESS: Hex = "0xfffffffffffffffffffffffffffffffffffffffe";
