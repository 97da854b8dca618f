/**
 * Peer: EthereumJS as its packages are, in this process: `createEVM` with the state manager and the
 * cryptography that it brings along, one `runCall` a transaction, as a library user would.
 *
 * It does less than a node: no validity, no fees, no nonces but the caller's, no receipts, no
 * roots, nothing on disk. Its state manager copies every account at each checkpoint, so
 * transactions run in small groups, each in an EVM that knows the accounts of its group only;
 * making those is not timed.
 */
import { createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { createEVM, type EVM } from "@ethereumjs/evm";
import { Address, createAccount } from "@ethereumjs/util";
import { bigintToMinimalBytes, fromHex, type Hex } from "../../lanes/bytes.ts";
import { gasCost, settleGas } from "../../node/execution/embedded/gas.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { CHAIN_ID } from "./accounts.ts";
import { cpuMs } from "./chain.ts";
import { type PeerBlock, peerState } from "./peer-state.ts";
import type { AllocEntry } from "./state.ts";

export const ETHEREUMJS = "EthereumJS";

const GROUP_SIZE = 20;

/** Runs the transactions of a block whose contracts are these. */
export async function runOnEthereumJs(
  transactions: readonly UserTransaction[],
  contracts: readonly Hex[],
  slots: number,
): Promise<PeerBlock> {
  let gasUsed = 0n;
  let ms = 0;
  let cpu = 0;
  for (let start = 0; start < transactions.length; start += GROUP_SIZE) {
    const group = transactions.slice(start, start + GROUP_SIZE);
    const evm = await createPeer(peerState(group, contracts, slots));
    const calls = group.map(toCall);
    const startedCpuMs = cpuMs();
    const startedMs = performance.now();
    for (const { options, intrinsic, floor } of calls) {
      const { execResult } = await evm.runCall(options);
      const spent = intrinsic + execResult.executionGasUsed;
      gasUsed += settleGas(spent, execResult.gasRefund ?? 0n, floor);
      // What the library's own transaction runner does between two of them.
      await evm.journal.cleanup();
      evm.stateManager.originalStorageCache.clear();
    }
    ms += performance.now() - startedMs;
    cpu += cpuMs() - startedCpuMs;
  }
  return { gasUsed, ms, cpuMs: cpu };
}

async function createPeer(entries: readonly AllocEntry[]): Promise<EVM> {
  const common = createCustomCommon({ chainId: CHAIN_ID }, Mainnet, { hardfork: Hardfork.Prague });
  const evm = await createEVM({ common });
  for (const { address, nonce = 0n, balance = 0n, code, storage } of entries) {
    const key = addressOf(address);
    await evm.stateManager.putAccount(key, createAccount({ nonce, balance }));
    if (code !== undefined) await evm.stateManager.putCode(key, code);
    for (const [slot, value] of storage ?? [])
      await evm.stateManager.putStorage(key, fromHex(slot), bigintToMinimalBytes(value));
  }
  return evm;
}

/** The call of a transaction, with what a transaction adds to it. */
function toCall(transaction: UserTransaction) {
  const { sender, to, value, data, gasLimit } = transaction;
  if (to === null) throw new Error("the workloads create no contracts");
  const cost = gasCost(transaction);
  const caller = addressOf(sender);
  const options = {
    caller,
    origin: caller,
    to: addressOf(to),
    value,
    data,
    gasLimit: gasLimit - cost.intrinsic,
  };
  return { options, ...cost };
}

function addressOf(address: Hex): Address {
  return new Address(fromHex(address));
}
