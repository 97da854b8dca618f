import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import t from "tap";
import { RLP } from "@ethereumjs/rlp";
import { attributesTransaction } from "../../node/chain/attributes.ts";
import { encodeHeader } from "../../node/primitives/header.ts";
import { blockToJson, headerToJson, receiptToJson, transactionToJson } from "../../rpc/codec.ts";
import { makeConfig, ORIGIN } from "../execution/fixtures/chain.ts";
import { createFakeChain, toUser, signTransfer } from "./fixture-chain.ts";

/**
 * Request and answer samples of ethereum/execution-apis, beside the repository where it is built.
 */
const SAMPLES = resolve("../shared/rpc-compat");
const skip = existsSync(SAMPLES) ? false : "the folder shared/rpc-compat is not here";

type Json = Record<string, unknown>;

function sample(name: string): Json {
  const answer = readFileSync(join(SAMPLES, `${name}.io`), "utf8")
    .split("\n")
    .find((line) => line.startsWith("<< "));
  return (JSON.parse(answer?.slice(3) ?? "null") as { readonly result: Json }).result;
}

const keysOf = (value: object): string[] => Object.keys(value).sort();

async function fixture() {
  const { block, reader } = await createFakeChain();
  const receipts = reader.chain.receipts(1)!;
  const transactions = blockToJson(block, receipts)["transactions"] as Json[];
  const byType = (type: string) =>
    transactions.find((transaction) => transaction["type"] === type)!;
  return { block, receipts, byType };
}

t.test("blocks have the members of execution-apis", { skip }, async (t) => {
  const { block } = await fixture();
  const ours = blockToJson(block, null);
  const theirs = sample("eth_getBlockByNumber/get-latest");
  t.same(keysOf(ours), keysOf(theirs));
  for (const [key, value] of Object.entries(theirs)) t.type(ours[key], typeof value, key);
});

t.test("transactions have the members of execution-apis", { skip }, async (t) => {
  const { byType } = await fixture();
  t.same(keysOf(byType("0x1")), keysOf(sample("eth_getTransactionByHash/get-access-list")));
  const legacy = sample("eth_getTransactionByHash/get-legacy-tx");
  t.same(keysOf(byType("0x0")), [...keysOf(legacy), "chainId"].sort(), "signed with EIP-155");
});

t.test("receipts and logs have the members of execution-apis", { skip }, async (t) => {
  const { block, receipts } = await fixture();
  const ours = receiptToJson(block, receipts, 1)!;
  const theirs = sample("eth_getTransactionReceipt/get-access-list");
  t.same(keysOf(ours), [...keysOf(theirs), "l1Fee"].sort(), "and the OP Stack's fee");
  const [log] = ours["logs"] as Json[];
  const [theirLog] = theirs["logs"] as Json[];
  t.same(keysOf(log!), keysOf(theirLog!));
});

t.test("receipts say what the L1 fee came from, as op-geth does", async (t) => {
  const { block, receipts } = await fixture();
  const origin = { ...ORIGIN, baseFee: 7n, blobBaseFee: 3n };
  const config = makeConfig({ system: { baseFeeScalar: 5, blobBaseFeeScalar: 6 } });
  const receiptUnder = (rollup: typeof config): Json => {
    const first = attributesTransaction(rollup, origin, 0n);
    const changed = { ...block, transactions: [first, ...block.transactions.slice(1)] };
    return receiptToJson(changed, receipts, 1) ?? {};
  };
  const members = {
    l1GasPrice: "0x7",
    l1BlobBaseFee: "0x3",
    l1BaseFeeScalar: "0x5",
    l1BlobBaseFeeScalar: "0x6",
    // The least size: a hundred bytes of calldata.
    l1GasUsed: "0x640",
  };
  t.match(receiptUnder(config), members);
  t.notOk("operatorFeeScalar" in receiptUnder(config), "there is no operator fee");
  const system = { ...config.system, operatorFeeScalar: 8, operatorFeeConstant: 9n };
  t.match(receiptUnder({ ...config, system }), {
    ...members,
    operatorFeeScalar: "0x8",
    operatorFeeConstant: "0x9",
  });
  t.notOk("l1GasPrice" in (receiptToJson(block, receipts, 0) ?? {}), "a deposit pays none");
});

t.test("every type has its own members", async (t) => {
  const { byType } = await fixture();
  t.match(byType("0x2"), {
    maxFeePerGas: "0xb2d05e00",
    maxPriorityFeePerGas: "0x1e8480",
    gasPrice: "0x3bb94e80",
    yParity: /^0x[01]$/,
    nonce: "0x0",
    transactionIndex: "0x1",
    blockNumber: "0x1",
  });
  t.match(byType("0x4"), {
    authorizationList: [
      { nonce: "0x4", chainId: "0x385", yParity: /^0x[01]$/, r: /^0x/, s: /^0x/ },
    ],
  });
  t.match(byType("0x0"), { gasPrice: "0x77359400", v: /^0x72[de]$/ });
  t.notOk("yParity" in byType("0x0"));
  const deposit = byType("0x7e");
  t.match(deposit, {
    from: "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001",
    nonce: "0x5",
    mint: "0x0",
    isSystemTx: false,
    sourceHash: `0x${"50".repeat(32)}`,
    depositReceiptVersion: "0x1",
    gasPrice: "0x0",
    r: "0x0",
  });
  t.notOk("chainId" in deposit || "accessList" in deposit);
});

t.test("a transaction in the txpool has no place", async (t) => {
  const pending = transactionToJson(toUser(await signTransfer()), null);
  t.match(pending, { blockHash: null, blockNumber: null, transactionIndex: null });
  t.equal(pending["gasPrice"], pending["maxFeePerGas"]);
});

t.test("logs are numbered through the block, and cumulative gas is the receipt's", async (t) => {
  const { block, receipts } = await fixture();
  const indexes = receipts.flatMap((_, index) =>
    (receiptToJson(block, receipts, index)!["logs"] as Json[]).map((log) => log["logIndex"]),
  );
  t.same(indexes, ["0x0", "0x1", "0x2"]);
  t.match(receiptToJson(block, receipts, 0), {
    depositNonce: "0x5",
    depositReceiptVersion: "0x1",
    effectiveGasPrice: "0x0",
  });
  t.equal(receiptToJson(block, receipts, 5), null);
});

t.test("size is the length of the block's RLP", async (t) => {
  const { block } = await fixture();
  const body = block.transactions.map(({ type, raw }) => (type === 0 ? RLP.decode(raw) : raw));
  const header = RLP.decode(encodeHeader(block.header));
  const encoded = RLP.encode([header, body, [], []]);
  t.equal(blockToJson(block, null)["size"], `0x${encoded.length.toString(16)}`);
});

t.test("a subscription's head is the block without its body", async (t) => {
  const { block } = await fixture();
  const head = headerToJson(block.hash, block.header);
  const whole = blockToJson(block, null);
  for (const key of keysOf(head)) t.equal(head[key], whole[key]);
  t.same(
    keysOf(whole).filter((key) => !(key in head)),
    ["size", "transactions", "uncles", "withdrawals"],
  );
});
