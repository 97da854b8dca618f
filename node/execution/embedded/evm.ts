/**
 * One EVM over one working state, for one block or one simulated call: EthereumJS' interpreter with
 * native hashing and recovery and the OP Stack's precompiles. Making one takes half a millisecond.
 *
 * Owns the block context that opcodes see. BLOCKHASH beyond the parent reads the history contract
 * of EIP-2935, so that execution depends on state alone.
 */
import { createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { createEVM, type EVM, type EVMRunCallOpts } from "@ethereumjs/evm";
import { Address } from "@ethereumjs/util";
import secp256k1 from "secp256k1";
import { bigintToBytes, concatBytes, fromHex, type Hex, toHex } from "../../../lanes/bytes.ts";
import { keccak256 } from "../../primitives/hash.ts";
import { HISTORY_STORAGE, SEQUENCER_FEE_VAULT } from "../predeploys.ts";
import { rollupPrecompiles } from "./precompiles.ts";
import type { WorkingState } from "./state.ts";
import { createStateManager } from "./state-manager.ts";

/** What opcodes see of the block. */
export interface BlockContext {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly gasLimit: bigint;
  readonly baseFee: bigint;
  readonly prevRandao: Hex;
  readonly parentHash: Hex;
}

export interface Machine {
  readonly evm: EVM;
  readonly state: WorkingState;
  readonly context: BlockContext;
  /** The context in the library's shape. */
  readonly block: NonNullable<EVMRunCallOpts["block"]>;
}

/** The slots of EIP-2935's ring. */
const HISTORY_SERVE_WINDOW = 8191;
/** OP Stack: no blobs on L2, so the price stays at its minimum. */
const BLOB_BASE_FEE = 1n;

const PRECOMPILES = rollupPrecompiles();

/** An EVM for `chainId` on `state` within `context`. */
export async function createMachine(
  chainId: number,
  state: WorkingState,
  context: BlockContext,
): Promise<Machine> {
  const common = createCustomCommon({ chainId }, Mainnet, {
    hardfork: Hardfork.Prague,
    customCrypto: { keccak256, ecrecover },
  });
  const blockchain = {
    getBlock: (number: number) =>
      Promise.resolve({ hash: () => fromHex(blockHash(state, context, number)) }),
    putBlock: () => Promise.resolve(),
    shallowCopy: () => blockchain,
  };
  const evm = await createEVM({
    common,
    stateManager: createStateManager(state),
    blockchain,
    customPrecompiles: PRECOMPILES,
  });
  return { evm, state, context, block: { header: libraryHeader(context) } };
}

export function addressOf(hex: Hex): Address {
  return new Address(fromHex(hex));
}

function libraryHeader(context: BlockContext): Machine["block"]["header"] {
  return {
    number: BigInt(context.number),
    coinbase: addressOf(SEQUENCER_FEE_VAULT),
    timestamp: BigInt(context.timestamp),
    difficulty: 0n,
    prevRandao: fromHex(context.prevRandao),
    gasLimit: context.gasLimit,
    baseFeePerGas: context.baseFee,
    getBlobGasPrice: () => BLOB_BASE_FEE,
  };
}

function blockHash(state: WorkingState, context: BlockContext, number: number): Hex {
  if (number === context.number - 1) return context.parentHash;
  const slot = toHex(bigintToBytes(BigInt(number % HISTORY_SERVE_WINDOW), 32));
  return toHex(bigintToBytes(state.slot(HISTORY_STORAGE, slot), 32));
}

/** Public key without its prefix byte; throws where the signature recovers to nobody. */
function ecrecover(digest: Uint8Array, v: bigint, r: Uint8Array, s: Uint8Array): Uint8Array {
  return secp256k1.ecdsaRecover(concatBytes(r, s), Number(v) - 27, digest, false).subarray(1);
}
