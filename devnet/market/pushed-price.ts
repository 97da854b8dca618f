/** The price that plain transactions write, as TypeScript sees it: address, genesis, calldata. */
import { encodeFunctionData, pad, parseAbi } from "viem";
import type { Hex } from "../../lanes/bytes.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { mappingSlot } from "../storage-slot.ts";

export const PUSHED_PRICE: Hex = "0xfeed000000000000000000000000000000000003";
export const TRANSMIT_GAS = 80_000n;

const pushedPriceAbi = parseAbi([
  "function transmit(bytes32 feedId, int128 value, uint64 confidence, uint48 timeMs)",
]);

/** Slot of `isTransmitter` in PushedPrice.sol. */
const IS_TRANSMITTER_SLOT = 0n;

/** `timeMs`: when the value held, Unix milliseconds. */
export function transmitCalldata(feedId: Hex, value: bigint, timeMs: number): Hex {
  return encodeFunctionData({
    abi: pushedPriceAbi,
    functionName: "transmit",
    args: [feedId, value, 0n, timeMs],
  });
}

/** Code and allow-list, for the genesis block. */
export function pushedPriceGenesis(transmitter: Hex): {
  readonly code: Hex;
  readonly storage: Record<Hex, Hex>;
} {
  const slot = mappingSlot(transmitter, IS_TRANSMITTER_SLOT);
  return {
    code: loadArtifact("PushedPrice").deployedBytecode,
    storage: { [slot]: pad("0x01", { size: 32 }) },
  };
}
