import "core-js/actual/promise/with-resolvers.js";
/**
 * Asks peers: their status, ranges of blocks, and the sequencer to take a transaction or a report.
 *
 * Nothing a peer answers is believed beyond what it can prove: blocks come back only in order and
 * signed by the sequencer, and transactions go only to a configured peer that says it sequences,
 * because its answer is passed on as an acknowledgement. Every list and wait is bounded.
 */
import type { Connection, Libp2p } from "@libp2p/interface";
import type { Hex } from "../../lanes/bytes.ts";
import type { ReceiptTrust } from "../../lanes/receipt-trust.ts";
import type { SubmitAnswer } from "../api.ts";
import type { Clock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { BLOCK_BYTES_MAX, decodeSignedBlock } from "../primitives/block.ts";
import { type BlockRules, checkSignedBlock } from "./gossip.ts";
import {
  BLOCK_FRAME_BYTES_MAX,
  decodeStatus,
  decodeSubmitAnswer,
  encodeRangeRequest,
  protocolNames,
  RANGE_BLOCKS_MAX,
  RANGE_BYTES_MAX,
  type RangeRequest,
  type RemoteStatus,
  STATUS_BYTES,
  SUBMIT_ANSWER_BYTES_MAX,
} from "./messages.ts";
import type { FaultLedger } from "./peers.ts";
import { createReportClient, type ReportClient } from "./report-client.ts";
import { SUBMIT_STREAMS_MAX } from "./server.ts";
import { decompress } from "./snappy.ts";
import { type Frames, withFrames } from "./streams.ts";

const STATUS_DEADLINE_MS = 3_000;
const RANGE_DEADLINE_MS = 15_000;
const SUBMIT_DEADLINE_MS = 10_000;
/** Answers about heads are reused for this long. */
const STATUS_FRESH_MS = 1_000;
/** Peers asked for one answer. */
const STATUS_PEERS_MAX = 16;
const RANGE_PEERS_MAX = 3;

export interface ClientDeps {
  readonly libp2p: Pick<Libp2p, "getConnections" | "addEventListener">;
  readonly genesisHash: () => Promise<Hex>;
  readonly keptIds: ReadonlySet<string>;
  readonly rules: BlockRules;
  /** What the sequencer's receipts are checked against. */
  readonly trust: ReceiptTrust;
  readonly ledger: FaultLedger;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

export interface Client extends ReportClient {
  bestPeerHead(): Promise<number | null>;
  blocksByRange(from: number, count: number): Promise<readonly Uint8Array[]>;
  submitTransaction(raw: Uint8Array): Promise<SubmitAnswer>;
}

/** The side that asks, for one chain. */
export function createClient(chainId: number, deps: ClientDeps): Client {
  const { libp2p, keptIds, random, log } = deps;
  const names = protocolNames(chainId);
  const ask = createAsk(deps);
  const statusOf = createStatusReader(names.status, ask, deps);
  let submitsInFlight = 0;

  /**
   * Connected peers on this chain with their status: the configured first, each group in random
   * order.
   */
  const peers = async (keptOnly: boolean): Promise<readonly [Connection, RemoteStatus][]> => {
    const candidates = [...onePerPeer(libp2p.getConnections())]
      .filter(([id]) => !deps.ledger.isBanned(id) && (!keptOnly || keptIds.has(id)))
      .map(([id, connection]) => ({
        connection,
        order: (keptIds.has(id) ? 0 : 1) + random(),
      }))
      .sort((a, b) => a.order - b.order)
      .slice(0, STATUS_PEERS_MAX);
    const genesisHash = await deps.genesisHash();
    const found = await Promise.all(
      candidates.map(async ({ connection }): Promise<[Connection, RemoteStatus] | null> => {
        const status = await statusOf(connection);
        const sameChain = status?.chainId === chainId && status.genesisHash === genesisHash;
        return sameChain ? [connection, status] : null;
      }),
    );
    return found.filter((peer) => peer !== null);
  };

  /** The configured peer that sequences; `null` where none is connected. */
  const sequencer = async (): Promise<Connection | null> =>
    (await peers(true)).find(([, status]) => status.role === "sequencer")?.[0] ?? null;

  return {
    ...createReportClient(names.submitReports, { ...deps, sequencer }),

    async bestPeerHead() {
      const heads = (await peers(false)).map(([, status]) => status.unsafe);
      return heads.length === 0 ? null : Math.max(...heads);
    },

    async blocksByRange(from, count) {
      const request = { from, count: Math.min(count, RANGE_BLOCKS_MAX) };
      if (request.count < 1) return [];
      const able = (await peers(false)).filter(([, status]) => status.unsafe >= from);
      for (const [connection] of able.slice(0, RANGE_PEERS_MAX)) {
        const blocks = await ask(connection, names.blocksByRange, RANGE_DEADLINE_MS, (frames) =>
          readRange(frames, request, deps.rules),
        ).catch((error: unknown) => {
          log.debug("peer gave no blocks", { from, reason: String(error) });
          return [];
        });
        if (blocks.length > 0) return blocks;
      }
      return [];
    },

    async submitTransaction(raw) {
      if (submitsInFlight >= SUBMIT_STREAMS_MAX)
        throw new NodeError("SEQUENCER_UNREACHABLE", { inFlight: submitsInFlight });
      submitsInFlight++;
      try {
        const connection = await sequencer();
        if (connection === null) throw new NodeError("SEQUENCER_UNREACHABLE");
        return await ask(connection, names.submit, SUBMIT_DEADLINE_MS, async (frames) => {
          await frames.write(raw);
          const answer = decodeSubmitAnswer(await frames.read(SUBMIT_ANSWER_BYTES_MAX));
          if (!answer.ok) throw new NodeError(answer.code, answer.data);
          return answer.value;
        });
      } catch (cause) {
        if (cause instanceof NodeError && cause.code === "SEQUENCER_UNREACHABLE") throw cause;
        throw new NodeError("SEQUENCER_UNREACHABLE", {}, cause);
      } finally {
        submitsInFlight--;
      }
    },
  };
}

type Ask = <T>(
  connection: Connection,
  protocol: string,
  deadlineMs: number,
  talk: (frames: Frames) => Promise<T>,
) => Promise<T>;

/** One request over its own stream; a rule that the peer breaks counts against it. */
function createAsk(deps: Pick<ClientDeps, "ledger">): Ask {
  return async (connection, protocol, deadlineMs, talk) => {
    try {
      const stream = await connection.newStream(protocol, {
        signal: AbortSignal.timeout(deadlineMs),
        maxOutboundStreams: SUBMIT_STREAMS_MAX,
      });
      return await withFrames(stream, deadlineMs, talk);
    } catch (cause) {
      const peer = connection.remotePeer.toString();
      if (cause instanceof NodeError && cause.code === "PEER_FAULT") deps.ledger.add(peer);
      throw cause instanceof NodeError ? cause : new NodeError("TIMEOUT", { peer }, cause);
    }
  };
}

function createStatusReader(
  protocol: string,
  ask: Ask,
  deps: Pick<ClientDeps, "libp2p" | "clock" | "log">,
): (connection: Connection) => Promise<RemoteStatus | null> {
  const { libp2p, clock, log } = deps;
  /** One entry a connected peer. */
  const cache = new Map<string, { readonly atMs: number; status: Promise<RemoteStatus | null> }>();
  libp2p.addEventListener("peer:disconnect", ({ detail }) => {
    cache.delete(detail.toString());
  });
  return (connection) => {
    const peer = connection.remotePeer.toString();
    const cached = cache.get(peer);
    if (cached !== undefined && clock.monotonicMs() - cached.atMs < STATUS_FRESH_MS)
      return cached.status;
    const status = ask(connection, protocol, STATUS_DEADLINE_MS, async (frames) => {
      const decoded = decodeStatus(await frames.read(STATUS_BYTES));
      if (!decoded.ok) throw new NodeError(decoded.code, decoded.data);
      return decoded.value;
    }).catch((error: unknown) => {
      log.debug("peer gave no status", { peer, reason: String(error) });
      return null;
    });
    cache.set(peer, { atMs: clock.monotonicMs(), status });
    return status;
  };
}

function onePerPeer(connections: readonly Connection[]): ReadonlyMap<string, Connection> {
  const open = connections.filter(({ status }) => status === "open");
  return new Map(open.map((connection) => [connection.remotePeer.toString(), connection]));
}

/**
 * Reads an answer: blocks from `request.from` on, each with its number and the sequencer's
 * signature. Stops before the first unsigned block, which only L1 can vouch for.
 */
async function readRange(
  frames: Frames,
  request: RangeRequest,
  rules: BlockRules,
): Promise<readonly Uint8Array[]> {
  await frames.write(encodeRangeRequest(request));
  const blocks: Uint8Array[] = [];
  let bytes = 0;
  for (let number = request.from; number <= request.from + request.count; number++) {
    const frame = await frames.read(BLOCK_FRAME_BYTES_MAX);
    if (frame.length === 0) return blocks;
    bytes += frame.length;
    if (blocks.length === request.count || (blocks.length > 0 && bytes > RANGE_BYTES_MAX))
      throw new NodeError("PEER_FAULT", { field: "range", blocks: blocks.length, bytes });
    const block = decompress(frame, BLOCK_BYTES_MAX);
    if (!block.ok) throw new NodeError("PEER_FAULT", { number, reason: block.code });
    const decoded = decodeSignedBlock(block.value);
    if (!decoded.ok) throw new NodeError("PEER_FAULT", { number, reason: decoded.code });
    if (decoded.value.header.number !== number)
      throw new NodeError("PEER_FAULT", { number, found: decoded.value.header.number });
    if (decoded.value.signature === null) return blocks;
    const signed = checkSignedBlock(decoded.value, rules);
    if (!signed.ok) throw new NodeError("PEER_FAULT", { number, reason: signed.code });
    blocks.push(block.value);
  }
  return blocks;
}
