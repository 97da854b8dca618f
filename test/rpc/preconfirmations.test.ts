/** What an RPC thread knows before a block, and who waits for it. */
import t from "tap";
import { concatBytes, type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { installKeccak } from "../../lanes/keccak.ts";
import { encodeSignedFlashblock } from "../../lanes/signed-flashblock.ts";
import { NodeError } from "../../node/errors.ts";
import type { DroppedTransaction } from "../../node/api.ts";
import { keccak256 } from "../../node/primitives/hash.ts";
import type { PendingBody, Reader } from "../../node/reader.ts";
import { AdmissionReceipts } from "../../node/admission-receipts.ts";
import { DEFAULT_LIMITS, WAITERS_MAX } from "../../rpc/limits.ts";
import type { JsonObject } from "../../rpc/codec.ts";
import { FLASHBLOCK_BOUNDS, Flashblocks, KnownFlashblock } from "../../rpc/flashblocks.ts";
import {
  parsePreconfirmationCriteria,
  tellPreconfirmations,
} from "../../rpc/preconfirmation-feed.ts";
import { Preconfirmations } from "../../rpc/preconfirmations.ts";
import { admissionGroup, executed, signedFlashblock, txHash } from "../lanes/fixtures/promises.ts";
import { createFixture } from "./fixture-client.ts";
import { createFakeChain } from "./fixture-chain.ts";
import { createContext, createFakeNode } from "./fixture-node.ts";

/** Waits for one that was just taken in. */
const waitFor = (
  preconfirmations: Preconfirmations,
  hash: Hex,
  timeoutMs: number,
  accepted = 1n,
): Promise<JsonObject> =>
  preconfirmations.sync(() => Promise.resolve({ hash, accepted, isGapped: false }), timeoutMs);

const flashblockOf = (blockNumber: number, count = 4) =>
  encodeSignedFlashblock(signedFlashblock(executed(count, { blockNumber })));

async function scene() {
  const chain = await createFakeChain();
  const { preconfirmations } = createContext(chain, createFakeNode());
  const { transactions } = chain.block;
  const receipts = chain.reader.chain.receipts(1) ?? [];
  const open: PendingBody = {
    environment: {
      ...{ number: 2, timestamp: 1_700_000_002, gasLimit: 60_000_000n, baseFee: 7n },
      ...{ beneficiary: `0x${"11".repeat(20)}`, prevRandao: ZERO_HASH },
    },
    parentHash: chain.block.hash,
    transactions: transactions.map((each, at) => ({ ...each, hash: txHash(at) })),
    receipts,
  };
  return { chain, preconfirmations, open };
}

t.test("who waits is told when it is executed and promised, and not before", async (t) => {
  const { chain, preconfirmations, open } = await scene();
  let answer: object | null = null;
  const waiting = waitFor(preconfirmations, txHash(1), 10_000).then(
    (receipt) => (answer = receipt),
  );
  chain.open = [open];
  preconfirmations.moved();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(answer, null, "executed is not promised");
  chain.open = [];
  preconfirmations.add(flashblockOf(2));
  preconfirmations.moved();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(answer, null, "promised, and its result has not been heard of");
  chain.open = [open];
  preconfirmations.moved();
  await waiting;
  t.match(answer, { transactionHash: txHash(1), blockNumber: "0x2", blockHash: ZERO_HASH });
  t.match(
    await waitFor(preconfirmations, txHash(1), 10_000),
    { transactionHash: txHash(1) },
    "at once",
  );
});

t.test("waiting ends with the drop, the time, or a bound", async (t) => {
  const { preconfirmations } = await scene();
  const drop: DroppedTransaction = {
    ...{ hash: txHash(9), accepted: 5n, lane: "fast", code: "TX_REVERTED", blockNumber: 2 },
  };
  const waiting = waitFor(preconfirmations, txHash(9), 10_000);
  preconfirmations.addDrop(drop);
  await t.rejects(waiting, { code: "TX_REVERTED" });
  await t.rejects(waitFor(preconfirmations, txHash(9), 10_000), { code: "TX_REVERTED" });
  t.match(preconfirmations.drop(txHash(9)), drop);
  await t.rejects(waitFor(preconfirmations, txHash(8), 5), { code: "SYNC_TIMEOUT" });
  const many = Array.from({ length: WAITERS_MAX }, (_, at) =>
    waitFor(preconfirmations, txHash(1000 + at), 50).catch((error: unknown) =>
      error instanceof NodeError ? error.code : "another",
    ),
  );
  await t.rejects(waitFor(preconfirmations, txHash(7), 50), { code: "LIMIT_EXCEEDED" });
  t.ok((await Promise.all(many)).every((code) => code === "SYNC_TIMEOUT"));
  await t.rejects(waitFor(preconfirmations, txHash(7), 5), { code: "SYNC_TIMEOUT" }, "room again");
});

t.test("a drop of an earlier time is another story", async (t) => {
  const { preconfirmations } = await scene();
  const drop: DroppedTransaction = {
    ...{ hash: txHash(9), accepted: 5n, lane: "fast", code: "TX_REVERTED", blockNumber: 2 },
  };
  preconfirmations.addDrop(drop);
  const again = waitFor(preconfirmations, txHash(9), 200, 7n);
  await new Promise((resolve) => setImmediate(resolve));
  preconfirmations.addDrop(drop);
  await t.rejects(again, { code: "SYNC_TIMEOUT" });
  const third = waitFor(preconfirmations, txHash(9), 10_000, 7n);
  await new Promise((resolve) => setImmediate(resolve));
  preconfirmations.addDrop({ ...drop, accepted: 7n, code: "TX_EXPIRED" });
  await t.rejects(third, { code: "TX_EXPIRED" });
});

t.test("with a gap before it there is nothing to wait for", async (t) => {
  const { preconfirmations } = await scene();
  const gapped = () => Promise.resolve({ hash: txHash(9), accepted: 5n, isGapped: true });
  await t.rejects(preconfirmations.sync(gapped, 10_000), { code: "SYNC_GAPPED" });
});

t.test("who waits leaves room for others, and is refused before it is sent", async (t) => {
  t.ok(4 * WAITERS_MAX <= DEFAULT_LIMITS.requestsMax);
  const { preconfirmations } = await scene();
  let sent = 0;
  let answer: (value: { hash: Hex; accepted: bigint; isGapped: boolean }) => void = () => undefined;
  const sending = new Promise<{ hash: Hex; accepted: bigint; isGapped: boolean }>((resolve) => {
    answer = resolve;
  });
  const send = () => {
    sent += 1;
    return sending;
  };
  const many = Array.from({ length: WAITERS_MAX }, () => preconfirmations.sync(send, 5));
  await t.rejects(preconfirmations.sync(send, 5), { code: "LIMIT_EXCEEDED" });
  t.equal(sent, WAITERS_MAX);
  answer({ hash: txHash(9), accepted: 5n, isGapped: true });
  await Promise.allSettled(many);
});

t.test("many who wait cost one look, and one that cannot be read no other", async (t) => {
  const { chain, open } = await scene();
  let looks = 0;
  const broken = txHash(4);
  const reader: Reader = {
    ...chain.reader,
    pendingBodies() {
      looks += 1;
      return chain.reader.pendingBodies();
    },
    chain: {
      ...chain.reader.chain,
      transactionLocation(hash) {
        if (hash === broken) throw new NodeError("STORAGE_CORRUPT", { record: "location" });
        return chain.reader.chain.transactionLocation(hash);
      },
    },
  };
  const preconfirmations = new Preconfirmations(reader);
  preconfirmations.add(flashblockOf(2));
  const results = [broken, txHash(1), txHash(2), txHash(1)].map((hash) =>
    preconfirmations
      .sync(() => Promise.resolve({ hash, accepted: 1n, isGapped: false }), 10_000)
      .catch((error: unknown) => (error instanceof NodeError ? error.code : "another")),
  );
  await new Promise((resolve) => setImmediate(resolve));
  chain.open = [open];
  looks = 0;
  preconfirmations.moved(true);
  t.equal(looks, 1);
  t.match(await Promise.all(results), [
    "STORAGE_CORRUPT",
    { transactionHash: txHash(1) },
    { transactionHash: txHash(2) },
    { transactionHash: txHash(1) },
  ]);
});

t.test("trees are hashed once, however many receipts are asked for", async (t) => {
  let hashes = 0;
  installKeccak((bytes) => {
    hashes += 1;
    return keccak256(bytes);
  });
  t.teardown(() => {
    installKeccak(keccak256);
  });
  const count = 500;
  const { preconfirmations } = await scene();
  preconfirmations.add(flashblockOf(2, count));
  hashes = 0;
  for (let at = 0; at < count; at++) t.ok(preconfirmations.inclusion(txHash(at)) !== null);
  t.ok(hashes < 10 * count, `${hashes} hashes`);

  const { leaves, hashes: leafHashes, group, signature } = admissionGroup(count);
  const receipts = new AdmissionReceipts();
  hashes = 0;
  for (const [index, leaf] of leaves.entries()) {
    // As it comes from the other thread: bytes of its own for each.
    const proof = { group, signature, leafHashes: concatBytes(...leafHashes), index, leaf };
    t.equal(receipts.of(proof).leaf, leaf);
  }
  t.ok(hashes < 2 * count, `${hashes} hashes`);
});

t.test("what is kept is bounded", (t) => {
  const flashblock = flashblockOf(2, 10);
  t.ok(FLASHBLOCK_BOUNDS.bytesMax < 2 ** 28 && FLASHBLOCK_BOUNDS.dropsMax < 2 ** 16);
  // In memory it is more than its bytes: of five, two have room.
  const flashblocks = new Flashblocks({ bytesMax: 50 * flashblock.length, dropsMax: 3 });
  const added = Array.from({ length: 5 }, (_, index) => {
    const changed = executed(10, { blockNumber: 2, index });
    const leaves = signedFlashblock(changed);
    return flashblocks.add(encodeSignedFlashblock(leaves));
  });
  t.equal(flashblocks.find(txHash(0))?.flashblock, added.at(-1));
  t.equal(flashblocks.size, 2);
  for (let at = 0; at < 5; at++)
    flashblocks.addDrop({
      ...{ hash: txHash(at), accepted: 1n, lane: "normal", code: "EVICTED", blockNumber: 1 },
    });
  t.equal(flashblocks.drop(txHash(1)), null);
  t.match(flashblocks.drop(txHash(2)), { code: "EVICTED" });
  t.end();
});

t.test("flashblocks are forgotten block by block", async (t) => {
  const { preconfirmations } = await scene();
  preconfirmations.add(flashblockOf(2));
  t.equal(preconfirmations.inclusion(txHash(3))?.header.blockNumber, 2);
  for (let number = 3; number <= 9; number++)
    preconfirmations.add(
      encodeSignedFlashblock(signedFlashblock(executed(0, { blockNumber: number }))),
    );
  t.equal(preconfirmations.inclusion(txHash(3))?.header.blockNumber, 2);
  preconfirmations.add(encodeSignedFlashblock(signedFlashblock(executed(0, { blockNumber: 10 }))));
  t.equal(preconfirmations.inclusion(txHash(3)), null);
  preconfirmations.add(flashblockOf(11));
  preconfirmations.add(flashblockOf(11));
  t.equal(preconfirmations.inclusion(txHash(3))?.index, 3, "announced again");
});

t.test("a watcher is told what it wants, in order", async (t) => {
  const flashblock = new KnownFlashblock(flashblockOf(2, 6));
  const watch = (filter: unknown) => {
    const parsed = parsePreconfirmationCriteria(filter);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed));
    const told: string[] = [];
    const watcher = { criteria: { preconfirmations: parsed.value } };
    tellPreconfirmations(flashblock, [watcher], (_, result) => {
      told.push((JSON.parse(result) as { hash: string }).hash);
    });
    return told;
  };
  const all = [0, 1, 2, 3, 4, 5].map(txHash);
  t.same(watch({}), all.slice(0, 3), "the fast lane, where nothing is said");
  t.same(watch({ lane: "normal" }), all.slice(3));
  t.same(watch({ lane: "all" }), all);
  t.same(watch({ hashes: [txHash(4), txHash(77), txHash(1)] }), [txHash(1), txHash(4)]);
  t.same(watch({ lane: "fast", hashes: [txHash(4)] }), []);
  const bad = [[], 1, { lane: "both" }, { hashes: "0x" }, { hashes: ["0x12"] }, { from: "0x" }];
  for (const filter of [...bad, { hashes: Array<string>(257).fill(txHash(1)) }])
    t.match(parsePreconfirmationCriteria(filter), { ok: false, code: "PARAMS_INVALID" });
});

t.test("the open block is a block as far as it is one", async (t) => {
  const { chain, result, call } = await createFixture();
  const { open } = await scene();
  t.match(await result("eth_getBlockByNumber", ["pending"]), { number: "0x1" }, "none is known");
  chain.open = [open];
  t.match(await result("eth_getBlockByNumber", ["pending", true]), {
    ...{ number: "0x2", hash: null, nonce: null, size: null, parentHash: chain.block.hash },
    ...{ stateRoot: ZERO_HASH, transactionsRoot: ZERO_HASH, receiptsRoot: ZERO_HASH },
    transactions: [
      { hash: txHash(0), type: "0x7e" },
      { hash: txHash(1), blockNumber: "0x2" },
    ],
  });
  t.equal(await result("eth_getBlockTransactionCountByNumber", ["pending"]), "0x5");
  t.match(await result("eth_getBlockReceipts", ["pending"]), [
    { transactionHash: txHash(0), blockHash: ZERO_HASH },
    { transactionHash: txHash(1), transactionIndex: "0x1" },
  ]);
  t.match(await result("eth_getTransactionByHash", [txHash(2)]), { blockNumber: "0x2" });
  t.match(await result("eth_getTransactionByBlockNumberAndIndex", ["pending", "0x1"]), {
    hash: txHash(1),
  });
  t.equal(await result("eth_getTransactionReceipt", [txHash(2)]), null, "not in a block yet");
  t.equal(await result("lane_receipt", [txHash(50)]), null);
  t.equal(await result("lane_proof", [txHash(50)]), null);
  for (const timeout of [0, -1, 1.5, 30_001, "2000", {}])
    t.match(await call("eth_sendRawTransactionSync", ["0x02", timeout]), {
      error: { code: -32602 },
    });
});
