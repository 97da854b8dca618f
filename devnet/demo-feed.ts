/**
 * The demo feed contract as TypeScript sees it: address, ABI, genesis account, calldata.
 * The storage layout written here is that of contracts/DemoFeed.sol, and a test compares the two.
 */
import { encodeFunctionData, keccak256, pad, stringToHex, toFunctionSelector } from "viem";
import type { Hex } from "../lanes/bytes.ts";
import { loadArtifact } from "../node/contracts/artifact.ts";
import { mappingSlot } from "./storage-slot.ts";

export const DEMO_FEED: Hex = "0xfeed000000000000000000000000000000000001";

/** The part of the contract's ABI that the devnet calls. */
export const demoFeedAbi = [
  {
    type: "function",
    name: "publish",
    stateMutability: "nonpayable",
    inputs: [
      { name: "feed", type: "bytes32" },
      { name: "value", type: "int256" },
    ],
    outputs: [],
  },
  {
    type: "function",
    name: "latest",
    stateMutability: "view",
    inputs: [{ name: "feed", type: "bytes32" }],
    outputs: [
      {
        name: "",
        type: "tuple",
        components: [
          { name: "value", type: "int256" },
          { name: "round", type: "uint64" },
          { name: "updatedAt", type: "uint64" },
          { name: "publisher", type: "address" },
        ],
      },
    ],
  },
] as const;

export const PUBLISH_SELECTOR: Hex = toFunctionSelector("publish(bytes32,int256)");
/** Gas limit of one publish: the first of a feed fills three slots and uses about 95,000. */
export const PUBLISH_GAS = 120_000;

/** Slot of `isPublisher` in DemoFeed.sol. */
const IS_PUBLISHER_SLOT = 0n;
const TRUE_WORD = pad("0x01", { size: 32 });

/** `keccak256` of the feed's name, as a policy's feed ids are made. */
export function feedId(name: string): Hex {
  return keccak256(stringToHex(name));
}

export function publishCalldata(feed: Hex, value: bigint): Hex {
  return encodeFunctionData({ abi: demoFeedAbi, functionName: "publish", args: [feed, value] });
}

/** Code and allow-list, for the genesis block. */
export function demoFeedGenesis(publishers: readonly Hex[]): {
  readonly code: Hex;
  readonly storage: Record<Hex, Hex>;
} {
  const storage: Record<Hex, Hex> = {};
  for (const publisher of publishers)
    storage[mappingSlot(publisher, IS_PUBLISHER_SLOT)] = TRUE_WORD;
  return { code: loadArtifact("DemoFeed").deployedBytecode, storage };
}
