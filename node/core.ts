/**
 * The parts that both roles have, and the places where parts that come to life later are found.
 *
 * Owns: their construction and block 0. Does not own: workers' handlers, start and stop
 * (`node.ts`).
 */
import { ZERO_HASH } from "../lanes/bytes.ts";
import { encodeLaneState, genesisLaneState } from "../lanes/lane-state.ts";
import type { Policy } from "../lanes/policy.ts";
import { systemClock } from "./clock.ts";
import { Chain } from "./chain/chain.ts";
import { buildGenesis } from "./chain/genesis.ts";
import { createEquivocationWatch, type EquivocationWatch } from "./chain/equivocation.ts";
import { createL1View, type L1View } from "./chain/l1-view.ts";
import { createSafeChain, type SafeChain } from "./chain/safe.ts";
import type { NodeConfig } from "./config.ts";
import { NodeError } from "./errors.ts";
import { createEmbeddedEngine } from "./execution/embedded/engine.ts";
import { createPreemption } from "./execution/embedded/preemption.ts";
import type { Engine } from "./execution/engine.ts";
import type { Logger } from "./log.ts";
import type { Follow } from "./p2p/follow.ts";
import type { Forwarded } from "./p2p/forwarded.ts";
import type { ForwardedReports } from "./p2p/forwarded-reports.ts";
import type { Network } from "./p2p/network-client.ts";
import { PreemptionSignal } from "./preemption-signal.ts";
import { signingDomain } from "./rollup-config.ts";
import type { Sequencing } from "./sequencer/sequencing.ts";
import type { Settlement } from "./settlement/settlement-client.ts";
import { type BlockCommit, NO_ADMISSIONS, type Store } from "./storage/store.ts";
import { ThreadLoad } from "./thread-load.ts";
import { createWorkerPool, type WorkerPool } from "./workers/pool.ts";

/** What both roles have. */
export interface Core {
  readonly config: NodeConfig;
  readonly policy: Policy;
  readonly store: Store;
  readonly log: Logger;
  readonly pool: WorkerPool;
  readonly engine: Engine;
  readonly chain: Chain;
  readonly safe: SafeChain;
  readonly equivocation: EquivocationWatch;
  readonly l1: L1View;
  /** Makes a long normal transaction give way. */
  readonly preemption: PreemptionSignal;
  readonly load: ThreadLoad;
  /** Ends the node. */
  readonly fail: Fail;
}

/** Parts that come to life after the core; handlers of the workers reach them through here. */
export interface Late {
  /** The node is going down: what fails from now on is no failure of its. */
  stopping: boolean;
  /** Calls of the settlement worker that are being answered; the store outlives them. */
  readonly answering: Set<Promise<unknown>>;
  settlement: Settlement | null;
  network: Network | null;
  follow: Follow | null;
  /** A follower's, `null` on the sequencer. */
  forwarded: Forwarded | null;
  /** The same. */
  forwardedReports: ForwardedReports | null;
  sequencing: Sequencing | null;
}

export type Fail = (error: Error) => void;

/** Block 0 as the store takes it. */
export function genesisCommit(config: NodeConfig, policy: Policy): BlockCommit {
  const { rollup } = config;
  const { block, diff, trie } = buildGenesis(rollup);
  const ref = { number: 0, hash: block.hash };
  return {
    stored: {
      block,
      laneData: { policyHash: policy.hash, flashblocks: [], numbers: [] },
      orderHashes: [],
      flashblockSignatures: [],
      laneState: encodeLaneState(genesisLaneState(rollup.genesis.timestamp)),
      signature: null,
    },
    receipts: [],
    diff,
    trie,
    settled: [],
    admissions: NO_ADMISSIONS,
    heads: { unsafe: ref, safe: ref, finalized: ref },
    cursor: {
      nextBatchIndex: 0,
      previousBatchHash: ZERO_HASH,
      l1Block: rollup.genesis.l1Origin,
      pendingFinality: [],
    },
  };
}

/** Only what is built here needs the check: followers execute what others have built. */
function verifierThreads({ role, sequencer }: NodeConfig): number {
  return role === "sequencer" ? sequencer.verifiers : 0;
}

export async function createCore(
  config: NodeConfig,
  policy: Policy,
  store: Store,
  log: Logger,
  late: Late,
  fail: Fail,
): Promise<Core> {
  const { rollup, dataDir } = config;
  const speculates = config.role === "sequencer";
  const load = new ThreadLoad("sequencing");
  const pool = await createWorkerPool(
    { size: config.workers, dataDir, rollup, verifiers: verifierThreads(config), speculates, load },
    log.child("workers"),
    fail,
  );
  const head = store.headerByNumber(store.heads().unsafe.number);
  if (head === null) throw new NodeError("STORAGE_CORRUPT", { record: "head" });
  const signal = PreemptionSignal.create();
  const preemption = createPreemption(signal, () => systemClock.monotonicMs());
  const { state } = store;
  const engine = createEmbeddedEngine({ rollup, head, state, roots: pool.roots, preemption });
  const recoverSenders = (raws: readonly Uint8Array[]) => pool.recoverSenders(raws);
  const l1 = createL1View(
    async (number) => (await late.settlement?.service.originAt(number)) ?? null,
  );
  const originAt = (number: number) => l1.at(number);
  const chainLog = log.child("chain");
  const chain = new Chain({
    rollup,
    policy,
    store,
    engine,
    recoverSenders,
    originAt,
    log: chainLog,
  });
  const sequencing = (): boolean => late.sequencing !== null;
  const safe = createSafeChain(chain, { store, recoverSenders, sequencing, log: chainLog });
  const { sequencer } = rollup;
  const domain = signingDomain(rollup);
  const equivocation = createEquivocationWatch({
    store,
    domain,
    sequencer,
    originAt,
    log: chainLog,
  });
  return {
    config,
    policy,
    store,
    log,
    pool,
    engine,
    chain,
    safe,
    equivocation,
    l1,
    preemption: signal,
    load,
    fail,
  };
}
