/**
 * The thread that executes long normal transactions aside, so that nobody in the fast lane waits
 * for them. It reads the store and what it is told of the blocks that are not there yet, as the RPC
 * threads do. `node/sequencer/speculation.ts` is the other side.
 */
import assert from "node:assert/strict";
import { systemClock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import { createDeadline } from "../execution/embedded/deadline.ts";
import { contextOfPending, createPendingBlocks } from "../execution/embedded/pending.ts";
import { speculate } from "../execution/embedded/speculation.ts";
import type {
  Speculated,
  SpeculationRequest,
  SpeculationService,
} from "../execution/speculation.ts";
import { decodeTransaction, type UserTransaction } from "../primitives/transaction.ts";
import type { RollupConfig } from "../rollup-config.ts";
import type { SharedChainReader } from "../storage/chain-reader.ts";
import type { SharedTurn } from "./shared-turn.ts";

/**
 * After it an execution is given up. The largest transaction of the slowest opcodes takes some 4 s
 * alone on its processor, and has a share of one.
 */
const EXECUTION_MS_MAX = 24_000;

/** Decoded here: a witness has nothing from the builder but what was signed. */
function asSigned({ transaction: { raw, sender } }: SpeculationRequest): UserTransaction {
  const decoded = decodeTransaction(raw);
  assert(decoded.ok, "a transaction of the pool");
  return { ...decoded.value, sender };
}

/** Executes on what `chain` reads and on the slices that are added; in turns, where that is said. */
export function createSpeculationService(
  rollup: RollupConfig,
  chain: Pick<SharedChainReader, "snapshot">,
  turn: SharedTurn | null,
): SpeculationService {
  const pending = createPendingBlocks();
  return {
    add: (slice) => {
      pending.add(slice);
    },
    async run(request) {
      const snapshot = chain.snapshot();
      try {
        const view = pending.over(snapshot.heads().unsafe, snapshot.state);
        const { block, index } = request.base;
        if (view?.environment.number !== block || view.slices !== index + 1) return null;
        const execute = (): Promise<Speculated> => {
          const poll = createDeadline(EXECUTION_MS_MAX, () => systemClock.monotonicMs());
          const base = { state: view.state, context: contextOfPending(view), poll };
          return speculate(rollup, base, { ...request, transaction: asSigned(request) });
        };
        return await (turn === null ? execute() : turn.hold(execute));
      } catch (error) {
        if (error instanceof NodeError && error.code === "TIMEOUT") return null;
        throw error;
      } finally {
        await snapshot.release();
      }
    },
  };
}
