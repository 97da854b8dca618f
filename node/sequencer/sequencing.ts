/**
 * The sequencer's parts, put together: signer, promises, admission, builder, loop.
 *
 * Owns: their construction, and its order: marks are compared with the chain before anything is
 * numbered or signed, and what was promised before is found before anything new is taken in.
 * Everything outside the core (clock, threads, network) arrives as a dependency.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { SignedFlashblock } from "../../lanes/signed-flashblock.ts";
import type { DroppedTransaction, PendingSlice } from "../api.ts";
import { type Chain } from "../chain/chain.ts";
import type { L1View } from "../chain/l1-view.ts";
import type { Clock } from "../clock.ts";
import type { Engine } from "../execution/engine.ts";
import type { Logger } from "../log.ts";
import type { PreemptionSignal } from "../preemption-signal.ts";
import { GENESIS_TERM, type RollupConfig, signingDomain } from "../rollup-config.ts";
import type { Store } from "../storage/store.ts";
import { type Admission, type AdmissionDeps, createAdmission } from "./admission.ts";
import { createArrivals } from "./arrivals.ts";
import { promisedBlocks } from "./promised-blocks.ts";
import { createPromiseLog } from "./promises.ts";
import { ReportDesk, type ReportDeskDeps } from "./report-desk.ts";
import { createSequencer, type Sequencer } from "./sequencer.ts";
import { Speculation, type Speculators } from "./speculation.ts";
import { checkSigner, createSigner, type Signer } from "./signer.ts";
import type { Verifier } from "./verifier.ts";

export interface SequencingOptions {
  readonly rollup: RollupConfig;
  readonly policy: Policy;
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** Transactions of the normal lane in the pool, and of one account. */
  readonly globalMax: number;
  readonly accountMax: number;
  readonly flashblockMs: number;
  /** The leader epoch is at least this. @default 1 */
  readonly leaderEpochMin?: number;
}

/** What hears of the sequencer's work. */
export interface SequencingEvents {
  onAccepted(hash: Hex): void;
  onDropped(drop: DroppedTransaction): void;
  onPendingSlice(slice: PendingSlice): void;
  onFlashblock(flashblock: SignedFlashblock): void;
  /** Hands an encoded signed block to the network; does not wait for it. */
  publish(bytes: Uint8Array): void;
}

export interface SequencingDeps {
  readonly store: Store;
  readonly chain: Chain;
  readonly engine: Engine;
  readonly l1: L1View;
  readonly clock: Clock;
  readonly verifier: Verifier;
  /** Execute long normal transactions aside: for the builder, and for the check. */
  readonly speculators: Speculators;
  readonly preemption: PreemptionSignal;
  recoverSenders(raws: readonly Uint8Array[]): Promise<readonly (Hex | null)[]>;
  /** Gives the event loop one turn. */
  yieldTurn(): Promise<void>;
  readonly events: SequencingEvents;
  /** What was to be promised could not be made durable. */
  fail(error: unknown): void;
  readonly log: Logger;
}

/** What only a sequencer has. */
export interface Sequencing {
  readonly admission: Admission;
  readonly reports: ReportDesk;
  readonly signer: Signer;
  readonly sequencer: Sequencer;
}

/** Nothing is built before `sequencer.run`. Errors: as `checkSigner`, and what the journal throws. */
export async function createSequencing(
  options: SequencingOptions,
  deps: SequencingDeps,
): Promise<Sequencing> {
  const { rollup, policy, key, flashblockMs, leaderEpochMin } = options;
  const { store, chain, engine, l1, clock, verifier, preemption, events, log } = deps;
  const number = chain.head().header.number;
  const leaderEpoch = await openLeaderEpoch(deps, leaderEpochMin);
  const arrivals = createArrivals(clock);
  const onReady = (): void => {
    arrivals.notify();
  };
  const onFailed = (error: unknown): void => {
    deps.fail(error);
  };
  const signer = createSigner(key, signingDomain(rollup), store);
  const promises = createPromiseLog(signer, {
    term: GENESIS_TERM,
    leaderEpoch,
    nowMs: () => clock.nowMs(),
  });
  const admission = createAdmission(
    { ...options, chainId: rollup.chainId, leaderEpoch },
    {
      store,
      promises,
      clock,
      account: (address) => engine.account(address),
      recoverSenders: (raws) => deps.recoverSenders(raws),
      onReady,
      ...told(events),
      onFailed,
      log,
    },
  );
  const { pool } = admission;
  const speculation = new Speculation({ ...deps.speculators, engine, pool, clock, arrivals, log });
  const reports = createReportDesk(deps, admission, { policy, promises, onReady, onFailed });
  const { prices, timestampMs: timeMs } = chain.head().laneState;
  pool.repriced({ prices, timeMs });
  const restored = await admission.restore(number);
  reports.restore(restored, prices);
  const sequencer = createSequencer({
    rollup,
    chain,
    store,
    l1,
    admission,
    reports,
    promised: promisedBlocks(restored, number),
    promises,
    signer,
    verifier,
    speculation,
    events,
    builder: {
      chain,
      engine,
      pool,
      policy,
      reports: reports.book,
      nextNumber: () => admission.nextNumber(),
      clock,
      arrivals,
      preemption,
      openPool: (baseFee, block) => {
        admission.openBlock(baseFee, block);
      },
      yieldTurn: () => deps.yieldTurn(),
      leaderEpoch,
      flashblockMs,
    },
    log,
  });
  return { admission, reports, signer, sequencer };
}

/** Nothing that this key has signed is behind the chain; from here on its numbers are new. */
function openLeaderEpoch(
  { store, chain }: Pick<SequencingDeps, "store" | "chain">,
  leaderEpochMin: number | undefined,
): Promise<number> {
  const { header, laneState } = chain.head();
  const isSigned = (store.blockByNumber(header.number)?.signature ?? null) !== null;
  checkSigner(store, { number: header.number, isSigned });
  return store.raiseLeaderEpoch(laneState.leaderEpoch, leaderEpochMin);
}

/** What the desk of transactions tells. */
function told(events: SequencingEvents): Pick<AdmissionDeps, "onAccepted" | "onDropped"> {
  return {
    onAccepted: (hash) => {
      events.onAccepted(hash);
    },
    onDropped: (drop) => {
      events.onDropped(drop);
    },
  };
}

/** Beside the desk of transactions, whose numbers it shares. */
function createReportDesk(
  { chain, clock }: Pick<SequencingDeps, "chain" | "clock">,
  admission: Admission,
  parts: Pick<ReportDeskDeps, "policy" | "promises" | "onReady" | "onFailed">,
): ReportDesk {
  return new ReportDesk({
    ...parts,
    clock,
    nextNumber: () => admission.nextNumber(),
    openBlock: () => admission.openNumber(),
    chainTimeMs: () => chain.head().laneState.timestampMs,
    suspended: () => chain.head().laneState.prices.suspended,
  });
}
