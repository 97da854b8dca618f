/**
 * A block of the chain executed once more, from the state before it, with its calls traced.
 *
 * Takes the block's own way: system calls, deposits, rollup fees. Owns nothing; the state read is
 * the parent's, and what is written is thrown away. Source: geth eth/tracers/api.go.
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import type { Hex } from "../../../lanes/bytes.ts";
import { NodeError } from "../../errors.ts";
import type { Block } from "../../primitives/block.ts";
import type { Header } from "../../primitives/header.ts";
import type { Receipt } from "../../primitives/receipt.ts";
import type { Transaction } from "../../primitives/transaction.ts";
import type { RollupConfig } from "../../rollup-config.ts";
import type { StateReader } from "../../storage/state.ts";
import type { Poll } from "../poll.ts";
import type { CallFrame, TraceOptions, TransactionTrace } from "../trace.ts";
import { contextOf, runSystemCalls } from "./block-start.ts";
import { createCachedReader } from "./cached-reader.ts";
import { CallTracer } from "./call-tracer.ts";
import { createMachine } from "./evm.ts";
import { ISTHMUS } from "./rules.ts";
import { createWorkingState } from "./state.ts";
import { applyTransaction, type BlockProgress } from "./transition.ts";

export interface ReplayOptions {
  readonly rollup: RollupConfig;
  /** State before the block. */
  readonly state: StateReader;
  readonly parent: { readonly hash: Hex; readonly header: Header };
  readonly block: Block;
  /** The block's own, which the execution must give again. */
  readonly receipts: readonly Receipt[];
  readonly trace: TraceOptions;
  /** Ends the replay by what it throws. */
  readonly poll: Poll;
}

/**
 * Traces of the transactions from `first` to before `end`, in the order of the block. Errors:
 * `LIMIT_EXCEEDED`, what `poll` throws, and `STORAGE_CORRUPT` where the execution differs from what
 * the block says.
 */
export async function traceTransactions(
  options: ReplayOptions,
  first: number,
  end: number,
): Promise<readonly TransactionTrace[]> {
  const { rollup, parent, block, receipts, trace, poll } = options;
  const { header, transactions } = block;
  const context = contextOf(rollup, parent.header, header, () => parent.hash);
  const state = createWorkingState(createCachedReader(options.state));
  const machine = await createMachine(rollup.chainId, state, context, ISTHMUS, poll);
  const progress: BlockProgress = { machine, gasUsed: 0n, fees: null };
  await runSystemCalls(machine, header.parentBeaconBlockRoot, parent.hash);
  let tracer: CallTracer | null = null;
  let logs = 0;
  const traces: TransactionTrace[] = [];
  for (const [index, transaction] of transactions.slice(0, end).entries()) {
    if (index === first) tracer = new CallTracer(machine, trace);
    tracer?.begin(logs);
    const result = await applyTransaction(progress, transaction);
    if (!result.ok || result.receipt.gasUsed !== receipts[index]?.gasUsed)
      throw new NodeError("STORAGE_CORRUPT", { record: "state", number: header.number, index });
    const { gasUsed } = result.receipt;
    logs += result.receipt.logs.length;
    if (tracer !== null) {
      const frame = tracer.end({ gas: transaction.gasLimit, gasUsed });
      traces.push({ hash: transaction.hash, frame: frame ?? failedFrame(transaction) });
    }
    // The thread answers others meanwhile: an EVM alone never lets go of it.
    await setImmediate();
    poll();
  }
  assert.equal(traces.length, end - first, "a trace for each transaction");
  return traces;
}

/** A deposit that could not even begin: it uses all its gas. */
function failedFrame({ sender, to, gasLimit, data, value }: Transaction): CallFrame {
  return {
    type: to === null ? "CREATE" : "CALL",
    from: sender,
    to,
    gas: gasLimit,
    gasUsed: gasLimit,
    input: data,
    output: new Uint8Array(0),
    error: "failed deposit",
    value,
    calls: [],
    logs: [],
  };
}
