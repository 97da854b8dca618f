/** What an RPC thread knows before a block, and who waits for it. */
import t from "tap";
import { ZERO_HASH } from "../../lanes/bytes.ts";
import { encodeSignedFlashblock } from "../../lanes/signed-flashblock.ts";
import { NodeError } from "../../node/errors.ts";
import type { PendingBody } from "../../node/reader.ts";
import { WAITERS_MAX } from "../../rpc/limits.ts";
import { KnownFlashblock } from "../../rpc/flashblocks.ts";
import {
  parsePreconfirmationCriteria,
  tellPreconfirmations,
} from "../../rpc/preconfirmation-feed.ts";
import { executed, signedFlashblock, txHash } from "../lanes/fixtures/promises.ts";
import { createFixture } from "./fixture-client.ts";
import { createFakeChain } from "./fixture-chain.ts";
import { createContext, createFakeNode } from "./fixture-node.ts";

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
  const waiting = preconfirmations.wait(txHash(1), 10_000).then((receipt) => (answer = receipt));
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
    await preconfirmations.wait(txHash(1), 10_000),
    { transactionHash: txHash(1) },
    "at once",
  );
});

t.test("waiting ends with the drop, the time, or a bound", async (t) => {
  const { preconfirmations } = await scene();
  const drop = { hash: txHash(9), accepted: 5n, code: "TX_REVERTED", blockNumber: 2 } as const;
  const waiting = preconfirmations.wait(txHash(9), 10_000);
  preconfirmations.addDrop(drop);
  await t.rejects(waiting, { code: "TX_REVERTED" });
  await t.rejects(preconfirmations.wait(txHash(9), 10_000), { code: "TX_REVERTED" });
  t.match(preconfirmations.drop(txHash(9)), drop);
  await t.rejects(preconfirmations.wait(txHash(8), 5), { code: "SYNC_TIMEOUT" });
  const many = Array.from({ length: WAITERS_MAX }, (_, at) =>
    preconfirmations
      .wait(txHash(1000 + at), 50)
      .catch((error: unknown) => (error instanceof NodeError ? error.code : "another")),
  );
  await t.rejects(preconfirmations.wait(txHash(7), 50), { code: "LIMIT_EXCEEDED" });
  t.ok((await Promise.all(many)).every((code) => code === "SYNC_TIMEOUT"));
  await t.rejects(preconfirmations.wait(txHash(7), 5), { code: "SYNC_TIMEOUT" }, "room again");
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
    ...{ number: "0x2", hash: null, nonce: null, stateRoot: null, parentHash: chain.block.hash },
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
