/**
 * The node: wires storage, execution, chain, settlement, network and the role's own parts together.
 *
 * Owns: construction, start and stop order, and what happens on a fatal error. The calling thread
 * becomes the sequencing thread; RPC, libp2p, settlement and the pool run in workers (DESIGN I10).
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { fromHex, type Hex, ZERO_HASH } from "../lanes/bytes.ts";
import { encodeSignedFlashblock } from "../lanes/signed-flashblock.ts";
import { parsePolicy, type Policy } from "../lanes/policy.ts";
import { NODE_API_CHANNEL, NODE_EVENTS_CHANNEL, type NodeEvents } from "./api.ts";
import { systemClock } from "./clock.ts";
import type { NodeConfig } from "./config.ts";
import { NodeError, messageOf } from "./errors.ts";
import { type Core, createCore, type Fail, genesisCommit, type Late } from "./core.ts";
import { createApi, settlementHandlers, submissionHandlers } from "./handlers.ts";
import { createLogger, type Logger } from "./log.ts";
import { createFollow } from "./p2p/follow.ts";
import { createForwarded } from "./p2p/forwarded.ts";
import { ForwardedReports } from "./p2p/forwarded-reports.ts";
import { createNetwork, type Network } from "./p2p/network-client.ts";
import { connect, type Remote, serve } from "./port.ts";
import { hasNativeSecp256k1 } from "./primitives/hash.ts";
import {
  createSequencing,
  type Sequencing,
  type SequencingEvents,
} from "./sequencer/sequencing.ts";
import { createVerifier } from "./sequencer/verifier.ts";
import type { SettlementHandlers } from "./settlement/settlement.ts";
import { createSettlement, type Settlement } from "./settlement/settlement-client.ts";
import { createStore } from "./storage/chain-store.ts";
import type { Store } from "./storage/store.ts";

export interface NodeInfo {
  readonly peerId: string;
  readonly addresses: readonly string[];
  readonly genesisHash: Hex;
}

export interface Node {
  /** Resolves when the node serves; a sequencer builds blocks from then on. */
  start(): Promise<void>;
  /** Stops everything in reverse order; idempotent. */
  stop(): Promise<void>;
  /** Serves `NodeApi` to the RPC thread and pushes `NodeEvents`; returns a function that disconnects. */
  connectRpc(thread: Worker): () => void;
  /** Settles when the node has ended; rejects with the fatal error that ended it. */
  readonly done: Promise<void>;
  /** Memory of the signal that a thread raises when it submits a fast transaction. */
  readonly preemption: SharedArrayBuffer;
  info(): Promise<NodeInfo>;
}

function startNetwork(core: Core, late: Late, genesisHash: Hex, fail: Fail): Promise<Network> {
  const { config, chain } = core;
  const { chainId, l1ChainId, settlement, sequencer, policy } = config.rollup;
  const options = {
    chainId,
    l1ChainId,
    settlement,
    sequencer,
    role: config.role,
    listen: config.p2p.listen,
    peers: config.p2p.peers,
    identityFile: join(config.dataDir, "p2p-identity"),
    dataDir: config.dataDir,
    policy,
    preemption: core.preemption.memory,
    logLevel: config.logLevel,
  };
  const handlers = {
    onBlock(bytes: Uint8Array) {
      late.follow?.onBlock(bytes);
      return Promise.resolve();
    },
    ...submissionHandlers(late),
    onStatus() {
      const { unsafe, safe } = chain.heads();
      return Promise.resolve({ chainId, genesisHash, unsafe: unsafe.number, safe: safe.number });
    },
  };
  return createNetwork(options, handlers, core.log.child("p2p"), core.load, fail);
}

/** Sends an event to every RPC thread. */
type Tell = (send: (events: Remote<NodeEvents>) => Promise<void>) => void;

/** Builds the sequencer's parts on a chain that holds everything L1 has. */
function sequencingOf(core: Core, network: Network, tell: Tell): Promise<Sequencing> {
  const { config, policy, store, chain, engine, pool, l1, preemption, fail } = core;
  const { rollup, txpool, sequencer } = config;
  if (sequencer.key === null) throw new NodeError("CONFIG_INVALID", { key: "sequencer.key" });
  const { speculators } = pool;
  if (speculators === null) throw new NodeError("INTERNAL", { worker: "speculate" });
  const log = core.log.child("sequencer");
  const clock = systemClock;
  return createSequencing(
    {
      rollup,
      policy,
      ...txpool,
      key: fromHex(sequencer.key),
      flashblockMs: sequencer.flashblockMs,
      // The time: an old copy of the folder does not know the epochs that came after it.
      leaderEpochMin: Math.floor(clock.nowMs() / 1000),
    },
    {
      store,
      chain,
      engine,
      l1,
      clock,
      preemption,
      speculators,
      verifier: createVerifier(pool.verifiers, { sampleEvery: sequencer.verifyEvery }),
      recoverSenders: (raws) => pool.recoverSenders(raws),
      yieldTurn: async () => {
        await setImmediate();
      },
      events: sequencingEvents(createPublisher(network, log), tell),
      fail: (error) => {
        fail(error instanceof Error ? error : new NodeError("INTERNAL", {}, error));
      },
      log,
    },
  );
}

function sequencingEvents(publish: (bytes: Uint8Array) => void, tell: Tell): SequencingEvents {
  let accepted: Hex[] = [];
  return {
    publish,
    // Nobody waits for them: those of one turn go together, and wake the RPC threads once.
    onAccepted: (hash) => {
      accepted.push(hash);
      if (accepted.length > 1) return;
      void setImmediate().then(() => {
        const hashes = accepted;
        accepted = [];
        tell((events) => events.newPendingTransactions(hashes));
      });
    },
    onDropped: (drop) => {
      tell((events) => events.dropped(drop));
    },
    onPendingSlice: (slice) => {
      tell((events) => events.pendingSlice(slice));
    },
    onFlashblock: (flashblock) => {
      const bytes = toShared(encodeSignedFlashblock(flashblock));
      tell((events) => events.flashblock(bytes));
    },
  };
}

/** A copy that threads share: it is not copied again for each of them. */
function toShared(bytes: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}

/** Opens the data folder and builds every part; nothing listens, dials or builds before `start`. */
export async function createNode(config: NodeConfig): Promise<Node> {
  const log = createLogger(config.logLevel, config.role);
  if (!hasNativeSecp256k1()) log.warn("native secp256k1 is missing: signatures are slow");
  const policy = parsePolicy(config.rollup.policy);
  if (!policy.ok) throw new NodeError("POLICY_INVALID", policy.data);
  await mkdir(config.dataDir, { recursive: true });
  const { dataDir, journalDir } = config;
  const store = await createStore({ dataDir, ...(journalDir === null ? {} : { journalDir }) });
  const genesis = genesisCommit(config, policy.value);
  const onClose: (() => Promise<void>)[] = [() => store.close()];
  try {
    await store.initialize(genesis, config.rollupHash);
    return await assemble(config, policy.value, store, log, onClose);
  } catch (error) {
    await closeAll(onClose);
    throw error;
  }
}

/** Blocks on their way to the p2p thread; more means it does not keep up. */
const PUBLISHING_MAX = 32;

/**
 * Hands blocks to the p2p thread without waiting for it: a slow or failing network never holds the
 * sequencer up. What is not gossiped, followers fetch by range.
 */
function createPublisher(network: Network, log: Logger): (bytes: Uint8Array) => void {
  let publishing = 0;
  return (bytes) => {
    if (publishing >= PUBLISHING_MAX) {
      log.warn("block not gossiped", { publishing });
      return;
    }
    publishing += 1;
    network
      .publishBlock(bytes)
      .catch((error: unknown) => {
        log.warn("block not gossiped", { error: messageOf(error) });
      })
      .finally(() => {
        publishing -= 1;
      });
  };
}

/** Last opened, first closed; one failure does not keep the rest open. */
async function closeAll(onClose: (() => Promise<void>)[]): Promise<void> {
  for (let close = onClose.pop(); close !== undefined; close = onClose.pop())
    await close().catch(() => undefined);
}

async function assemble(
  config: NodeConfig,
  policy: Policy,
  store: Store,
  log: Logger,
  onClose: (() => Promise<void>)[],
): Promise<Node> {
  const ended = deferred();
  const caughtUp = deferred();
  const fail: Fail = (error) => {
    if (late.stopping) return;
    log.error("fatal", { error: error.message });
    ended.reject(error);
  };
  const late: Late = {
    stopping: false,
    answering: new Set(),
    settlement: null,
    network: null,
    follow: null,
    forwarded: null,
    forwardedReports: null,
    sequencing: null,
  };
  const core = await createCore(config, policy, store, log, late, fail);
  onClose.push(() => core.pool.stop());
  // Whatever opens a block or answers a worker ends before the pool and the store go.
  onClose.push(async () => {
    await Promise.allSettled(late.answering);
    await core.chain.exclusive(() => Promise.resolve());
  });
  const genesisHash = store.headerByNumber(0)?.hash ?? ZERO_HASH;
  const network = await startNetwork(core, late, genesisHash, fail);
  onClose.push(() => network.stop());
  const handlers = settlementHandlers(core, late, fail, caughtUp.resolve);
  const settlement = await startSettlement(core, handlers, genesisHash);
  void settlement.failed.then(fail);
  onClose.push(() => settlement.stop());
  late.network = network;
  if (config.role === "follower") {
    late.forwarded = createForwarded({
      submitTransaction: (raw) => network.submitTransaction(raw),
      nonce: (address) => store.state.account(address)?.nonce ?? 0n,
    });
    late.forwardedReports = new ForwardedReports(policy, network, systemClock);
  }
  late.settlement = settlement;

  const listeners = new Set<Remote<NodeEvents>>();
  const tell: Tell = (send) => {
    // An RPC thread that is going away hears nothing more; that is no failure of the node.
    for (const events of listeners) send(events).catch(() => undefined);
  };
  core.chain.onHead((head, removed) => {
    tell((events) => events.newHead(head, removed));
  });

  let stopping: Promise<void> | null = null;
  // A call, because a check before an `await` says nothing about the time after it.
  const isStopping = (): boolean => stopping !== null;
  let loop: Promise<void> = Promise.resolve();
  const sequence = async (): Promise<void> => {
    await caughtUp.promise;
    if (isStopping()) return;
    const parts = await sequencingOf(core, network, tell);
    if (isStopping()) return;
    late.sequencing = parts;
    await parts.sequencer.run();
  };
  const stop = async (): Promise<void> => {
    late.stopping = true;
    late.follow?.stop();
    late.sequencing?.admission.close();
    late.sequencing?.sequencer.stop();
    caughtUp.resolve();
    await loop;
    await closeAll(onClose);
    ended.resolve();
  };

  return {
    async start() {
      await network.start();
      if (config.role === "follower" && !isStopping()) {
        late.follow = createFollow({
          chain: core.chain,
          equivocation: core.equivocation,
          network,
          clock: systemClock,
          log: log.child("follow"),
          fail,
        });
        late.follow.start();
      }
      await settlement.start();
      if (config.role === "sequencer" && !isStopping()) loop = sequence().catch(fail);
    },
    stop: () => (stopping ??= stop()),
    connectRpc(thread) {
      core.load.watch("rpc", thread);
      const stopServing = serve(thread, NODE_API_CHANNEL, { ...createApi(core, late) });
      const events = connect<NodeEvents>(thread, NODE_EVENTS_CHANNEL);
      listeners.add(events.remote);
      return () => {
        stopServing();
        listeners.delete(events.remote);
        events.close();
      };
    },
    done: ended.promise,
    preemption: core.preemption.memory,
    async info() {
      const { peerId, addresses } = await network.info();
      return { peerId, addresses, genesisHash };
    },
  };
}

function startSettlement(
  core: Core,
  handlers: SettlementHandlers,
  genesisHash: Hex,
): Promise<Settlement> {
  const { config, chain, pool, log } = core;
  const options = {
    rollup: config.rollup,
    l1RpcUrl: config.l1.rpcUrl,
    l1BeaconUrl: config.l1.beaconUrl,
    batcherKey: config.role === "sequencer" ? config.batcher.key : null,
    dataDir: config.dataDir,
    pollIntervalMs: config.l1.pollIntervalMs,
    batchIntervalMs: config.batcher.intervalMs,
    logLevel: config.logLevel,
    cursor: chain.cursor(),
    genesisHash,
  };
  return createSettlement(
    options,
    handlers,
    pool.connectPort(),
    log.child("settlement"),
    core.load,
  );
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function deferred(): Deferred {
  let settle: Omit<Deferred, "promise"> | undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Its owner may look at it later than the failure comes.
  promise.catch(() => undefined);
  if (settle === undefined) throw new NodeError("INTERNAL");
  return { promise, ...settle };
}
