/**
 * One EVM over one working state, for one block or one simulated call: EthereumJS' interpreter with
 * fast hashing, under the rules it is given. Making one takes half a millisecond.
 *
 * Owns what the library is told of the block. Does not own the rules: `rules.ts`.
 */
import { createCustomCommon, Mainnet } from "@ethereumjs/common";
import { createEVM, type EVM, type EVMRunCallOpts } from "@ethereumjs/evm";
import { Address } from "@ethereumjs/util";
import { fromHex, type Hex } from "../../../lanes/bytes.ts";
import { keccak256InSlices } from "../../primitives/hash.ts";
import { NEVER, type Poll } from "../poll.ts";
import { correctCreation } from "./creation.ts";
import { runCallsWith, type Watched } from "./frames.ts";
import { StateJournal } from "./journal.ts";
import { type BlockContext, ISTHMUS, type Rules } from "./rules.ts";
import type { WorkingState } from "./state.ts";
import { createStateManager } from "./state-manager.ts";

export interface Machine {
  readonly evm: EVM;
  readonly state: WorkingState;
  readonly context: BlockContext;
  readonly rules: Rules;
  /** The context in the library's shape. */
  readonly block: NonNullable<EVMRunCallOpts["block"]>;
}

/** An EVM for `chainId` on `state` within `context`. */
export async function createMachine(
  chainId: number,
  state: WorkingState,
  context: BlockContext,
  rules: Rules = ISTHMUS,
  poll: Poll = NEVER,
  watched: Watched | null = null,
): Promise<Machine> {
  const common = createCustomCommon({ chainId }, Mainnet, {
    hardfork: rules.hardfork,
    customCrypto: { keccak256: (bytes) => keccak256InSlices(bytes, poll) },
  });
  const blockHash = (number: number): Hex =>
    number === context.number - 1 ? context.parentHash : rules.ancestorHash(state, number);
  const blockchain = {
    getBlock: (number: number) => Promise.resolve({ hash: () => fromHex(blockHash(number)) }),
    putBlock: () => Promise.resolve(),
    shallowCopy: () => blockchain,
  };
  const evm = await createEVM({
    common,
    stateManager: createStateManager(state),
    blockchain,
    customPrecompiles: [...rules.precompiles(poll)],
  });
  const journal = new StateJournal(state);
  evm.journal = journal as unknown as EVM["journal"];
  runCallsWith(evm, state, journal, poll, watched);
  correctCreation(evm);
  return { evm, state, context, rules, block: { header: libraryHeader(context) } };
}

export function addressOf(hex: Hex): Address {
  return new Address(fromHex(hex));
}

function libraryHeader(context: BlockContext): Machine["block"]["header"] {
  return {
    number: BigInt(context.number),
    coinbase: addressOf(context.beneficiary),
    timestamp: BigInt(context.timestamp),
    difficulty: 0n,
    prevRandao: fromHex(context.prevRandao),
    gasLimit: context.gasLimit,
    baseFeePerGas: context.baseFee,
    getBlobGasPrice: () => context.blobBaseFee,
  };
}
