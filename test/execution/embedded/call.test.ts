import t from "tap";
import { fromHex, type Hex, toHex } from "../../../lanes/bytes.ts";
import type { CallOverrides } from "../../../node/execution/call.ts";
import { estimateGas, simulateCall } from "../../../node/execution/embedded/call.ts";
import { createDeadline } from "../../../node/execution/embedded/deadline.ts";
import { SEQUENCER_FEE_VAULT } from "../../../node/primitives/predeploys.ts";
import {
  ALICE,
  BOB,
  CAROL,
  CHAIN_ID,
  CONTRACTS,
  createChain,
  ETHER,
  GWEI,
  initCode,
  lower,
  POOR,
  receiptOf,
  sign,
  type TestChain,
  words,
} from "../fixtures/chain.ts";
import { type CallFields, callOn, makeRequest, simulationOn } from "../fixtures/call.ts";

const GAS_MAX = 30_000_000n;

const estimateOn = (chain: TestChain, fields: CallFields) =>
  estimateGas(simulationOn(chain), makeRequest(fields), GAS_MAX);

t.test("a call sees the block whose state it reads", async (t) => {
  const chain = createChain();
  await chain.block([]);
  const { header } = chain.head();
  const to = CONTRACTS.environment.address;
  const free = await callOn(chain, { to });
  const expected = (baseFee: bigint): Hex =>
    words(
      baseFee,
      BigInt(SEQUENCER_FEE_VAULT),
      901n,
      BigInt(header.timestamp),
      1n,
      BigInt(header.prevRandao),
      30_000_000n,
      1n,
    );
  t.equal(toHex(free.output), expected(0n), "no base fee for who offers none");
  const paid = await callOn(chain, { to, feeCap: GWEI, gasLimit: 100_000n });
  t.equal(toHex(paid.output), expected(header.baseFeePerGas));
});

t.test("calls give revert data and the EVM's words, and change nothing", async (t) => {
  const chain = createChain();
  const reverted = await callOn(chain, { to: CONTRACTS.reverter.address });
  t.match(reverted, { success: false, error: "revert" });
  t.equal(toHex(reverted.output), words(1n));
  const looped = await callOn(chain, { to: CONTRACTS.looper.address, gasLimit: 50_000n });
  t.match(looped, { success: false, error: "out of gas", gasUsed: 50_000n });
  const stored = await callOn(chain, { to: CONTRACTS.store.address, data: fromHex(words(1n, 2n)) });
  t.equal(stored.success, true);
  t.equal(chain.memory.state.slot(CONTRACTS.store.address, words(1n)), 0n);
  const created = await callOn(chain, { to: null, data: fromHex(initCode(CONTRACTS.store.code)) });
  t.equal(toHex(created.output), CONTRACTS.store.code);
});

t.test("the balance counts for value, and for gas only where a price is offered", async (t) => {
  const chain = createChain();
  const from = lower(POOR.address);
  const to = CONTRACTS.store.address;
  t.equal((await callOn(chain, { from, to })).success, true);
  const error = "insufficient funds for gas * price + value";
  t.match(await callOn(chain, { from, to, value: 1n }), { error });
  t.match(await callOn(chain, { from, to, feeCap: GWEI }), { error });
  t.match(await callOn(chain, { to, gasLimit: 20_000n }), {
    error: "intrinsic gas too low",
  });
  const long = new Uint8Array(49_153);
  t.match(await callOn(chain, { to: null, data: long }), {
    error: "max initcode size exceeded",
  });
});

t.test("calls at the same time do not disturb each other", async (t) => {
  const chain = createChain();
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      callOn(chain, { to: CONTRACTS[i % 2 === 0 ? "reverter" : "environment"].address }),
    ),
  );
  for (const [i, answer] of answers.entries()) t.equal(answer.success, i % 2 === 1);
});

t.test("an estimate is enough, and within 1.5 % of the least", async (t) => {
  const chain = createChain();
  const cases: readonly CallFields[] = [
    { to: lower(BOB.address), value: 1n },
    { to: CONTRACTS.store.address, data: fromHex(words(1n, 2n)) },
    { to: null, data: fromHex(initCode(CONTRACTS.store.code)) },
    // The call inside may use at most 63/64 of what is left (EIP-150).
    { to: CONTRACTS.caller.address, data: fromHex(words(BigInt(CONTRACTS.logger.address))) },
  ];
  for (const fields of cases) {
    const estimate = await estimateOn(chain, fields);
    t.ok(estimate.ok);
    if (!estimate.ok) continue;
    const enough = await callOn(chain, { ...fields, gasLimit: estimate.value });
    t.equal(enough.success, true);
    const tooLittle = (estimate.value * 98n) / 100n;
    const less = await callOn(chain, { ...fields, gasLimit: tooLittle });
    const worse = !less.success || toHex(less.output) !== toHex(enough.output);
    t.ok(worse || fields.to === CONTRACTS.caller.address, "2 % less does not do");
  }
  const transfer = await estimateOn(chain, { to: lower(BOB.address) });
  t.same(transfer, { ok: true, value: 21_000n }, "exact for a plain transfer");
});

t.test("an estimate holds for the real transaction", async (t) => {
  const chain = createChain();
  const data = words(9n, 9n);
  const to = CONTRACTS.store.address;
  const estimate = await estimateOn(chain, { to, data: fromHex(data) });
  if (!estimate.ok) throw new Error(estimate.code);
  await chain.engine.open(chain.environment());
  const transaction = await sign(ALICE, { to, data, gas: estimate.value });
  t.equal(receiptOf(await chain.engine.apply(transaction)).status, 1);
});

t.test("an estimate that cannot be given says why", async (t) => {
  const chain = createChain();
  t.same(await estimateOn(chain, { to: CONTRACTS.reverter.address }), {
    ok: false,
    code: "EXECUTION_REVERTED",
    data: { output: words(1n) },
  });
  const gasLimit = 40_000n;
  t.same(await estimateOn(chain, { to: CONTRACTS.looper.address, gasLimit }), {
    ok: false,
    code: "EXECUTION_FAILED",
    data: { reason: "gas required exceeds allowance (40000)" },
  });
  const value = 1001n * ETHER;
  const rich = { to: lower(BOB.address), value };
  t.match(await estimateOn(chain, rich), { ok: false, code: "INSUFFICIENT_FUNDS" });
  t.match(await estimateOn(chain, { ...rich, feeCap: GWEI }), { code: "INSUFFICIENT_FUNDS" });
  const feeCap = (1000n * ETHER) / 22_000n;
  const dear = { to: CONTRACTS.store.address, data: fromHex(words(1n, 2n)), feeCap, tip: 0n };
  t.same(
    await estimateOn(chain, dear),
    {
      ok: false,
      code: "EXECUTION_FAILED",
      data: { reason: "gas required exceeds allowance (22000)" },
    },
    "the cap must be covered, not only the price",
  );
});

t.test("prices that cannot stand in the block are refused", async (t) => {
  const chain = createChain();
  const to = CONTRACTS.store.address;
  const cases = [
    [{ feeCap: 1n }, { ok: false, code: "FEE_CAP_TOO_LOW" }],
    [
      { feeCap: GWEI, tip: GWEI + 1n },
      { ok: false, code: "TIP_ABOVE_FEE_CAP" },
    ],
    [
      { feeCap: 0n, tip: 1n },
      { ok: false, code: "TIP_ABOVE_FEE_CAP" },
    ],
    [{ feeCap: 0n, tip: 0n }, { ok: true }],
    [{ feeCap: 2n * GWEI, tip: 0n }, { ok: true }],
  ] as const;
  for (const [price, expected] of cases) {
    const fields = { to, gasLimit: 100_000n, ...price };
    t.match(await simulateCall(simulationOn(chain), makeRequest(fields)), expected);
    t.match(await estimateOn(chain, fields), expected);
  }
});

/** Least gas limit with which the call succeeds, by trying. */
async function leastGas(chain: TestChain, fields: CallFields): Promise<bigint> {
  let low = 20_999n;
  let high = 1_000_000n;
  while (low + 1n < high) {
    const gasLimit = (low + high) / 2n;
    const { success } = await callOn(chain, { ...fields, gasLimit });
    if (success) high = gasLimit;
    else low = gasLimit;
  }
  return high;
}

t.test("access lists and authorizations cost what they cost, and do what they do", async (t) => {
  const chain = createChain();
  const to = CONTRACTS.store.address;
  const data = fromHex(words(1n, 2n));
  const carol = lower(CAROL.address);
  const signed = await CAROL.signAuthorization({ address: to, chainId: CHAIN_ID, nonce: 0 });
  const authorization = {
    chainId: BigInt(CHAIN_ID),
    address: to,
    nonce: 0n,
    yParity: signed.yParity ?? 0,
    r: BigInt(signed.r),
    s: BigInt(signed.s),
  };
  const lists: readonly CallFields[] = [
    { to, data },
    { to, data, accessList: [{ address: to, storageKeys: [words(1n)] }] },
    { to, data, accessList: [{ address: to, storageKeys: [words(1n), words(7n), words(8n)] }] },
    { to: lower(BOB.address), accessList: [{ address: to, storageKeys: [] }] },
    { to: carol, data, authorizationList: [authorization] },
    { to: lower(BOB.address), authorizationList: [authorization] },
    { to: lower(BOB.address), data: new Uint8Array(3000).fill(7) },
  ];
  const estimates: bigint[] = [];
  for (const fields of lists) {
    const estimate = await estimateOn(chain, fields);
    if (!estimate.ok) throw new Error(estimate.code);
    const least = await leastGas(chain, fields);
    t.ok(estimate.value >= least, `${estimate.value} is enough for ${least}`);
    t.ok(estimate.value * 985n < least * 1000n + 1000n, `${estimate.value} is near ${least}`);
    estimates.push(estimate.value);
  }
  const [bare = 0n, warm = 0n, useless = 0n, , delegated = 0n] = estimates;
  t.ok(warm > bare && useless > warm + 3000n, "a list costs more than the first access it saves");
  t.ok(delegated > 25_000n + bare, "an authorization costs 25,000, and then its code runs");
  const stored = await callOn(chain, {
    to: carol,
    data: fromHex(words(1n, 2n)),
    authorizationList: [authorization],
    gasLimit: 200_000n,
  });
  t.ok(stored.gasUsed > 50_000n, "the delegated code has written");
});

t.test("a request for less than a transfer is one for what the block has", async (t) => {
  const chain = createChain();
  const to = CONTRACTS.looper.address;
  const reason = (gas: bigint) => ({ data: { reason: `gas required exceeds allowance (${gas})` } });
  t.match(await estimateOn(chain, { to, gasLimit: 20_999n }), reason(30_000_000n));
  t.match(await estimateOn(chain, { to, gasLimit: 21_000n }), reason(21_000n));
  const capped = await estimateGas(simulationOn(chain), makeRequest({ to }), 77_000n);
  t.match(capped, reason(77_000n));
});

t.test("a call sees what it pretends, and the chain does not", async (t) => {
  const chain = createChain();
  const poor = lower(POOR.address);
  const { store, ancestor, environment } = CONTRACTS;
  const account = { balance: null, nonce: null, code: null, storageReplaced: false, slots: [] };
  const pretend = (change: object): CallOverrides => ({
    accounts: [{ address: poor, ...account, ...change }],
    block: null,
  });
  const rich = { from: poor, to: store.address, value: 5n };
  t.equal((await callOn(chain, rich)).success, false);
  t.equal((await callOn(chain, rich, pretend({ balance: 5n }))).success, true);
  const pretended = simulationOn(chain, pretend({ balance: 5n }));
  const estimate = await estimateGas(pretended, makeRequest(rich), GAS_MAX);
  t.ok(estimate.ok && estimate.value < 60_000n, "in every run of an estimate");
  // SLOAD(1) returned, in the place of an account without code.
  const load = {
    code: fromHex("0x60015460005260206000f3"),
    slots: [{ slot: words(1n), value: 9n }],
  };
  t.equal(toHex((await callOn(chain, { to: poor }, pretend(load))).output), words(9n));
  const seen = { number: 77, timestamp: 88, gasLimit: 99n, baseFee: 5n, blobBaseFee: 6n };
  const block = { ...seen, beneficiary: ancestor.address, prevRandao: words(4n) };
  const { output } = await callOn(
    chain,
    { to: environment.address, feeCap: 5n, gasLimit: 100_000n },
    { accounts: [], block },
  );
  t.equal(
    toHex(output),
    words(5n, BigInt(ancestor.address), 901n, 88n, 77n, 4n, 99n, 6n),
    "the price is held against the pretended base fee, too",
  );
  t.equal(chain.memory.state.account(poor), null);
});

t.test("storage is replaced whole, or slot by slot", async (t) => {
  const chain = createChain();
  const { address } = CONTRACTS.store;
  const data = words(1n, 5n);
  await chain.block([await sign(ALICE, { to: address, data, gas: 100_000n })]);
  const code = fromHex("0x60015460005260206000f3");
  const read = async (storageReplaced: boolean, slot: bigint): Promise<Hex> => {
    const slots = [{ slot: words(slot), value: 8n }];
    const account = { address, balance: null, nonce: null, code, storageReplaced, slots };
    const { output } = await callOn(chain, { to: address }, { accounts: [account], block: null });
    return toHex(output);
  };
  t.equal(await read(false, 2n), words(5n), "other slots stay");
  t.equal(await read(false, 1n), words(8n));
  t.equal(await read(true, 2n), words(0n), "other slots are gone");
  t.equal(await read(true, 1n), words(8n));
});

t.test("what takes too long ends", async (t) => {
  const chain = createChain();
  let now = 0;
  const poll = createDeadline(50, () => now++);
  const fields = makeRequest({ to: CONTRACTS.looper.address, gasLimit: 10_000_000n });
  await t.rejects(simulateCall({ ...simulationOn(chain), poll }, fields), {
    code: "TIMEOUT",
    data: { timeoutMs: 50 },
  });
  const quick = { ...simulationOn(chain), poll: createDeadline(50, () => 0) };
  t.match(await simulateCall(quick, fields), { value: { error: "out of gas" } });
});
