/**
 * How every block starts: what opcodes see of it, and the system calls before its transactions.
 * Shared by whoever builds, imports or re-executes. PROTOCOL 6. Source: EIP-4788, EIP-2935.
 */
import { fromHex, type Hex } from "../../../lanes/bytes.ts";
import { nextBaseFee } from "../../primitives/base-fee.ts";
import type { RollupConfig } from "../../rollup-config.ts";
import type { BlockEnvironment, ParentHeader } from "../engine.ts";
import {
  BEACON_ROOTS,
  HISTORY_STORAGE,
  SEQUENCER_FEE_VAULT,
  SYSTEM_ADDRESS,
} from "../../primitives/predeploys.ts";
import type { Machine } from "./evm.ts";
import { runSystemCall } from "./message.ts";
import { type BlockContext, ROLLUP_BLOB_BASE_FEE } from "./rules.ts";

/** Source: EIP-4788, EIP-2935. */
const SYSTEM_CALL_GAS = 30_000_000n;

/** What opcodes see of a block; `parentHash` is asked for when code wants it. */
export function contextOf(
  rollup: RollupConfig,
  parent: ParentHeader,
  environment: Omit<BlockEnvironment, "parent">,
  parentHash: () => Hex,
): BlockContext {
  return {
    number: parent.number + 1,
    timestamp: environment.timestamp,
    gasLimit: environment.gasLimit,
    baseFee: nextBaseFee(parent, rollup.eip1559),
    blobBaseFee: ROLLUP_BLOB_BASE_FEE,
    beneficiary: SEQUENCER_FEE_VAULT,
    prevRandao: environment.prevRandao,
    get parentHash() {
      return parentHash();
    },
  };
}

/** Tells the contracts of EIP-4788 and EIP-2935 of the block and its parent. */
export async function runSystemCalls(
  machine: Machine,
  parentBeaconBlockRoot: Hex,
  parentHash: Hex,
): Promise<void> {
  for (const [to, data] of [
    [BEACON_ROOTS, parentBeaconBlockRoot],
    [HISTORY_STORAGE, parentHash],
  ] as const)
    await runSystemCall(machine, {
      from: SYSTEM_ADDRESS,
      to,
      data: fromHex(data),
      gasLimit: SYSTEM_CALL_GAS,
    });
}
