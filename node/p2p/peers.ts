import "core-js/actual/promise/with-resolvers.js";
/**
 * Who this node is connected to: keeps the configured peers connected, remembers who broke a
 * protocol, and closes connections that have gone mute.
 *
 * GossipSub leaves a connection open without its streams after a frame that is too large or a peer
 * that does not read; nothing would be gossiped over it again. The watch closes such a connection,
 * and the redial makes a new one (ACCEPTANCE 39, 40).
 */
import type { Connection, Libp2p } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { multiaddr, type Multiaddr } from "@multiformats/multiaddr";
import type { Clock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";

const REDIAL_MIN_MS = 250;
const REDIAL_MAX_MS = 10_000;
const DIAL_DEADLINE_MS = 5_000;
const WATCH_INTERVAL_MS = 2_000;
/** Age after which a connection must carry gossip in both directions. */
const MUTE_GRACE_MS = 5_000;
/** Above libp2p's own tags: the connection limit takes other peers first. */
const KEPT_TAG = { "pricelane-kept": { value: 1000 } };
/** Score of a configured peer. Less than what an invalid message leaves above the graylist. */
const KEPT_SCORE = 10;
const FAULT_SCORE = -25;
const FAULT_HALF_LIFE_MS = 60_000;
/** Faults from which a peer is neither answered nor let in. */
const FAULTS_MAX = 4;
const PEERS_REMEMBERED_MAX = 1024;
const GOSSIP_PROTOCOL_PREFIX = "/meshsub/";

/** Peers' faults against the direct protocols, halved every minute. */
export interface FaultLedger {
  /** Counts a broken rule. */
  add(peerId: string, faults?: number): void;
  isBanned(peerId: string): boolean;
  /** GossipSub's application-specific score. */
  score(peerId: string): number;
}

export function createFaultLedger(keptIds: ReadonlySet<string>, clock: Clock): FaultLedger {
  const entries = new Map<string, { readonly faults: number; readonly atMs: number }>();
  const faultsOf = (peerId: string): number => {
    const entry = entries.get(peerId);
    if (entry === undefined) return 0;
    return entry.faults * 0.5 ** ((clock.monotonicMs() - entry.atMs) / FAULT_HALF_LIFE_MS);
  };
  return {
    add(peerId, faults = 1) {
      const total = faultsOf(peerId) + faults;
      // Deleted first, so that the map stays ordered by last fault and the oldest can go.
      entries.delete(peerId);
      entries.set(peerId, { faults: total, atMs: clock.monotonicMs() });
      if (entries.size <= PEERS_REMEMBERED_MAX) return;
      const [oldest] = entries.keys();
      if (oldest !== undefined) entries.delete(oldest);
    },
    // A hair below the limit, because decay starts with the first clock tick.
    isBanned: (peerId) => faultsOf(peerId) > FAULTS_MAX - 0.5,
    score: (peerId) => (keptIds.has(peerId) ? KEPT_SCORE : 0) + FAULT_SCORE * faultsOf(peerId),
  };
}

/** Addresses by peer id. Errors: `CONFIG_INVALID` where one does not parse or names no peer. */
export function parsePeers(peers: readonly string[]): ReadonlyMap<string, readonly Multiaddr[]> {
  const byId = new Map<string, Multiaddr[]>();
  for (const text of peers) {
    let address: Multiaddr;
    let id: string | undefined;
    try {
      address = multiaddr(text);
      id = address.getComponents().findLast(({ name }) => name === "p2p")?.value;
      if (id !== undefined) peerIdFromString(id);
    } catch (cause) {
      throw new NodeError("CONFIG_INVALID", { key: "p2p.peers", found: text }, cause);
    }
    if (id === undefined)
      throw new NodeError("CONFIG_INVALID", { key: "p2p.peers", found: text, expected: "/p2p/ID" });
    byId.set(id, [...(byId.get(id) ?? []), address]);
  }
  return byId;
}

export interface PeerKeeper {
  start(): void;
  stop(): void;
}

export interface PeerKeeperDeps {
  readonly libp2p: Libp2p;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/** Dials the kept peers again and again with back-off, and closes mute connections. */
export function createPeerKeeper(
  kept: ReadonlyMap<string, readonly Multiaddr[]>,
  deps: PeerKeeperDeps,
): PeerKeeper {
  const { libp2p, clock, random, log } = deps;
  const pending = new Map<string, () => void>();
  let cancelWatch = (): void => undefined;
  let running = false;

  const schedule = (id: string, attempt: number): void => {
    const addresses = kept.get(id);
    if (!running || addresses === undefined || pending.has(id)) return;
    const ceiling = Math.min(REDIAL_MAX_MS, REDIAL_MIN_MS * 2 ** Math.min(attempt, 16));
    const delay = attempt === 0 ? 0 : ceiling * (0.5 + random() / 2);
    const cancel = clock.after(delay, () => {
      void dial(id, addresses).then((connected) => {
        pending.delete(id);
        if (!connected) schedule(id, attempt + 1);
      });
    });
    pending.set(id, cancel);
  };

  const dial = async (id: string, addresses: readonly Multiaddr[]): Promise<boolean> => {
    try {
      const signal = AbortSignal.timeout(DIAL_DEADLINE_MS);
      const connection = await libp2p.dial([...addresses], { signal });
      await libp2p.peerStore.merge(connection.remotePeer, { tags: KEPT_TAG });
      return connection.status === "open";
    } catch (cause) {
      log.debug("peer not reached", { peer: id, reason: String(cause) });
      return false;
    }
  };

  const onDisconnect = (event: { readonly detail: { toString(): string } }): void => {
    // Not at once: a peer that closes on us would be dialled in a tight loop.
    schedule(event.detail.toString(), 1);
  };

  const watch = (): void => {
    for (const peerId of libp2p.getPeers()) {
      const connections = libp2p.getConnections(peerId);
      const newestMs = Math.max(...connections.map(({ timeline }) => timeline.open));
      if (clock.nowMs() - newestMs < MUTE_GRACE_MS || carriesGossip(connections)) continue;
      log.warn("closing a connection without gossip", { peer: peerId.toString() });
      for (const connection of connections)
        connection.abort(new NodeError("TIMEOUT", { peer: peerId.toString() }));
    }
    // A peer that was lost while its dial was being finished has no other way back.
    const connected = new Set(libp2p.getPeers().map(String));
    for (const id of kept.keys()) if (!connected.has(id)) schedule(id, 1);
    cancelWatch = clock.after(WATCH_INTERVAL_MS, watch);
  };

  return {
    start() {
      if (running) return;
      running = true;
      libp2p.addEventListener("peer:disconnect", onDisconnect);
      for (const id of kept.keys()) schedule(id, 0);
      cancelWatch = clock.after(WATCH_INTERVAL_MS, watch);
    },
    stop() {
      if (!running) return;
      running = false;
      libp2p.removeEventListener("peer:disconnect", onDisconnect);
      cancelWatch();
      for (const cancel of pending.values()) cancel();
      pending.clear();
    },
  };
}

/** Whether an open gossip stream leads in and one leads out. */
function carriesGossip(connections: readonly Connection[]): boolean {
  const streams = connections
    .flatMap((connection) => connection.streams)
    .filter((stream) => stream.protocol.startsWith(GOSSIP_PROTOCOL_PREFIX));
  return (
    streams.some((s) => s.direction === "inbound" && s.remoteWriteStatus === "writable") &&
    streams.some((s) => s.direction === "outbound" && s.writeStatus === "writable")
  );
}
