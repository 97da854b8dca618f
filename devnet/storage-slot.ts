/** Where Solidity keeps what genesis writes. */
import { encodeAbiParameters, keccak256 } from "viem";
import type { Hex } from "../lanes/bytes.ts";

/** Slot of an account's value in the mapping that is declared at `slot`. */
export function mappingSlot(account: Hex, slot: bigint): Hex {
  return keccak256(
    encodeAbiParameters([{ type: "address" }, { type: "uint256" }], [account, slot]),
  );
}
