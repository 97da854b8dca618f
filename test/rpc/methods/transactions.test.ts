import t from "tap";
import { privateKeyToAccount } from "viem/accounts";
import { bytesToBigint, type Hex, toHex } from "../../../lanes/bytes.ts";
import { RLP } from "@ethereumjs/rlp";
import type { ErrorCode } from "../../../node/errors.ts";
import { account, CHAIN_ID, FEED, SENDER, signTransfer } from "../fixture-chain.ts";
import { deadNode, withMaxTxGas } from "../fixture-node.ts";
import { createFixture } from "../fixture-client.ts";

t.test("a good transaction is acknowledged with its hash and found at once", async (t) => {
  const { node, result } = await createFixture();
  const raw = await signTransfer();
  const hash = await result("eth_sendRawTransaction", [raw]);
  t.match(hash, /^0x[0-9a-f]{64}$/);
  t.match(node.submitted, [{ hash, sender: SENDER, nonce: 9n, to: FEED }]);
  t.match(await result("eth_getTransactionByHash", [hash]), {
    hash,
    blockHash: null,
    nonce: "0x9",
  });
  t.equal(await result("eth_getTransactionReceipt", [hash]), null);
  t.equal(await result("eth_getTransactionCount", [SENDER, "pending"]), "0xa");
  t.equal(await result("eth_getTransactionCount", [SENDER, "latest"]), "0x4");
});

/** The same signature with the other s: valid mathematics, refused since EIP-2. */
function highS(raw: Hex): Hex {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const payload = Buffer.from(raw.slice(4), "hex");
  const fields = RLP.decode(payload) as Uint8Array[];
  const s = order - bytesToBigint(fields[11]!);
  const parity = fields[9]!.length === 0 ? Uint8Array.of(1) : new Uint8Array(0);
  const twin = fields.with(11, Buffer.from(s.toString(16), "hex")).with(9, parity);
  return `0x02${toHex(RLP.encode(twin)).slice(2)}`;
}

t.test("every refusal has its code, number and words", async (t) => {
  const { node, call } = await createFixture();
  const good = await signTransfer();
  const price = { gasPrice: 10n ** 10n, gas: 21_000n, to: FEED, nonce: 0 };
  const unprotected = await account.signTransaction({ type: "legacy", ...price });
  const blob: Hex = `0x03${good.slice(4)}`;
  const cases: readonly (readonly [string, unknown, ErrorCode, number])[] = [
    ["no hex", "hello", "PARAMS_INVALID", -32602],
    ["no string", 5, "PARAMS_INVALID", -32602],
    ["empty", "0x", "TX_MALFORMED", -32602],
    ["trailing bytes", `${good}00`, "TX_MALFORMED", -32602],
    ["cut short", good.slice(0, -2), "TX_MALFORMED", -32602],
    ["too large", `0x02${"00".repeat(120 * 1024)}`, "TX_TOO_LARGE", -32602],
    ["a blob transaction", blob, "TX_TYPE_NOT_SUPPORTED", -32602],
    ["another chain", await signTransfer({ chainId: 1 }), "CHAIN_ID_MISMATCH", -32000],
    ["no chain", unprotected, "CHAIN_ID_MISMATCH", -32000],
    ["too much gas", await signTransfer({ gas: 16_777_217n }), "GAS_LIMIT_TOO_HIGH", 804],
    ["high s", highS(good), "TX_SIGNATURE_INVALID", -32602],
  ];
  for (const [name, raw, code, number] of cases) {
    const answer = await call("eth_sendRawTransaction", [raw]);
    t.match(answer, { error: { code: number, data: { code } } }, name);
  }
  t.same(node.submitted, [], "nothing reached the sequencing thread");
});

t.test("the policy says how much gas a transaction may ask for", async (t) => {
  const { result, call } = await createFixture(withMaxTxGas(100_000));
  t.match(await result("eth_sendRawTransaction", [await signTransfer({ gas: 100_000n })]), /^0x/);
  t.match(await call("eth_sendRawTransaction", [await signTransfer({ gas: 100_001n })]), {
    error: { data: { code: "GAS_LIMIT_TOO_HIGH", gasLimitMax: 100_000 } },
  });
});

t.test("a tip above the fee cap is refused", async (t) => {
  // viem refuses to sign it: build the same fields with cap and tip exchanged.
  const { call } = await createFixture();
  const raw = await signTransfer();
  const fields = RLP.decode(Buffer.from(raw.slice(4), "hex")) as Uint8Array[];
  const swapped = fields.with(2, fields[3]!).with(3, fields[2]!);
  const encoded: Hex = `0x02${toHex(RLP.encode(swapped)).slice(2)}`;
  t.match(await call("eth_sendRawTransaction", [encoded]), {
    error: { code: 1001, data: { code: "TIP_ABOVE_FEE_CAP" } },
  });
});

t.test("the sequencing thread's refusal is passed on", async (t) => {
  const { node, call } = await createFixture();
  const raw = await signTransfer();
  const refusals: readonly (readonly [ErrorCode, number, RegExp])[] = [
    ["NONCE_TOO_LOW", -32003, /nonce too low/],
    ["NONCE_TOO_HIGH", -32003, /nonce too high/],
    ["INSUFFICIENT_FUNDS", -32003, /insufficient funds/],
    ["ALREADY_KNOWN", -32003, /already known/],
    ["REPLACEMENT_UNDERPRICED", -32003, /replacement transaction underpriced/],
    ["POOL_FULL", -32003, /txpool is full/],
    ["SEQUENCER_UNREACHABLE", -32000, /sequencer/],
  ];
  for (const [code, number, message] of refusals) {
    node.answer = { ok: false, code, data: { limit: 1 } };
    const answer = await call("eth_sendRawTransaction", [raw]);
    t.match(answer, { error: { code: number, message, data: { code, limit: 1 } } });
  }
});

t.test("a dead sequencing thread is an error, not a hang", async (t) => {
  const { call } = await createFixture((context) => ({ ...context, node: deadNode }));
  const raw = await signTransfer();
  t.match(await call("eth_sendRawTransaction", [raw]), {
    error: { data: { code: "WORKER_FAILED" } },
  });
  const internal = await call("eth_getTransactionCount", [SENDER, "pending"]);
  t.match(internal, { error: { code: -32603 } });
  t.notMatch(JSON.stringify(internal), /secret/);
});

t.test("transactions and receipts are found by hash and by place", async (t) => {
  const { chain, result } = await createFixture();
  const { block } = chain;
  const { hash } = block.transactions[1]!;
  const expected = { hash, transactionIndex: "0x1", blockHash: block.hash };
  t.match(await result("eth_getTransactionByHash", [hash]), expected);
  t.match(await result("eth_getTransactionByBlockHashAndIndex", [block.hash, "0x1"]), expected);
  t.match(await result("eth_getTransactionByBlockNumberAndIndex", ["0x1", "0x1"]), expected);
  t.match(await result("eth_getTransactionReceipt", [hash]), {
    transactionHash: hash,
    status: "0x1",
    logs: [{ logIndex: "0x0" }, { logIndex: "0x1" }],
  });
  const receipts = (await result("eth_getBlockReceipts", ["latest"])) as unknown[];
  t.equal(receipts.length, block.transactions.length);

  const unknown = `0x${"ab".repeat(32)}`;
  t.equal(await result("eth_getTransactionByHash", [unknown]), null);
  t.equal(await result("eth_getTransactionReceipt", [unknown]), null);
  t.equal(await result("eth_getBlockReceipts", ["0x99"]), null);
  t.equal(await result("eth_getTransactionByBlockNumberAndIndex", ["0x1", "0x99"]), null);
  t.equal(await result("eth_getTransactionByBlockHashAndIndex", [unknown, "0x0"]), null);
});

t.test("the fixture's account is viem's", (t) => {
  t.equal(privateKeyToAccount(`0x${"42".repeat(32)}`).address.toLowerCase(), SENDER);
  t.equal(CHAIN_ID, 901);
  t.end();
});
