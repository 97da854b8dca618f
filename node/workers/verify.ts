/**
 * One thread's part of the independent check: re-executes on a snapshot of the store whose head is
 * the block's parent, and runs the lane rules. Shares nothing with the builder but the bytes it is
 * sent. `node/sequencer/verifier.ts` is the other side.
 */
import { decodeLaneState } from "../../lanes/lane-state.ts";
import type { Policy } from "../../lanes/policy.ts";
import { verifyLanes } from "../../lanes/verify.ts";
import { NodeError } from "../errors.ts";
import { type Reexecution, startReexecution } from "../execution/embedded/reexecution.ts";
import { unpackSlice } from "../execution/slice-codec.ts";
import type { VerifiedBlock, VerifierService } from "../execution/verification.ts";
import { laneTransaction, type Transaction } from "../primitives/transaction.ts";
import type { RollupConfig } from "../rollup-config.ts";
import type { ChainSnapshot, SharedChainReader } from "../storage/chain-reader.ts";
import { recoverSigner } from "../primitives/signature.ts";

interface Checked {
  readonly block: VerifiedBlock;
  readonly snapshot: ChainSnapshot;
  readonly reexecution: Reexecution;
  readonly transactions: Transaction[];
}

/** Verifies blocks of this chain, one after another, on what `chain` reads. */
export function createVerifierService(
  rollup: RollupConfig,
  policy: Policy,
  chain: Pick<SharedChainReader, "snapshot">,
): VerifierService {
  let turn: Promise<unknown> = Promise.resolve();
  let checked: Checked | null = null;

  /** Calls take effect in their order, whatever each waits for. */
  const inTurn = <T>(work: () => T | Promise<T>): Promise<T> => {
    const run = turn.then(work);
    turn = run.catch(() => undefined);
    return run;
  };
  const current = (): Checked => {
    if (checked === null) throw new NodeError("INTERNAL", { verifier: "no block" });
    return checked;
  };
  const end = async (): Promise<void> => {
    const ended = checked;
    checked = null;
    await ended?.snapshot.release();
  };

  return {
    begin: (block) =>
      inTurn(async () => {
        await end();
        const snapshot = chain.snapshot();
        try {
          const { hash } = snapshot.heads().unsafe;
          if (hash !== block.start.parent.hash)
            throw new NodeError("INTERNAL", { verifier: "the parent is not the head" });
          const reexecution = await startReexecution(rollup, snapshot.state, block.start);
          checked = { block, snapshot, reexecution, transactions: [] };
        } catch (error) {
          await snapshot.release();
          throw error;
        }
      }),
    check: (packed, reexecute, witnesses) =>
      inTurn(() => {
        const { reexecution, transactions } = current();
        const slice = unpackSlice(packed);
        for (const transaction of slice.transactions) transactions.push(transaction);
        if (reexecute || reexecution.mustCheck(slice)) return reexecution.check(slice, witnesses);
        reexecution.adopt(slice);
        return null;
      }),
    verifyOrder: (laneData) =>
      inTurn(() => {
        const { block, transactions } = current();
        const { parent, environment } = block.start;
        const laneState = decodeLaneState(block.laneState);
        if (!laneState.ok) throw new NodeError("INTERNAL", { verifier: "lane state" });
        return verifyLanes(
          {
            chainId: rollup.chainId,
            term: block.term,
            number: parent.header.number + 1,
            timestamp: environment.timestamp,
            gasLimit: environment.gasLimit,
            l1OriginNumber: block.origin.number,
            l1OriginHash: block.origin.hash,
            transactions: transactions.map(laneTransaction),
          },
          laneData,
          policy,
          laneState.value,
          recoverSigner,
        );
      }),
    end: () => inTurn(end),
  };
}
