import { encodeRlp } from "ethers";
import t from "tap";
import { bytesEqual, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { listRoot } from "../../node/execution/embedded/list-root.ts";
import {
  BLOOM_BYTES,
  encodeReceipt,
  logsBloom,
  addBloom,
  type Receipt,
} from "../../node/primitives/receipt.ts";
import { decodeTransaction } from "../../node/primitives/transaction.ts";
import { HEADER, RAW_TRANSACTIONS, RECEIPTS } from "./fixtures/anvil-block.ts";

const receipts: Receipt[] = RECEIPTS.map((vector) => ({
  ...vector,
  effectiveGasPrice: 1n,
  contractAddress: null,
  logs: vector.logs.map((log) => ({ ...log, data: fromHex(log.data) })),
  logsBloom: fromHex(vector.logsBloom),
  l1Fee: 0n,
}));

t.test("blooms are what another implementation gives the same logs", async (t) => {
  for (const receipt of receipts) t.same(logsBloom(receipt.logs), receipt.logsBloom);
  const bloom = new Uint8Array(BLOOM_BYTES);
  for (const receipt of receipts) addBloom(bloom, receipt.logsBloom);
  t.same(bloom, fromHex(HEADER.logsBloom));
  t.same(logsBloom([]), new Uint8Array(BLOOM_BYTES));
});

t.test("the receipts' root is that of the block: all types, a revert, logs", async (t) => {
  t.equal(listRoot(receipts.map(encodeReceipt)), HEADER.receiptsRoot);
});

t.test("the transactions decode, and their root is that of the block", async (t) => {
  const raws = RAW_TRANSACTIONS.map(fromHex);
  for (const [index, raw] of raws.entries()) {
    const decoded = decodeTransaction(raw);
    t.ok(decoded.ok);
    if (decoded.ok) t.equal(decoded.value.type, RECEIPTS[index]?.type);
  }
  t.equal(listRoot(raws), HEADER.transactionsRoot);
});

t.test("a deposit's receipt ends with its nonce and version", async (t) => {
  const deposit: Receipt = {
    ...receipts[2]!,
    type: 0x7e,
    depositNonce: 256n,
    depositReceiptVersion: 1n,
  };
  const bloom = toHex(deposit.logsBloom);
  const gas: Hex = `0x${deposit.cumulativeGasUsed.toString(16).padStart(6, "0")}`;
  const body = encodeRlp(["0x01", gas, bloom, [], "0x0100", "0x01"]);
  t.equal(toHex(encodeReceipt(deposit)), `0x7e${body.slice(2)}`);
  const failed = encodeReceipt({ ...receipts[2]!, status: 0 });
  t.notOk(bytesEqual(failed, encodeReceipt(receipts[2]!)), "the status is in it");
});
