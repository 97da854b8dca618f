import "core-js/actual/promise/with-resolvers.js";
/**
 * Answers peers' direct requests: status, ranges of blocks, and on the sequencer submissions.
 *
 * Every stream of one request has a deadline, every request a size, every peer a rate and a number
 * of streams. A peer that breaks one of them loses the stream and gets a fault; it never makes the
 * handler throw. Does not own the stream that stays open for reports (`report-server.ts`).
 */
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import type { Policy } from "../../lanes/policy.ts";
import type { SubmitAnswer } from "../api.ts";
import type { Clock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { TX_BYTES_MAX } from "../primitives/transaction.ts";
import {
  decodeRangeRequest,
  encodeStatus,
  encodeSubmitAnswer,
  protocolNames,
  RANGE_BYTES_MAX,
  RANGE_END,
  RANGE_REQUEST_BYTES,
} from "./messages.ts";
import type { HostHandlers, HostOptions } from "./network.ts";
import type { FaultLedger } from "./peers.ts";
import { createRateLimit } from "./rate.ts";
import { createReportServer, REPORT_STREAMS_MAX } from "./report-server.ts";
import { compress } from "./snappy.ts";
import { type Frames, withFrames } from "./streams.ts";

const STATUS_DEADLINE_MS = 3_000;
const RANGE_DEADLINE_MS = 15_000;
/** The sequencer answers after its journal is synced. */
const SUBMIT_DEADLINE_MS = 10_000;
/** Open at once on one connection; libp2p resets the next one. */
const STATUS_STREAMS_MAX = 4;
const RANGE_STREAMS_MAX = 4;
export const SUBMIT_STREAMS_MAX = 256;
const STATUS_RATE = { perSecond: 5, burst: 20 };
const RANGE_RATE = { perSecond: 10, burst: 20 };
const SUBMIT_RATE = { perSecond: 1000, burst: 2000 };

export interface ServerDeps {
  readonly libp2p: Pick<Libp2p, "handle">;
  readonly handlers: HostHandlers;
  /** What peers' reports are verified against. */
  readonly policy: Policy;
  /** The encoded signed block, `null` above the head. */
  readonly rawBlock: (number: number) => Uint8Array | null;
  readonly ledger: FaultLedger;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Serves a stream until it ends. Errors: as `withFrames`. */
type Serve = (stream: Stream, peer: string) => Promise<void>;

/** A protocol whose streams carry one request each. */
interface Protocol {
  readonly name: string;
  readonly streamsMax: number;
  readonly deadlineMs: number;
  readonly rate: { readonly perSecond: number; readonly burst: number };
  /** Whether a peer over its rate is told so; else the stream is only closed. */
  readonly overRate: ((frames: Frames) => Promise<void>) | null;
  readonly answer: (frames: Frames) => Promise<void>;
}

/** Registers the protocols that this node answers. */
export async function serveRequests(
  options: Pick<HostOptions, "chainId" | "role">,
  deps: ServerDeps,
): Promise<void> {
  const names = protocolNames(options.chainId);
  const { handlers } = deps;
  const protocols: Protocol[] = [
    {
      name: names.status,
      streamsMax: STATUS_STREAMS_MAX,
      deadlineMs: STATUS_DEADLINE_MS,
      rate: STATUS_RATE,
      overRate: null,
      answer: async (frames) => {
        const status = await handlers.onStatus();
        await frames.write(encodeStatus({ ...status, role: options.role }));
      },
    },
    {
      name: names.blocksByRange,
      streamsMax: RANGE_STREAMS_MAX,
      deadlineMs: RANGE_DEADLINE_MS,
      rate: RANGE_RATE,
      overRate: null,
      answer: (frames) => answerRange(frames, deps.rawBlock),
    },
  ];
  if (options.role === "sequencer")
    protocols.push({
      name: names.submit,
      streamsMax: SUBMIT_STREAMS_MAX,
      deadlineMs: SUBMIT_DEADLINE_MS,
      rate: SUBMIT_RATE,
      overRate: async (frames) => {
        await readTransaction(frames);
        await writeAnswer(frames, { ok: false, code: "PEER_LIMIT", data: {} });
      },
      answer: async (frames) => {
        const raw = await readTransaction(frames);
        await writeAnswer(frames, await handlers.onSubmit(raw));
      },
    });
  for (const protocol of protocols)
    await register(protocol.name, protocol.streamsMax, serveRequest(protocol, deps), deps);
  if (options.role === "sequencer")
    await register(names.submitReports, REPORT_STREAMS_MAX, createReportServer(deps), deps);
}

function serveRequest(protocol: Protocol, deps: ServerDeps): Serve {
  const limit = createRateLimit(protocol.rate, deps.clock);
  const { deadlineMs, overRate, answer } = protocol;
  return async (stream, peer) => {
    const withinRate = limit.take(peer);
    if (!withinRate && overRate === null) {
      deps.ledger.add(peer);
      stream.abort(new NodeError("PEER_LIMIT", { peer }));
      return;
    }
    await withFrames(stream, deadlineMs, withinRate ? answer : (overRate ?? answer));
  };
}

async function register(
  name: string,
  maxInboundStreams: number,
  serve: Serve,
  deps: ServerDeps,
): Promise<void> {
  await deps.libp2p.handle(
    name,
    (stream, connection) => serveStream(name, serve, stream, connection, deps),
    { maxInboundStreams },
  );
}

async function serveStream(
  protocol: string,
  serve: Serve,
  stream: Stream,
  connection: Connection,
  deps: ServerDeps,
): Promise<void> {
  const peer = connection.remotePeer.toString();
  if (deps.ledger.isBanned(peer)) {
    connection.abort(new NodeError("PEER_FAULT", { peer }));
    return;
  }
  try {
    await serve(stream, peer);
  } catch (error) {
    // Nothing else is thrown, and the stream is aborted.
    if (error instanceof NodeError && error.code === "PEER_FAULT") {
      deps.ledger.add(peer);
      deps.log.debug("peer fault", { peer, protocol, ...error.data });
    } else {
      deps.log.debug("stream failed", { peer, protocol, reason: String(error) });
    }
  }
}

async function answerRange(
  frames: Frames,
  rawBlock: (number: number) => Uint8Array | null,
): Promise<void> {
  const request = decodeRangeRequest(await frames.read(RANGE_REQUEST_BYTES));
  if (!request.ok) throw new NodeError(request.code, request.data);
  const { from, count } = request.value;
  let bytes = 0;
  for (let number = from; number < from + count; number++) {
    const block = rawBlock(number);
    if (block === null) break;
    const frame = compress(block);
    bytes += frame.length;
    if (number > from && bytes > RANGE_BYTES_MAX) break;
    await frames.write(frame);
  }
  await frames.write(RANGE_END);
}

function readTransaction(frames: Frames): Promise<Uint8Array> {
  return frames.read(TX_BYTES_MAX);
}

function writeAnswer(frames: Frames, answer: SubmitAnswer): Promise<void> {
  return frames.write(encodeSubmitAnswer(answer));
}
