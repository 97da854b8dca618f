/** The settlement thread as a follower runs it: real worker, real pool services, real L1. */
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import t, { type Test } from "tap";
import { type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { batchDigest } from "../../lanes/signed.ts";
import { silentLogger } from "../../node/log.ts";
import { ThreadLoad } from "../../node/thread-load.ts";
import { serve } from "../../node/port.ts";
import { keccakHex } from "../../node/primitives/hash.ts";
import { signDigest } from "../../node/primitives/signature.ts";
import { encodePayload } from "../../node/settlement/codec.ts";
import { createSettlement } from "../../node/settlement/settlement-client.ts";
import { encodePostBatch } from "../../node/settlement/settlement-contract.ts";
import type { BatchHeader, DerivedBatch } from "../../node/settlement/settlement.ts";
import { createStore } from "../../node/storage/chain-store.ts";
import { COMPRESS_CHANNEL, createCompressService } from "../../node/workers/compress.ts";
import { createKzgService, KZG_CHANNEL } from "../../node/workers/kzg.ts";
import {
  deploySettlement,
  L1_CHAIN_ID,
  L2_CHAIN_ID,
  l1Client,
  SEQUENCER_KEY,
  startAnvil,
} from "./anvil.ts";
import { createTestChain, rollupConfig } from "./chain.ts";

const WAIT_MS = 20_000;
const rpcUrl = await startAnvil((stop) => {
  t.teardown(stop);
});
const l1 = l1Client(rpcUrl);
const compress = createCompressService();
const kzg = createKzgService(null);

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error("waited too long");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function setUp(t: Test, changes: { l1ChainId?: number } = {}) {
  const dataDir = join(t.testdir(), "db");
  const store = await createStore({ dataDir });
  t.teardown(() => store.close());
  const settlement = await deploySettlement(l1);
  const { number, hash } = await l1.client.getBlock();
  const start = { number: Number(number), hash };
  const rollup = { ...rollupConfig(settlement, start), ...changes };
  const batches: DerivedBatch[] = [];
  const l1Blocks: { number: number }[] = [];
  const applied: number[] = [];
  const { port1, port2 } = new MessageChannel();
  serve(port1, COMPRESS_CHANNEL, compress);
  serve(port1, KZG_CHANNEL, kzg);
  const node = await createSettlement(
    {
      rollup,
      l1RpcUrl: rpcUrl,
      l1BeaconUrl: rpcUrl,
      batcherKey: null,
      dataDir,
      pollIntervalMs: 20,
      batchIntervalMs: 1_000,
      cursor: {
        nextBatchIndex: 0,
        previousBatchHash: ZERO_HASH,
        l1Block: start,
        pendingFinality: [],
      },
      genesisHash: ZERO_HASH,
      logLevel: "silent",
    },
    {
      onL1Blocks: async (blocks) => void l1Blocks.push(...blocks),
      onBatch: async (batch) => {
        batches.push(batch);
        return { valid: true };
      },
      onHeldBatch: async () => false,
      onVoidBatch: async () => undefined,
      onL1Applied: async (block) => void applied.push(block.number),
      signBatch: async () => Promise.reject(new Error("a follower signs nothing")),
    },
    port2,
    silentLogger,
    new ThreadLoad("test"),
  );
  return { applied, batches, l1Blocks, node, port1, rollup, settlement, start };
}

t.test("a follower hears of L1 blocks and batches, and stops", async (t) => {
  const { applied, batches, l1Blocks, node, port1, rollup, settlement, start } = await setUp(t);
  t.teardown(async () => {
    await node.stop();
    port1.close();
  });
  await l1.client.mine({ blocks: 3 });
  await node.start();
  await until(() => l1Blocks.length >= 4);
  t.equal(l1Blocks[0]?.number, start.number, "from the cursor on");

  const origin = (await node.service.originAt(start.number + 1))!;
  t.equal(origin.number, start.number + 1);
  t.equal(await node.service.originAt(start.number + 1_000), null);
  const chain = createTestChain(rollup);
  chain.extend(origin);
  const payload = await encodePayload([{ ...chain.derived(1), originAdvances: false }], (bytes) =>
    compress.compress(bytes),
  );
  const header: BatchHeader = {
    index: 0,
    previousBatchHash: ZERO_HASH,
    firstBlock: 1,
    lastBlock: 1,
    lastBlockHash: ZERO_HASH,
    stateRoot: ZERO_HASH,
    withdrawalRoot: ZERO_HASH,
    flashRoot: ZERO_HASH,
    laneStateHash: ZERO_HASH,
    firstOrigin: origin.number,
    lastOriginNumber: origin.number,
    lastOriginHash: origin.hash,
    delayedCount: 0,
    delayedAcc: ZERO_HASH,
    term: 1,
    payloadHash: keccakHex(payload),
  };
  const domain = { chainId: L2_CHAIN_ID, settlement, l1ChainId: L1_CHAIN_ID };
  const signature = signDigest(batchDigest(domain, header), SEQUENCER_KEY);
  const data: Hex = encodePostBatch(header, signature, payload);
  await l1.wallet.sendTransaction({ to: settlement, data });
  await until(() => batches.length === 1);
  t.same(batches[0]?.blocks, [chain.derived(1)]);
  await until(() => applied.includes(batches[0]!.l1Block.number));
  t.match(await node.service.status(), { nextBatchIndex: 1, pendingBatches: 0, trouble: null });
  await node.service.flush();

  await node.stop();
  await node.stop();
  const before = l1Blocks.length;
  await l1.client.mine({ blocks: 1 });
  await t.rejects(node.service.status(), { code: "WORKER_FAILED" });
  t.equal(l1Blocks.length, before, "no handler is called after stop");
});

t.test("the wrong L1 is refused before anything is read", async (t) => {
  const { l1Blocks, node, port1 } = await setUp(t, { l1ChainId: 1 });
  t.teardown(async () => {
    await node.stop();
    port1.close();
  });
  await t.rejects(node.start(), { code: "L1_WRONG_CHAIN" });
  t.equal(l1Blocks.length, 0);
});
