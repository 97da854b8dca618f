/**
 * Batcher and derivation over a real L1: what is posted in blobs comes back the same; what is
 * tampered with stalls; what is killed is repeated byte for byte.
 */
import t from "tap";
import { type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { batchStructHash } from "../../lanes/signed.ts";
import { NodeError } from "../../node/errors.ts";
import { keccakHex } from "../../node/primitives/hash.ts";
import { encodePayload } from "../../node/settlement/codec.ts";
import { createDerivation } from "../../node/settlement/derivation.ts";
import { encodePostBatch } from "../../node/settlement/settlement-contract.ts";
import type { BatchHeader, DerivedBatch } from "../../node/settlement/settlement.ts";
import { ADMIN, GUARDIAN, l1Client, PAYER, startAnvil } from "./anvil.ts";
import { compress, createSettlementNode, poolDrained, STEPS_MAX } from "./settlement-node.ts";

const rpcUrl = await startAnvil((stop) => {
  t.teardown(stop);
});
const l1 = l1Client(rpcUrl);

t.test("blocks posted in blobs are derived back", async (t) => {
  const node = await createSettlementNode(rpcUrl, t.testdir());
  const batcher = node.makeBatcher();
  await node.extend(4);
  await node.extend(3);
  await node.read();

  await batcher.step(false);
  t.equal(batcher.pending(), 0, "not due yet");
  node.time.set(1000 * node.chain.blockByNumber(1)!.block.header.timestamp + 10_000);
  await batcher.step(false);
  t.equal(batcher.pending(), 1);
  await node.read();
  t.equal(node.batches.length, 1);
  const [batch] = node.batches as [DerivedBatch];
  t.equal(batch.header.firstBlock, 1);
  t.equal(batch.header.lastBlock, 7);
  t.equal(batch.header.lastBlockHash, node.chain.heads().unsafe.hash);
  t.equal(batch.batchHash, batchStructHash(batch.header));
  t.same(
    batch.blocks,
    [1, 2, 3, 4, 5, 6, 7].map((number) => node.chain.derived(number)),
  );
  await batcher.step(false);
  t.equal(batcher.pending(), 0, "derived, so no longer in flight");

  await node.extend(1);
  await batcher.step(true);
  await node.read();
  t.equal(node.batches[1]?.header.firstBlock, 8, "the next batch begins after the safe head");
  t.equal(node.batches[1]?.header.previousBatchHash, batch.batchHash);

  // A node that starts now, with only the cursor of genesis, sees the same.
  const late: DerivedBatch[] = [];
  const empty = { blockByNumber: () => null, release: () => Promise.resolve() };
  const again = createDerivation(node.cursor, {
    ...node.deps,
    chain: { snapshot: () => empty },
    handlers: { ...node.handlers, onBatch: async (b) => (late.push(b), { valid: true }) },
  });
  for (let i = 0; i < STEPS_MAX && (await again.step()); i++);
  t.same(late, node.batches);

  // One that has the blocks hands over headers; and the whole, where they are gone when it counts.
  const held: number[] = [];
  const whole: number[] = [];
  const own = { blockByNumber: node.chain.blockByNumber, release: empty.release };
  const holding = createDerivation(node.cursor, {
    ...node.deps,
    chain: { snapshot: () => own },
    handlers: {
      ...node.handlers,
      async onHeldBatch({ header }) {
        held.push(header.index);
        return header.index === 0;
      },
      async onBatch({ header }) {
        whole.push(header.index);
        return { valid: true };
      },
    },
  });
  for (let i = 0; i < STEPS_MAX && (await holding.step()); i++);
  t.same(held, [0, 1]);
  t.same(whole, [1]);
});

t.test("a batch is cut to what its blobs hold", async (t) => {
  const node = await createSettlementNode(rpcUrl, t.testdir());
  const batcher = node.makeBatcher();
  await node.extend(9, 100_000);
  await node.read();
  await batcher.step(false);
  t.equal(batcher.pending(), 1, "full batches do not wait for the interval");
  await node.read();
  const [first] = node.batches as [DerivedBatch];
  t.ok(first.header.lastBlock >= 5 && first.header.lastBlock <= 7, "six blobs hold 762 KB");
  await batcher.step(true);
  await node.read();
  t.equal(node.batches[1]?.header.lastBlock, 9);
  t.same(
    node.batches.flatMap(({ blocks }) => blocks),
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => node.chain.derived(number)),
  );
});

t.test("blobs that are missing or wrong stall derivation, and nothing is skipped", async (t) => {
  const node = await createSettlementNode(rpcUrl, t.testdir());
  await node.extend(2);
  await node.read();
  await node.makeBatcher().step(true);
  const stalls = (code: string) => t.rejects(node.read(), { code }, code);

  node.client.blobs = async () => [];
  await stalls("BLOB_UNAVAILABLE");
  node.client.blobs = async (...args) => {
    const blobs = await node.real.blobs(...args);
    return blobs.map((blob) => {
      const wrong = blob.slice();
      wrong[40] = (wrong[40] ?? 0) ^ 1;
      return wrong;
    });
  };
  await stalls("BLOB_MISMATCH");
  node.client.blobs = async () => [new Uint8Array(131_072).fill(255)];
  await stalls("BLOB_MISMATCH");
  t.equal(node.derivation.nextBatchIndex(), 0);
  t.same([node.batches, node.voids], [[], []]);

  node.client.blobs = (block) => node.real.blobs(block);
  await node.read();
  t.equal(node.batches.length, 1, "goes on with the right blob");
});

t.test("a payload that does not decode, or contradicts its header, spends its index", async (t) => {
  const node = await createSettlementNode(rpcUrl, t.testdir());
  await node.extend(2);
  await node.read();
  const origin = node.chain.derived(1).origin;
  const postCalldata = async (change: Partial<BatchHeader>, payload: Uint8Array): Promise<void> => {
    const header: BatchHeader = {
      index: node.derivation.nextBatchIndex(),
      previousBatchHash: node.derivation.previousBatchHash(),
      firstBlock: 1,
      lastBlock: 2,
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
      ...change,
    };
    const data = encodePostBatch(header, node.sign(header), payload);
    const hash = await l1.wallet.sendTransaction({ to: node.settlement, data });
    await l1.client.waitForTransactionReceipt({ hash, pollingInterval: 50 });
    await node.read();
  };
  const good = await encodePayload(
    [1, 2].map((number) => ({ ...node.chain.derived(number), originAdvances: false })),
    (bytes) => compress.compress(bytes),
  );

  await postCalldata({}, Uint8Array.of(1, 2, 3));
  t.match(node.voids, [{ index: 0, reason: /BATCH_MALFORMED/ }]);
  await postCalldata({ lastBlock: 3 }, good);
  t.same(node.voids[1], { index: 1, reason: "lastBlock" });
  await postCalldata({ firstOrigin: origin.number - 1 }, good);
  t.same(node.voids[2], { index: 2, reason: "lastOriginNumber" });
  t.equal(node.batches.length, 0);

  await postCalldata({}, good);
  t.equal(node.batches[0]?.header.index, 3, "the range is posted again under the next index");
  t.same(node.batches[0]?.blocks, [node.chain.derived(1), node.chain.derived(2)]);
});

t.test("a killed batcher posts the same bytes again", async (t) => {
  const node = await createSettlementNode(rpcUrl, t.testdir());
  await node.extend(2);
  await node.read();
  const sent: Hex[] = [];
  // Killed after the record is on disk and the header is signed, before L1 hears of it.
  node.client.send = async () => Promise.reject(new NodeError("L1_UNREACHABLE", {}));
  await t.rejects(node.makeBatcher().step(true), { code: "L1_UNREACHABLE" });
  t.equal(node.signed.length, 1);

  // More blocks came: a batcher without memory would ask to sign another header for index 0.
  await node.extend(2);
  await node.read();
  node.client.send = async (raw) => {
    sent.push(raw);
    return node.real.send(raw);
  };
  const second = node.makeBatcher();
  await second.step(true);
  await node.read();
  t.same(
    node.batches.map(({ header }) => header),
    [node.signed[0]],
  );
  t.equal(sent.length, 1);
  await second.step(true);
  await node.read();
  t.equal(node.batches[1]?.header.lastBlock, 4);

  // Killed after it was mined: the record is stale, and nothing is posted twice.
  await node.makeBatcher().step(true);
  t.equal(sent.length, 2);
});

t.test("a transaction that is not mined is replaced with all fees doubled", async (t) => {
  const node = await createSettlementNode(rpcUrl, t.testdir());
  t.teardown(() => l1.client.setAutomine(true));
  await node.extend(1);
  await node.read();
  await l1.client.setAutomine(false);
  const batcher = node.makeBatcher();
  await batcher.step(true);
  const pooled = async () =>
    (await l1.client.getBlock({ blockTag: "pending", includeTransactions: true })).transactions;
  const [first] = await pooled();
  await batcher.step(false);
  t.equal((await pooled())[0]?.hash, first?.hash, "before the deadline nothing changes");
  node.time.advance(1_000);
  await batcher.step(false);
  const [second, ...others] = await pooled();
  t.same(others, []);
  t.equal(second?.nonce, first?.nonce);
  t.not(second?.hash, first?.hash);
  for (const fee of ["maxFeePerGas", "maxPriorityFeePerGas", "maxFeePerBlobGas"] as const)
    t.ok((second?.[fee] ?? 0n) >= 2n * (first?.[fee] ?? 0n), fee);
  await l1.client.mine({ blocks: 1 });
  await node.read();
  t.equal(node.batches.length, 1);
});

t.test(
  "reverts are seen before they cost anything, and stop the batcher when they do",
  async (t) => {
    const node = await createSettlementNode(rpcUrl, t.testdir());
    const { abi } = loadArtifact("Settlement");
    const act = async (functionName: string, account: typeof ADMIN): Promise<void> => {
      const hash = await l1.wallet.writeContract({
        address: node.settlement,
        abi,
        functionName,
        account,
      });
      await l1.client.waitForTransactionReceipt({ hash, pollingInterval: 50 });
    };
    await node.extend(1);
    await act("pause", GUARDIAN);
    await node.read();
    const batcher = node.makeBatcher();
    const nonce = await l1.client.getTransactionCount({ address: PAYER.address });
    const simulated = { code: "L1_TRANSACTION_FAILED", data: { simulated: "EnforcedPause" } };
    await t.rejects(batcher.step(true), simulated);
    await t.rejects(batcher.step(true), simulated);
    t.equal(
      await l1.client.getTransactionCount({ address: PAYER.address }),
      nonce,
      "nothing was sent",
    );

    node.client.estimate = async () => ({ gas: 1_000_000n });
    for (let i = 0; i < 4; i++) {
      await batcher.step(true).catch(() => undefined);
      await poolDrained(l1);
    }
    const stopped = { code: "L1_TRANSACTION_FAILED", data: { reverts: 2 } };
    await t.rejects(batcher.step(true), stopped);
    t.equal(
      await l1.client.getTransactionCount({ address: PAYER.address }),
      nonce + 2,
      "two, no more",
    );
    await act("unpause", ADMIN);
    await t.rejects(batcher.step(true), stopped, "until somebody looks at it");
  },
);

t.test("after an L1 reorg derivation waits until L1 carries what it applied", async (t) => {
  const node = await createSettlementNode(rpcUrl, t.testdir());
  await node.extend(1);
  await node.read();
  const snapshot = await l1.client.snapshot();
  const batcher = node.makeBatcher();
  await batcher.step(true);
  await node.read();
  t.equal(node.derivation.nextBatchIndex(), 1);

  await l1.client.revert({ id: snapshot });
  await l1.client.mine({ blocks: 3, interval: 7 });
  await t.rejects(node.read(), { code: "BATCH_REMOVED" });
  // A killed batcher that finds its batch gone sends it again.
  await node.makeBatcher().step(false);
  await node.read();
  t.equal(node.batches.length, 1, "not applied twice");
  t.equal(await node.client.batchHash(0), node.batches[0]?.batchHash);
  await node.extend(1);
  await batcher.step(true);
  await batcher.step(true);
  await node.read();
  t.equal(node.batches[1]?.header.index, 1, "and the next one is found");
});
