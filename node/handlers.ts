/**
 * What the sequencing thread answers to its workers: RPC (`NodeApi`), settlement, and what peers
 * hand in. Owns no state; everything it touches is in `Core` and `Late`.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { laneOf } from "../lanes/classify.ts";
import type { NodeApi, NodeStatus } from "./api.ts";
import { systemClock } from "./clock.ts";
import type { Core, Fail, Late } from "./core.ts";
import { ERRORS, NodeError } from "./errors.ts";
import { keptFor } from "./kept-for.ts";
import type { NetworkHandlers } from "./p2p/network.ts";
import type { SettlementHandlers } from "./settlement/settlement.ts";

/** How old the txpool's counts may be when they are given out. */
const COUNTS_KEPT_MS = 250;

/**
 * Calls of the settlement worker. A fatal error in one of them ends the node, not only the call.
 */
export function settlementHandlers(
  core: Core,
  late: Late,
  fail: Fail,
  onCaughtUp: () => void,
): SettlementHandlers {
  const { chain, safe, l1 } = core;
  const guarded = async <T>(work: Promise<T>): Promise<T> => {
    late.answering.add(work);
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof NodeError) || ERRORS[error.code].severity === "fatal")
        fail(error instanceof Error ? error : new NodeError("INTERNAL", {}, error));
      throw error;
    } finally {
      late.answering.delete(work);
    }
  };
  return {
    onL1Blocks(blocks) {
      l1.push(blocks);
      late.follow?.onL1();
      // With nothing new on L1 since the cursor, no batch will be announced either.
      if (chain.cursor().l1Block.number >= (l1.head()?.number ?? Infinity)) onCaughtUp();
      return Promise.resolve();
    },
    onBatch: (batch) => guarded(safe.applyBatch(batch)),
    onHeldBatch: (batch) => guarded(safe.applyHeld(batch)),
    onVoidBatch: (index, batchHash, l1Block, reason) =>
      guarded(safe.spendIndex(index, batchHash, l1Block, reason)),
    async onL1Applied(l1Block, finalizedL1Number) {
      await guarded(safe.applyL1(l1Block, finalizedL1Number));
      const head = l1.head();
      if (head !== null && l1Block.number >= head.number) onCaughtUp();
    },
    signBatch(header) {
      if (late.sequencing === null) throw new NodeError("NOT_ACCEPTING", { role: "follower" });
      // The header spans blocks of this chain only: derivation compares it field by field.
      if (header.lastBlock > chain.heads().unsafe.number) throw new NodeError("BLOCK_NOT_FOUND");
      return late.sequencing.signer.signBatch(header);
    },
  };
}

/** Answers how late this thread's event loop was since it was last asked. */
function watchLoop(): () => NodeStatus["loopDelayMs"] {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  return () => {
    const ms = (nanoseconds: number): number => Math.round(nanoseconds / 1e4) / 100;
    const answer = {
      p50: ms(delay.percentile(50)),
      p99: ms(delay.percentile(99)),
      max: ms(delay.max),
    };
    delay.reset();
    return answer;
  };
}

const NOT_ACCEPTING = { ok: false, code: "NOT_ACCEPTING", data: {} } as const;

/** Takes in what a peer has handed in, as from the RPC thread. */
export function submissionHandlers(
  late: Late,
): Pick<NetworkHandlers, "onSubmit" | "onReport" | "onKeyUse"> {
  return {
    onSubmit: (transaction) =>
      late.sequencing?.admission.submit(transaction) ?? Promise.resolve(NOT_ACCEPTING),
    onReport: (report) => late.sequencing?.reports.submit(report) ?? Promise.resolve(NOT_ACCEPTING),
    onKeyUse: (key) => Promise.resolve(late.sequencing?.reports.useOf(key) ?? null),
  };
}

/** What the RPC threads may ask (`api.ts`). */
export function createApi(core: Core, late: Late): NodeApi {
  const { chain, l1, config, equivocation } = core;
  const pool = () => late.sequencing?.admission.pool ?? null;
  // Counting looks at every account of the pool: anybody may ask, so it is done now and then only.
  const counts = keptFor(COUNTS_KEPT_MS, systemClock, () =>
    Promise.resolve(pool()?.counts() ?? { pending: 0, queued: 0 }),
  );
  const peerCount = async (): Promise<number> => (await late.network?.info())?.peers ?? 0;
  const submissions = submissionHandlers(late);
  const loopDelay = watchLoop();
  return {
    submit(transaction, wantsReceipt, conditions = null) {
      const admission = late.sequencing?.admission;
      if (admission !== undefined) return admission.submit(transaction, wantsReceipt, conditions);
      if (conditions !== null)
        return Promise.resolve({ ok: false, code: "NOT_ACCEPTING", data: { role: "follower" } });
      if (late.forwarded !== null) return late.forwarded.submit(transaction);
      return Promise.resolve(NOT_ACCEPTING);
    },
    submitReport: (report) => late.forwardedReports?.submit(report) ?? submissions.onReport(report),
    waitingReports: () => Promise.resolve(late.sequencing?.reports.book.reports() ?? []),
    keyUse: (key) => late.forwardedReports?.keyUse(key) ?? submissions.onKeyUse(key),
    poolNonce: (address) => Promise.resolve((pool() ?? late.forwarded)?.nextNonce(address) ?? null),
    pooled(hash) {
      const item = pool()?.get(hash);
      if (item === undefined) return Promise.resolve(late.forwarded?.get(hash) ?? null);
      const lane = laneOf(item.rank);
      return Promise.resolve({ transaction: item.transaction, lane });
    },
    poolStatus: counts,
    peerCount,
    async status() {
      const settlement = (await late.settlement?.service.status()) ?? null;
      return {
        role: config.role,
        ...chain.heads(),
        l1Head: l1.head(),
        peers: await peerCount(),
        ...(await counts()),
        nextBatchIndex: chain.cursor().nextBatchIndex,
        loopDelayMs: loopDelay(),
        threads: core.load.shares(),
        trouble: settlement?.trouble?.code ?? null,
        refusals: late.follow?.refusals() ?? [],
        equivocations: equivocation.found(),
      };
    },
  };
}
