import "core-js/actual/promise/with-resolvers.js";
/**
 * The libp2p node of one chain: puts gossip, requests and peers together. Runs in the p2p worker,
 * and in tests in the test's own thread.
 *
 * Owns: libp2p's life and its limits, the gossip topic, the bound on blocks that wait for the
 * sequencing thread. Invariant: what this node would refuse from others it does not send.
 */
import { type GossipSub, gossipsub, TopicValidatorResult } from "@chainsafe/libp2p-gossipsub";
import { noise } from "@chainsafe/libp2p-noise";
import { identify } from "@libp2p/identify";
import type { Libp2p, PrivateKey, ServiceMap } from "@libp2p/interface";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { createLibp2p, type Libp2pOptions } from "libp2p";
import type { Hex } from "../../lanes/bytes.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { Clock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { recoverSigner } from "../primitives/signature.ts";
import { GENESIS_TERM } from "../rollup-config.ts";
import { createClient } from "./client.ts";
import { type BlockRules, createGossipCheck, gossipAction } from "./gossip.ts";
import { loadIdentity } from "./identity.ts";
import { blocksTopic } from "./messages.ts";
import type { HostHandlers, HostOptions, NetworkService } from "./network.ts";
import { createFaultLedger, createPeerKeeper, type FaultLedger, parsePeers } from "./peers.ts";
import { pubsubOptions } from "./pubsub.ts";
import { serveRequests } from "./server.ts";

const CONNECTIONS_MAX = 64;
const CONNECTIONS_PENDING_MAX = 16;
/** New connections a second from one address; a restarted devnet comes all at once. */
const CONNECTIONS_PER_SECOND_MAX = 16;
const DIALS_PARALLEL_MAX = 8;
const DIALS_QUEUED_MAX = 64;
const STREAMS_PER_CONNECTION_MAX = 512;
const STREAM_BUFFER_BYTES_MAX = 4 * 1024 * 1024;
const INACTIVITY_MS = 120_000;
const PING_INTERVAL_MS = 15_000;
/**
 * A ping not answered closes the connection; a busy machine stalls for longer than libp2p's 5 s.
 */
const PING_MIN_MS = 20_000;
const IDENTIFY_BYTES_MAX = 8192;
/**
 * Blocks handed to the sequencing thread and not yet done; above it sync fetches what gossip drops.
 */
export const BLOCKS_PENDING_MAX = 32;

export interface HostDeps {
  readonly handlers: HostHandlers;
  /** In force: what reports and receipts are checked against. */
  readonly policy: Policy;
  /** The encoded signed block, `null` above the head. */
  readonly rawBlock: (number: number) => Uint8Array | null;
  readonly transactionsRoot: BlockRules["transactionsRoot"];
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

export interface Host extends NetworkService {
  /** Listens and dials. Errors: `KEY_INVALID`, `CONFIG_INVALID`, `PORT_BUSY`. */
  start(): Promise<void>;
}

export async function createHost(options: HostOptions, deps: HostDeps): Promise<Host> {
  const { handlers, clock, random, log } = deps;
  const kept = parsePeers(options.peers);
  const keptIds = new Set(kept.keys());
  const ledger = createFaultLedger(keptIds, clock);
  const libp2p = await createNode(options, ledger);
  const rules: BlockRules = {
    domain: options,
    sequencer: options.sequencer,
    transactionsRoot: deps.transactionsRoot,
  };
  const blocks = createBlockGossip(options.chainId, libp2p.services.pubsub, rules, deps);
  const client = createClient(options.chainId, {
    libp2p,
    genesisHash: once(async () => (await handlers.onStatus()).genesisHash),
    keptIds,
    rules,
    trust: {
      domain: options,
      term: GENESIS_TERM,
      sequencer: options.sequencer,
      policy: deps.policy,
      recover: recoverSigner,
    },
    ledger,
    clock,
    random,
    log,
  });
  const keeper = createPeerKeeper(kept, { libp2p, clock, random, log });
  let started = false;

  return {
    ...client,
    publishBlock: blocks.publish,
    async start() {
      if (started) return;
      started = true;
      await serveRequests(options, { libp2p, ledger, ...deps });
      await listen(libp2p, options);
      blocks.subscribe();
      keeper.start();
      log.info("p2p started", { peer: libp2p.peerId.toString(), kept: kept.size });
    },
    info: () =>
      Promise.resolve({
        peerId: libp2p.peerId.toString(),
        addresses: libp2p.getMultiaddrs().map(String),
        peers: libp2p.getPeers().length,
      }),
    async stop() {
      if (!started) return;
      started = false;
      keeper.stop();
      await libp2p.stop();
    },
  };
}

interface Services extends ServiceMap {
  readonly pubsub: GossipSub;
}

async function createNode(options: HostOptions, ledger: FaultLedger): Promise<Libp2p<Services>> {
  const privateKey = await loadIdentity(options.identityFile);
  try {
    return await createLibp2p(libp2pOptions(options, privateKey, ledger));
  } catch (cause) {
    // What is left to be wrong is an address that does not parse.
    throw listenError("CONFIG_INVALID", options, cause);
  }
}

function libp2pOptions(
  options: HostOptions,
  privateKey: PrivateKey,
  ledger: FaultLedger,
): Libp2pOptions<Services> {
  return {
    start: false,
    privateKey,
    nodeInfo: { name: "pricelane", version: "1" },
    addresses: { listen: [...options.listen] },
    transports: [tcp({ maxConnections: CONNECTIONS_MAX })],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: STREAMS_PER_CONNECTION_MAX,
        maxOutboundStreams: STREAMS_PER_CONNECTION_MAX,
        streamOptions: {
          inactivityTimeout: INACTIVITY_MS,
          maxStreamWindowSize: STREAM_BUFFER_BYTES_MAX,
          maxReadBufferLength: STREAM_BUFFER_BYTES_MAX,
          maxWriteBufferLength: STREAM_BUFFER_BYTES_MAX,
        },
      }),
    ],
    connectionManager: {
      maxConnections: CONNECTIONS_MAX,
      maxIncomingPendingConnections: CONNECTIONS_PENDING_MAX,
      inboundConnectionThreshold: CONNECTIONS_PER_SECOND_MAX,
      maxParallelDials: DIALS_PARALLEL_MAX,
      maxDialQueueLength: DIALS_QUEUED_MAX,
    },
    connectionMonitor: { pingInterval: PING_INTERVAL_MS, pingTimeout: { minTimeout: PING_MIN_MS } },
    connectionGater: {
      // The default gater refuses private addresses in browsers only; here it refuses who was
      // banned.
      denyInboundEncryptedConnection: (peerId) => ledger.isBanned(peerId.toString()),
    },
    services: {
      identify: identify({ maxMessageSize: IDENTIFY_BYTES_MAX }),
      ping: ping(),
      pubsub: gossipsub(pubsubOptions(options.chainId, (peer) => ledger.score(peer))),
    },
  };
}

async function listen(libp2p: Libp2p, options: HostOptions): Promise<void> {
  try {
    await libp2p.start();
  } catch (cause) {
    // What it had opened by then stays open otherwise.
    await libp2p.stop();
    // libp2p gives the system's error only as text.
    const busy = cause instanceof Error && cause.message.includes("EADDRINUSE");
    throw listenError(busy ? "PORT_BUSY" : "CONFIG_INVALID", options, cause);
  }
}

function listenError(
  code: "PORT_BUSY" | "CONFIG_INVALID",
  options: HostOptions,
  cause: unknown,
): NodeError {
  return new NodeError(code, { key: "p2p.listen", found: options.listen.join(" ") }, cause);
}

interface BlockGossip {
  subscribe(): void;
  readonly publish: (bytes: Uint8Array) => Promise<void>;
}

function createBlockGossip(
  chainId: number,
  pubsub: GossipSub,
  rules: BlockRules,
  deps: HostDeps,
): BlockGossip {
  const { handlers, clock, log } = deps;
  const topic = blocksTopic(chainId);
  const gossip = createGossipCheck(rules);
  let pending = 0;

  const deliver = async (bytes: Uint8Array, peerId: string): Promise<void> => {
    pending++;
    try {
      await handlers.onBlock(bytes, peerId);
    } catch (error) {
      log.warn("block not taken", { peer: peerId, reason: String(error) });
    } finally {
      pending--;
    }
  };

  return {
    subscribe() {
      pubsub.topicValidators.set(topic, (peer, { data }) => {
        const peerId = peer.toString();
        if (pending >= BLOCKS_PENDING_MAX) {
          log.warn("block dropped: too many wait", { peer: peerId, pending });
          return TopicValidatorResult.Ignore;
        }
        const verdict = gossip.check(data, clock.nowMs());
        const action = gossipAction(verdict);
        if (action === "accept") {
          void deliver(data, peerId);
          return TopicValidatorResult.Accept;
        }
        if (!verdict.ok)
          log.debug("block refused", { peer: peerId, code: verdict.code, ...verdict.data });
        return action === "ignore" ? TopicValidatorResult.Ignore : TopicValidatorResult.Reject;
      });
      pubsub.subscribe(topic);
    },

    async publish(bytes) {
      const verdict = gossip.check(bytes, clock.nowMs());
      if (!verdict.ok) {
        // Old blocks of a sequencer that catches up: followers fetch them by range.
        const expected =
          verdict.code === "BLOCK_TIME_OUT_OF_RANGE" || verdict.code === "BLOCK_ALREADY_KNOWN";
        if (!expected) throw new NodeError(verdict.code, verdict.data);
        log.debug("block not gossiped", { code: verdict.code, ...verdict.data });
        return;
      }
      const { recipients } = await pubsub.publish(topic, bytes);
      log.debug("block gossiped", {
        number: verdict.value.header.number,
        recipients: recipients.length,
      });
    },
  };
}

/** The first answer, kept; a failed call is made again. */
function once(load: () => Promise<Hex>): () => Promise<Hex> {
  let value: Hex | undefined;
  return async () => (value ??= await load());
}
