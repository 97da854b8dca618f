/**
 * Entry of the settlement worker: wires L1, derivation and, where there is a batcher key, the
 * batcher; answers `SettlementService`, calls `SettlementHandlers`.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import { createLogger, type Logger } from "../log.ts";
import { connect, type PortLike, serve } from "../port.ts";
import { openChainReader, type SharedChainReader } from "../storage/chain-reader.ts";
import { givePrecedence } from "../thread-priority.ts";
import { COMPRESS_CHANNEL, type CompressService } from "../workers/compress.ts";
import { KZG_CHANNEL, type KzgService } from "../workers/kzg.ts";
import { createBatchPoster } from "./batch-poster.ts";
import { batchRecordPath, createBatchRecordFile } from "./batch-record.ts";
import { type Batcher, createBatcher } from "./batcher.ts";
import { createDerivation, type Derivation } from "./derivation.ts";
import { createL1Client, type L1Client } from "./l1.ts";
import { createL1Heads, type L1Heads } from "./l1-heads.ts";
import { createPollLoop, type PollLoop } from "./poll-loop.ts";
import {
  SETTLEMENT_CHANNEL,
  SETTLEMENT_HANDLERS_CHANNEL,
  type SettlementHandlers,
  type SettlementOptions,
  type SettlementService,
} from "./settlement.ts";

export interface SettlementWorkerData {
  readonly options: SettlementOptions;
  /** Channels `compress` and `kzg` of the worker pool. */
  readonly poolPort: MessagePort;
}

interface Parts {
  readonly client: L1Client;
  readonly heads: L1Heads;
  readonly derivation: Derivation;
  readonly kzg: KzgService;
  readonly compress: CompressService;
  readonly handlers: SettlementHandlers;
  readonly chain: SharedChainReader;
  readonly log: Logger;
}

interface Posting {
  readonly batcher: Batcher;
  readonly loop: PollLoop;
}

async function main(port: PortLike, { options, poolPort }: SettlementWorkerData): Promise<void> {
  // It decodes and compares megabytes, and nobody who waits for a promise waits for it.
  givePrecedence(false);
  const log = createLogger(options.logLevel, SETTLEMENT_CHANNEL);
  const handlers = connect<SettlementHandlers>(port, SETTLEMENT_HANDLERS_CHANNEL);
  const kzg = connect<KzgService>(poolPort, KZG_CHANNEL);
  const compress = connect<CompressService>(poolPort, COMPRESS_CHANNEL);
  const chain = await openChainReader(options.dataDir);
  const parts = makeParts(options, {
    chain,
    handlers: handlers.remote,
    kzg: kzg.remote,
    compress: compress.remote,
    log,
  });
  const reading = createReading(options, parts);
  const posting = createPosting(options, parts);
  const stopServing = serve(port, SETTLEMENT_CHANNEL, {
    ...createService(parts, reading, posting),
    async stop() {
      await Promise.all([reading.stop(), posting?.loop.stop()]);
      await chain.close();
      for (const each of [handlers, kzg, compress]) each.close();
      poolPort.close();
      stopServing();
    },
  });
  port.postMessage({ kind: "up" });
}

function makeParts(
  options: SettlementOptions,
  remotes: Pick<Parts, "chain" | "handlers" | "kzg" | "compress" | "log">,
): Parts {
  const { cursor, rollup } = options;
  const client = createL1Client({
    rpcUrl: options.l1RpcUrl,
    beaconUrl: options.l1BeaconUrl,
    rollup,
  });
  const heads = createL1Heads({
    client,
    start: cursor.l1Block.number,
    onBlocks: (blocks, finalized) => remotes.handlers.onL1Blocks(blocks, finalized),
  });
  const derivation = createDerivation(cursor, { client, heads, ...remotes });
  return { client, heads, derivation, ...remotes };
}

/** L1's heads and derivation. The chain id is checked before anything is believed. */
function createReading(options: SettlementOptions, parts: Parts): PollLoop {
  const { client, derivation, heads, log } = parts;
  let checked = false;
  return createPollLoop(
    {
      name: "derivation",
      intervalMs: options.pollIntervalMs,
      async step() {
        if (!checked) await client.checkChain();
        checked = true;
        const reached = await heads.poll();
        const more = await derivation.step();
        return more || !reached;
      },
    },
    { clock: systemClock, log },
  );
}

function createPosting(options: SettlementOptions, parts: Parts): Posting | null {
  if (options.batcherKey === null) return null;
  const { client, derivation, handlers, log } = parts;
  const { l1ChainId, settlement } = options.rollup;
  const poster = createBatchPoster({ l1ChainId, settlement, key: options.batcherKey }, parts);
  const batcher = createBatcher(options, {
    ...parts,
    poster,
    clock: systemClock,
    record: createBatchRecordFile(batchRecordPath(options.dataDir)),
    place: () => ({
      index: derivation.nextBatchIndex(),
      previousBatchHash: derivation.previousBatchHash(),
    }),
    signBatch: (header) => handlers.signBatch(header),
  });
  const loop = createPollLoop(
    {
      name: "batcher",
      intervalMs: options.pollIntervalMs,
      async step() {
        await client.checkChain();
        await batcher.step(false);
        return false;
      },
    },
    { clock: systemClock, log },
  );
  return { batcher, loop };
}

function createService(
  { client, derivation, heads, log }: Parts,
  reading: PollLoop,
  posting: Posting | null,
): Omit<SettlementService, "stop"> {
  return {
    async start() {
      try {
        await client.checkChain();
      } catch (error) {
        if (!(error instanceof NodeError) || error.code !== "L1_UNREACHABLE") throw error;
        log.warn("L1 does not answer yet");
      }
      reading.start();
      posting?.loop.start();
    },
    originAt: (number) => heads.originAt(number),
    async flush() {
      await posting?.loop.between(() => posting.batcher.step(true));
    },
    status() {
      const head = heads.head();
      return Promise.resolve({
        l1Head: head === null ? null : { number: head.number, hash: head.hash },
        nextBatchIndex: derivation.nextBatchIndex(),
        pendingBatches: posting?.batcher.pending() ?? 0,
        trouble: reading.trouble() ?? posting?.loop.trouble() ?? null,
      });
    },
  };
}

if (parentPort === null) throw new Error("the settlement worker runs as a worker thread only");
await main(parentPort, workerData as SettlementWorkerData);
