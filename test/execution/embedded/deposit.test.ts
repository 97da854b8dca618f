import t from "tap";
import { getContractAddress } from "viem";
import { fromHex, toHex } from "../../../lanes/bytes.ts";
import { callOn } from "../fixtures/call.ts";
import {
  BASE_FEE_VAULT,
  L1_BLOCK,
  L1_FEE_VAULT,
  OPERATOR_FEE_VAULT,
  SEQUENCER_FEE_VAULT,
} from "../../../node/primitives/predeploys.ts";
import { encodeReceipt } from "../../../node/primitives/receipt.ts";
import {
  ALICE,
  attributes,
  BOB,
  CONTRACTS,
  createChain,
  deposit,
  ETHER,
  GWEI,
  initCode,
  lower,
  makeConfig,
  ORIGIN,
  POOR,
  receiptOf,
  sign,
  words,
} from "../fixtures/chain.ts";

const poor = lower(POOR.address);
const bob = lower(BOB.address);

t.test("a deposit mints, pays no fee, counts the nonce and the gas", async (t) => {
  const { engine, environment, close } = createChain();
  await engine.open(environment());
  const receipt = receiptOf(await engine.apply(deposit({ mint: 10n, value: 4n })));
  t.match(receipt, {
    type: 0x7e,
    status: 1,
    gasUsed: 21_000n,
    effectiveGasPrice: 0n,
    depositNonce: 0n,
    depositReceiptVersion: 1n,
    l1Fee: 0n,
  });
  t.same(engine.account(poor), { nonce: 1n, balance: 6n });
  t.equal(engine.account(bob).balance, 1000n * ETHER + 4n);
  t.equal(engine.account(SEQUENCER_FEE_VAULT).balance, 0n);
  t.equal(engine.account(BASE_FEE_VAULT).balance, 0n);
  t.equal(engine.gasUsed(), 21_000n, "what it did not use goes back to the block");
  const next = receiptOf(await engine.apply(deposit({})));
  t.equal(next.depositNonce, 1n);
  t.equal(toHex(encodeReceipt(next)).slice(0, 4), "0x7e");
  t.equal((await close()).block.header.gasUsed, 42_000n);
});

t.test("a deposit that fails in the EVM keeps mint and nonce and its own gas", async (t) => {
  const { engine, environment } = createChain();
  await engine.open(environment());
  const to = CONTRACTS.reverter.address;
  const receipt = receiptOf(await engine.apply(deposit({ mint: 10n, value: 4n, to })));
  t.equal(receipt.status, 0);
  t.ok(receipt.gasUsed > 21_000n && receipt.gasUsed < 22_000n);
  t.same(engine.account(poor), { nonce: 1n, balance: 10n });
  t.equal(engine.account(to).balance, 0n);
});

t.test("a deposit that cannot start keeps mint and nonce and uses all its gas", async (t) => {
  const { engine, environment } = createChain();
  await engine.open(environment());
  const cannot = [
    deposit({ mint: 10n, value: 11n }),
    deposit({ mint: 10n, gasLimit: 20_999n }),
    deposit({ mint: 10n, gasLimit: 25_000n, data: new Uint8Array(300).fill(1) }),
    deposit({ mint: 10n, gasLimit: 9_000_000n, to: null, data: new Uint8Array(49_153) }),
  ];
  let expected = 0n;
  for (const [index, transaction] of cannot.entries()) {
    const receipt = receiptOf(await engine.apply(transaction));
    expected += transaction.gasLimit;
    t.match(receipt, { status: 0, gasUsed: transaction.gasLimit, depositNonce: BigInt(index) });
    // op-geth shows what a creation would have made.
    const made = getContractAddress({ from: poor, nonce: BigInt(index) }).toLowerCase();
    t.equal(receipt.contractAddress, transaction.to === null ? made : null);
    // The first asks for one wei more than it mints; later ones have the earlier mints.
    t.equal(engine.account(poor).balance, 10n * BigInt(index + 1));
    t.equal(engine.gasUsed(), expected);
  }
  t.equal(engine.account(bob).balance, 1000n * ETHER);
});

t.test("deposits are refused only for form and for the block's gas", async (t) => {
  const { engine, environment } = createChain();
  await engine.open(environment());
  t.same(await engine.apply(deposit({ mint: 1n, isSystemTx: true })), {
    ok: false,
    code: "TX_INVALID",
  });
  t.same(await engine.apply(deposit({ mint: 1n, gasLimit: 30_000_001n })), {
    ok: false,
    code: "BLOCK_GAS_EXCEEDED",
  });
  t.same(engine.account(poor), { nonce: 0n, balance: 0n }, "no trace, no mint");
});

t.test("a deposit creates contracts and acts for a contract", async (t) => {
  const { engine, environment } = createChain();
  await engine.open(environment());
  const created = receiptOf(
    await engine.apply(
      deposit({ to: null, data: fromHex(initCode(CONTRACTS.store.code)), gasLimit: 200_000n }),
    ),
  );
  t.equal(created.status, 1);
  t.equal(engine.account(created.contractAddress!).nonce, 1n);
  const acting = receiptOf(await engine.apply(deposit({ sender: CONTRACTS.store.address })));
  t.match(acting, { status: 1, depositNonce: 1n });
});

t.test("the attributes fill L1Block, and only the depositor may", async (t) => {
  const rollup = makeConfig({
    system: { baseFeeScalar: 1368, blobBaseFeeScalar: 810949, operatorFeeConstant: "5" },
  });
  const chain = createChain(rollup);
  const { receipts } = await chain.block([attributes(rollup, 3n)]);
  t.equal(receipts[0]?.status, 1);
  t.ok((receipts[0]?.gasUsed ?? 0n) < 1_000_000n);
  const { state } = chain.memory;
  const slot = (index: bigint): bigint => state.slot(L1_BLOCK, words(index));
  t.equal(slot(0n), (BigInt(ORIGIN.timestamp) << 64n) | 6n);
  t.equal(slot(1n), ORIGIN.baseFee);
  t.equal(slot(2n), BigInt(ORIGIN.hash));
  t.equal(slot(3n), (1368n << 96n) | (810949n << 64n) | 3n);
  t.equal(slot(4n), BigInt(rollup.system.batcher));
  t.equal(slot(7n), ORIGIN.blobBaseFee);
  t.equal(slot(8n), 5n);
  const call = (data: Uint8Array) =>
    callOn(chain, { from: poor, to: L1_BLOCK, data, gasLimit: 100_000n });
  // baseFeeScalar(), sequenceNumber(), number()
  t.equal(toHex((await call(fromHex("0xc5985918"))).output), words(1368n));
  t.equal(toHex((await call(fromHex("0x64ca23ef"))).output), words(3n));
  t.equal(toHex((await call(fromHex("0x8381f58a"))).output), words(6n));
  const forged = await call(attributes(rollup).data);
  t.match(forged, { success: false, error: "revert" });
  t.equal(toHex(forged.output), "0x3cc50b45", "NotDepositor(), as in the OP Stack");
});

t.test("user transactions pay the L1 and the operator fee to their vaults", async (t) => {
  const rollup = makeConfig({
    system: {
      baseFeeScalar: 2_000_000,
      blobBaseFeeScalar: 1_000_000,
      operatorFeeScalar: 500_000,
      operatorFeeConstant: "1000",
    },
  });
  const chain = createChain(rollup);
  const { engine, environment } = chain;
  await engine.open(environment());
  receiptOf(await engine.apply(attributes(rollup)));
  const before = engine.account(lower(ALICE.address)).balance;
  const receipt = receiptOf(
    await engine.apply(await sign(ALICE, { to: bob, value: 5n, gas: 100_000n })),
  );
  // A short transfer has the least size: 100 bytes, at 16 · scalar · base fee + scalar · blob fee.
  const perByte = 16n * 2n * 7n * GWEI + 3n;
  t.equal(receipt.l1Fee, 100n * perByte);
  t.equal(engine.account(L1_FEE_VAULT).balance, receipt.l1Fee);
  const operatorFee = 21_000n / 2n + 1000n;
  t.equal(engine.account(OPERATOR_FEE_VAULT).balance, operatorFee);
  const paid = 5n + 21_000n * receipt.effectiveGasPrice + receipt.l1Fee + operatorFee;
  t.equal(engine.account(lower(ALICE.address)).balance, before - paid);

  // The balance must cover the L1 fee and the operator fee of the whole gas limit as well.
  const rest = engine.account(bob).balance - 21_000n * 3n * GWEI - receipt.l1Fee - operatorFee;
  const short = await sign(BOB, { to: poor, value: rest + 1n, gas: 21_000n });
  t.same(await engine.apply(short), { ok: false, code: "INSUFFICIENT_FUNDS" });
  const exact = await sign(BOB, { to: poor, value: rest, gas: 21_000n });
  t.equal((await engine.apply(exact)).ok, true);
});

t.test("fees of a block are those at its first transaction that is no deposit", async (t) => {
  const rollup = makeConfig({ system: { baseFeeScalar: 2_000_000 } });
  const { engine, environment } = createChain(rollup);
  await engine.open(environment());
  const early = receiptOf(await engine.apply(await sign(ALICE, { to: bob })));
  t.equal(early.l1Fee, 0n, "nothing is set yet");
  receiptOf(await engine.apply(attributes(rollup)));
  const late = receiptOf(await engine.apply(await sign(ALICE, { nonce: 1, to: bob })));
  t.equal(late.l1Fee, 0n, "and nothing changes in the middle of a block");
});
