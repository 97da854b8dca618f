/** The settlement side of a node on a fresh contract, stepped by hand over a real L1. */
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import { fromHex, type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { batchDigest, batchStructHash } from "../../lanes/signed.ts";
import type { Clock } from "../../node/clock.ts";
import { NodeError } from "../../node/errors.ts";
import { silentLogger } from "../../node/log.ts";
import { signDigest } from "../../node/primitives/signature.ts";
import { createBatchPoster } from "../../node/settlement/batch-poster.ts";
import { createBatchRecordFile } from "../../node/settlement/batch-record.ts";
import { createBatcher } from "../../node/settlement/batcher.ts";
import { createDerivation } from "../../node/settlement/derivation.ts";
import { createL1Client, type L1Client } from "../../node/settlement/l1.ts";
import { createL1Heads } from "../../node/settlement/l1-heads.ts";
import type { BatchHeader, DerivedBatch } from "../../node/settlement/settlement.ts";
import { createCompressService } from "../../node/workers/compress.ts";
import { createKzgService } from "../../node/workers/kzg.ts";
import {
  deploySettlement,
  L1_CHAIN_ID,
  L2_CHAIN_ID,
  l1Client,
  PAYER,
  privateKeyOf,
  SEQUENCER_KEY,
} from "./anvil.ts";
import { createTestChain, hexNoise, rollupConfig } from "./chain.ts";

type L1 = ReturnType<typeof l1Client>;
const kzg = createKzgService(null);
export const compress = createCompressService();
export const STEPS_MAX = 200;

/** Time that stands still unless told: replacement and intervals by hand. */
function manualClock() {
  let ms = 0;
  const clock: Clock = { nowMs: () => ms, monotonicMs: () => ms, after: () => () => undefined };
  return { clock, advance: (by: number) => (ms += by), set: (to: number) => (ms = to) };
}

/** anvil mines soon after it has answered; automatic mining is on where this is called. */
export async function poolDrained(l1: L1): Promise<void> {
  for (let i = 0; i < STEPS_MAX; i++) {
    const { pending } = await l1.client.getTxpoolStatus();
    if (pending === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("L1 does not mine");
}

/** A signed L2 transaction with this much calldata. */
async function l2Transaction(nonce: number, data: Hex): Promise<Uint8Array> {
  const account = privateKeyToAccount(`0x${"09".repeat(32)}`);
  const raw = await account.signTransaction({
    type: "eip1559",
    chainId: L2_CHAIN_ID,
    nonce,
    to: `0x${"0c".repeat(20)}`,
    gas: 10_000_000n,
    maxFeePerGas: 1n,
    maxPriorityFeePerGas: 1n,
    data,
  });
  return fromHex(raw);
}

/** A node's settlement side on a fresh contract, stepped by hand. */
export async function createSettlementNode(rpcUrl: string, folder: string) {
  const l1 = l1Client(rpcUrl);
  const settlement = await deploySettlement(l1);
  const start = await l1.client.getBlock();
  const rollup = rollupConfig(settlement, { number: Number(start.number), hash: start.hash });
  const real = createL1Client({ rpcUrl, beaconUrl: rpcUrl, rollup });
  const client: L1Client = { ...real };
  const chain = createTestChain(rollup);
  const heads = createL1Heads({
    client,
    start: Number(start.number),
    onBlocks: async () => undefined,
  });
  const batches: DerivedBatch[] = [];
  const voids: { index: number; reason: string }[] = [];
  const cursor = {
    nextBatchIndex: 0,
    previousBatchHash: ZERO_HASH,
    l1Block: { number: Number(start.number), hash: start.hash },
    pendingFinality: [],
  };
  const handlers = {
    onBatch: async (batch: DerivedBatch) => {
      batches.push(batch);
      chain.setSafe(batch.header.lastBlock);
      return { valid: true } as const;
    },
    onHeldBatch: async () => false,
    onVoidBatch: async (index: number, _hash: Hex, _block: unknown, reason: string) => {
      voids.push({ index, reason });
    },
    onL1Applied: async () => undefined,
  };
  // It holds nothing: batches are handed over whole.
  const snapshot = () => ({ blockByNumber: () => null, release: () => Promise.resolve() });
  const deps = { client, heads, handlers, kzg, compress, log: silentLogger };
  const derivation = createDerivation(cursor, { ...deps, chain: { snapshot } });
  const time = manualClock();
  const signed: BatchHeader[] = [];
  const domain = { chainId: L2_CHAIN_ID, settlement, l1ChainId: L1_CHAIN_ID };
  const sign = (header: BatchHeader) => signDigest(batchDigest(domain, header), SEQUENCER_KEY);
  const recordPath = join(folder, "node.batch.json");
  const makeBatcher = () =>
    createBatcher(
      { batchIntervalMs: 10_000, replaceAfterMs: 1_000 },
      {
        client,
        heads,
        chain,
        kzg,
        compress,
        clock: time.clock,
        log: silentLogger,
        record: createBatchRecordFile(recordPath),
        poster: createBatchPoster(
          { l1ChainId: L1_CHAIN_ID, settlement, key: privateKeyOf(PAYER) },
          { client, kzg },
        ),
        place: () => ({
          index: derivation.nextBatchIndex(),
          previousBatchHash: derivation.previousBatchHash(),
        }),
        // The signer's compare-and-set: one header for an index.
        signBatch: async (header) => {
          const before = signed.find(({ index }) => index === header.index);
          if (before !== undefined && batchStructHash(before) !== batchStructHash(header))
            throw new NodeError("SIGNATURE_CONFLICT", { index: header.index });
          signed.push(header);
          return sign(header);
        },
      },
    );
  const read = async (): Promise<void> => {
    await poolDrained(l1);
    for (let i = 0; i < STEPS_MAX && !(await heads.poll()); i++);
    for (let i = 0; i < STEPS_MAX && (await derivation.step()); i++);
  };
  let originNumber = 0;
  /** Fresh L2 blocks on the next L1 origin, one transaction each. */
  const extend = async (count: number, bytes = 100): Promise<void> => {
    await l1.client.mine({ blocks: 2 });
    await heads.poll();
    originNumber = originNumber === 0 ? heads.head()!.number - 1 : originNumber + 1;
    const origin = (await client.block(originNumber))!;
    for (let i = 0; i < count; i++) {
      const nonce = chain.heads().unsafe.number;
      chain.extend(origin, [await l2Transaction(nonce, hexNoise(nonce, bytes))]);
    }
  };
  return {
    batches,
    chain,
    client,
    cursor,
    deps,
    derivation,
    extend,
    handlers,
    heads,
    makeBatcher,
    read,
    real,
    settlement,
    sign,
    signed,
    time,
    voids,
  };
}
