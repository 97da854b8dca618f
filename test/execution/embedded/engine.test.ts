import t from "tap";
import { bytesToBigint, fromHex, type Hex, toHex, ZERO_ADDRESS } from "../../../lanes/bytes.ts";
import { NodeError } from "../../../node/errors.ts";
import type { StateSlice } from "../../../node/execution/engine.ts";
import { nextBaseFee } from "../../../node/primitives/base-fee.ts";
import {
  BASE_FEE_VAULT,
  BEACON_ROOTS,
  HISTORY_STORAGE,
  SEQUENCER_FEE_VAULT,
} from "../../../node/primitives/predeploys.ts";
import { EMPTY_TRIE_ROOT, headerHash } from "../../../node/primitives/header.ts";
import { callOn } from "../fixtures/call.ts";
import {
  ALICE,
  attributes,
  BOB,
  CAROL,
  CONTRACTS,
  createChain,
  ETHER,
  GWEI,
  initCode,
  lower,
  makeConfig,
  POOR,
  receiptOf,
  sign,
  words,
} from "../fixtures/chain.ts";

const slot = (index: bigint): Hex => words(index);

t.test(
  "a transfer moves value, pays tip and base fee to their vaults, creates no wei",
  async (t) => {
    const { engine, environment, close, memory } = createChain();
    await engine.open(environment());
    const total = (): bigint =>
      [lower(ALICE.address), lower(BOB.address), SEQUENCER_FEE_VAULT, BASE_FEE_VAULT]
        .map((address) => engine.account(address).balance)
        .reduce((a, b) => a + b);
    const before = total();
    const baseFee = engine.baseFee();
    const receipt = receiptOf(
      await engine.apply(await sign(ALICE, { to: lower(BOB.address), value: ETHER, gas: 50_000n })),
    );
    t.equal(receipt.status, 1);
    t.equal(receipt.gasUsed, 21_000n);
    t.equal(receipt.effectiveGasPrice, baseFee + GWEI);
    t.equal(engine.account(SEQUENCER_FEE_VAULT).balance, 21_000n * GWEI);
    t.equal(engine.account(BASE_FEE_VAULT).balance, 21_000n * baseFee);
    t.equal(
      engine.account(lower(ALICE.address)).balance,
      999n * ETHER - 21_000n * receipt.effectiveGasPrice,
    );
    t.equal(engine.account(lower(ALICE.address)).nonce, 1n);
    t.equal(total(), before);
    t.equal(engine.gasUsed(), 21_000n);
    const { block, receipts } = await close();
    t.equal(block.header.gasUsed, 21_000n);
    t.equal(receipts.length, 1);
    t.equal(memory.state.account(lower(BOB.address))?.balance, 1001n * ETHER);
    t.equal(
      engine.account(lower(BOB.address)).balance,
      1001n * ETHER,
      "the head, with no block open",
    );
  },
);

t.test("the header is an L2 header: PROTOCOL 6", async (t) => {
  const chain = createChain();
  const { block } = await chain.block([attributes(chain.rollup)]);
  const { header } = block;
  t.equal(headerHash(header), block.hash);
  t.match(header, {
    number: 1,
    beneficiary: "0x4200000000000000000000000000000000000011",
    difficulty: 0n,
    prevRandao: `0x${"77".repeat(32)}`,
    parentBeaconBlockRoot: `0x${"be".repeat(32)}`,
    withdrawalsRoot: EMPTY_TRIE_ROOT,
    blobGasUsed: 0n,
    excessBlobGas: 0n,
    requestsHash: "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  });
  t.equal(toHex(header.extraData), "0x00000000fa00000006");
});

t.test("contract creation deploys, and a failed one leaves only nonce and fee", async (t) => {
  const { engine, environment, close, memory } = createChain();
  await engine.open(environment());
  const runtime: Hex = CONTRACTS.store.code;
  const created = receiptOf(
    await engine.apply(await sign(ALICE, { data: initCode(runtime), value: 5n })),
  );
  t.equal(created.status, 1);
  const address = created.contractAddress!;
  t.equal(engine.account(address).balance, 5n);
  t.equal(engine.account(address).nonce, 1n);
  const failed = receiptOf(
    await engine.apply(await sign(ALICE, { nonce: 1, data: "0x60006000fd", value: 5n })),
  );
  t.equal(failed.status, 0);
  t.equal(engine.account(lower(ALICE.address)).nonce, 2n);
  t.ok(failed.gasUsed < 60_000n, "a revert gives the gas left back");
  const { diff } = await close();
  t.same(
    diff.codes.map(({ code }) => toHex(code)),
    [runtime],
  );
  t.equal(toHex(memory.state.code(memory.state.account(address)!.codeHash)), runtime);
});

t.test("revert and out of gas undo the call and keep fee and nonce", async (t) => {
  const { engine, environment } = createChain();
  await engine.open(environment());
  const reverted = receiptOf(
    await engine.apply(await sign(ALICE, { to: CONTRACTS.reverter.address, value: 9n })),
  );
  t.equal(reverted.status, 0);
  t.ok(reverted.gasUsed < 30_000n);
  const exhausted = receiptOf(
    await engine.apply(await sign(ALICE, { nonce: 1, to: CONTRACTS.looper.address, gas: 60_000n })),
  );
  t.equal(exhausted.status, 0);
  t.equal(exhausted.gasUsed, 60_000n);
  t.same(exhausted.logs, []);
  t.equal(engine.account(CONTRACTS.reverter.address).balance, 0n);
  t.equal(engine.account(lower(ALICE.address)).nonce, 2n);
  const price = reverted.effectiveGasPrice;
  t.equal(
    engine.account(lower(ALICE.address)).balance,
    1000n * ETHER - price * (reverted.gasUsed + 60_000n),
  );
});

t.test("storage costs and refunds follow EIP-2200, 2929 and 3529", async (t) => {
  const { engine, environment, close, memory } = createChain();
  const to = CONTRACTS.store.address;
  const write = async (nonce: number, key: bigint, value: bigint, storageKeys?: Hex[]) => {
    const accessList = storageKeys === undefined ? [] : [{ address: to, storageKeys }];
    const data = words(key, value);
    return receiptOf(await engine.apply(await sign(ALICE, { nonce, to, data, accessList })));
  };
  // 21,000 + calldata + three pushes and loads.
  const base = (data: Hex): bigint =>
    21_000n + fromHex(data).reduce((gas, byte) => gas + (byte === 0 ? 4n : 16n), 0n) + 12n;
  await engine.open(environment());
  const set = await write(0, 1n, 2n);
  t.equal(set.gasUsed, base(words(1n, 2n)) + 22_100n, "cold, from zero");
  const change = await write(1, 1n, 3n);
  t.equal(change.gasUsed, base(words(1n, 3n)) + 5_000n, "cold, from another value");
  const same = await write(2, 1n, 3n);
  t.equal(same.gasUsed, base(words(1n, 3n)) + 2_200n, "cold, no change");
  await close();
  t.equal(memory.state.slot(CONTRACTS.store.address, slot(1n)), 3n);
  await engine.open(environment());
  const clear = await write(3, 1n, 0n, [slot(1n)]);
  const listed = 2_400n + 1_900n - 2_100n;
  t.equal(clear.gasUsed, base(words(1n, 0n)) + listed + 5_000n - 4_800n, "clearing refunds");
  const { diff } = await close();
  t.equal(memory.state.slot(CONTRACTS.store.address, slot(1n)), 0n);
  const cleared = diff.accounts.find(({ address }) => address === CONTRACTS.store.address)!;
  t.equal(cleared.after?.storageRoot, EMPTY_TRIE_ROOT);
  t.same(cleared.slots, [{ slot: slot(1n), before: 3n, after: 0n }]);
});

t.test("an access list warms what it names and costs what EIP-2930 says", async (t) => {
  const { engine, environment } = createChain();
  await engine.open(environment());
  const data = words(1n, 2n);
  const to = CONTRACTS.store.address;
  const plain = receiptOf(await engine.apply(await sign(ALICE, { to, data })));
  const listed = receiptOf(
    await engine.apply(
      await sign(BOB, {
        type: "eip2930",
        to,
        data: words(2n, 2n),
        accessList: [{ address: to, storageKeys: [slot(2n)] }],
      }),
    ),
  );
  t.equal(listed.gasUsed, plain.gasUsed + 2_400n + 1_900n - 2_100n);
});

t.test("calldata pays the EIP-7623 floor", async (t) => {
  const { engine, environment } = createChain();
  await engine.open(environment());
  const data: Hex = `0x${"ff".repeat(1000)}${"00".repeat(100)}`;
  const to = lower(BOB.address);
  const receipt = receiptOf(await engine.apply(await sign(ALICE, { to, data })));
  t.equal(receipt.gasUsed, 21_000n + 10n * (4n * 1000n + 100n));
  const floorLess1 = await sign(ALICE, { nonce: 1, to, data, gas: receipt.gasUsed - 1n });
  t.same(await engine.apply(floorLess1), { ok: false, code: "INTRINSIC_GAS_TOO_LOW" });
});

t.test(
  "EIP-7702 delegates, counts the nonce, refunds existing authorities, and can be undone",
  async (t) => {
    const { engine, environment, close, memory } = createChain();
    await engine.open(environment());
    const delegate = CONTRACTS.store.address;
    const authorization = await CAROL.signAuthorization({
      address: delegate,
      chainId: 901,
      nonce: 0,
    });
    const stale = await CAROL.signAuthorization({ address: delegate, chainId: 901, nonce: 7 });
    const foreign = await CAROL.signAuthorization({ address: delegate, chainId: 5, nonce: 1 });
    const carol = lower(CAROL.address);
    const receipt = receiptOf(
      await engine.apply(
        await sign(ALICE, {
          type: "eip7702",
          to: carol,
          data: words(1n, 42n),
          authorizationList: [authorization, stale, foreign],
        }),
      ),
    );
    t.equal(receipt.status, 1);
    t.equal(engine.account(carol).nonce, 1n);
    const calldata = fromHex(words(1n, 42n)).reduce((gas, b) => gas + (b === 0 ? 4n : 16n), 0n);
    const spent = 21_000n + calldata + 3n * 25_000n + 12n + 22_100n;
    t.equal(receipt.gasUsed, spent - 12_500n);
    // An account with a delegation still sends (EIP-3607 with 7702).
    const sent = await sign(CAROL, { nonce: 1, to: lower(BOB.address), value: 1n });
    t.equal(receiptOf(await engine.apply(sent)).status, 1);
    await close();
    t.equal(memory.state.slot(carol, slot(1n)), 42n, "the code ran in the authority's storage");
    const code = memory.state.code(memory.state.account(carol)!.codeHash);
    t.equal(toHex(code), `0xef0100${delegate.slice(2)}`);

    await engine.open(environment());
    const undo = await CAROL.signAuthorization({ address: ZERO_ADDRESS, chainId: 0, nonce: 2 });
    receiptOf(
      await engine.apply(
        await sign(ALICE, {
          type: "eip7702",
          nonce: 1,
          to: lower(BOB.address),
          authorizationList: [undo],
        }),
      ),
    );
    await close();
    t.match(memory.state.account(carol), {
      nonce: 3n,
      codeHash: "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
    });
  },
);

t.test("self-destruction deletes only what the same transaction created (EIP-6780)", async (t) => {
  const { engine, environment, close, memory } = createChain();
  await engine.open(environment());
  // Stores, then destructs, within its own creation.
  const inCreation = receiptOf(
    await engine.apply(await sign(ALICE, { data: "0x602a60015533ff", value: 3n })),
  );
  t.equal(inCreation.status, 1);
  const old = receiptOf(
    await engine.apply(
      await sign(ALICE, { nonce: 1, to: CONTRACTS.destructor.address, value: 4n }),
    ),
  );
  t.equal(old.status, 1);
  const { diff } = await close();
  t.equal(memory.state.account(inCreation.contractAddress!), null);
  t.notOk(diff.accounts.some(({ address }) => address === inCreation.contractAddress));
  t.equal(memory.state.account(CONTRACTS.destructor.address)?.nonce, 1n, "the old one stays");
  t.equal(memory.state.account(CONTRACTS.destructor.address)?.balance, 0n);
});

t.test("touched empty accounts do not come into being (EIP-161)", async (t) => {
  const { engine, environment, close } = createChain();
  await engine.open(environment());
  const empty: Hex = `0x${"e0".repeat(20)}`;
  receiptOf(await engine.apply(await sign(ALICE, { to: empty })));
  receiptOf(
    await engine.apply(
      await sign(ALICE, { nonce: 1, to: CONTRACTS.caller.address, data: words(BigInt(empty)) }),
    ),
  );
  const { diff } = await close();
  t.notOk(diff.accounts.some(({ address }) => address === empty));
  t.notOk(
    diff.accounts.some(({ address }) => address.startsWith("0xffffffff")),
    "nor the system's",
  );
});

t.test("every reason to reject has its code and leaves no trace", async (t) => {
  const contract = privateContract();
  const chain = createChain(makeConfig({ alloc: { [contract]: { balance: "9", code: "0x00" } } }));
  const { engine, environment } = chain;
  const to = lower(BOB.address);
  const signed = (fields: Parameters<typeof sign>[1]) => sign(ALICE, { to, ...fields });
  const authorization = await CAROL.signAuthorization({ address: to, chainId: 901, nonce: 0 });
  const delegated = await signed({ type: "eip7702", authorizationList: [authorization] });
  const bad = [
    [await signed({ nonce: 1 }), "NONCE_TOO_HIGH"],
    [await signed({ maxFeePerGas: 1n, maxPriorityFeePerGas: 0n }), "FEE_CAP_TOO_LOW"],
    [await signed({ gas: 20_999n }), "INTRINSIC_GAS_TOO_LOW"],
    [await signed({ gas: 30_000_001n }), "BLOCK_GAS_EXCEEDED"],
    [await signed({ value: 1001n * ETHER }), "INSUFFICIENT_FUNDS"],
    [await sign(POOR, { to }), "INSUFFICIENT_FUNDS"],
    [await signed({ chainId: 902 }), "TX_INVALID"],
    [{ ...(await signed({})), maxPriorityFeePerGas: 10n ** 18n }, "TX_INVALID"],
    [{ ...delegated, authorizationList: [] }, "TX_INVALID"],
    [{ ...delegated, to: null }, "TX_INVALID"],
    [await sign(ALICE, { data: `0x${"00".repeat(49_153)}`, gas: 5_000_000n }), "TX_INVALID"],
    [{ ...(await signed({})), sender: contract }, "SENDER_NOT_EOA"],
  ] as const;
  await engine.open(environment());
  for (const [transaction, code] of bad)
    t.same(await engine.apply(transaction), { ok: false, code }, code);
  receiptOf(await engine.apply(await signed({})));
  t.same(await engine.apply(await signed({})), { ok: false, code: "NONCE_TOO_LOW" });
  const withBad = await engine.seal();

  const clean = createChain(chain.rollup);
  const without = await clean.block([await signed({})]);
  t.equal(withBad.block.hash, without.block.hash);
  t.same(withBad.diff, without.diff);
  t.same(withBad.trie, without.trie);
});

function privateContract(): Hex {
  return `0x${"c9".repeat(20)}`;
}

t.test("EIP-4788 and EIP-2935 keep the beacon root and the parent hash", async (t) => {
  const chain = createChain();
  const genesis = chain.head();
  const { block } = await chain.block([]);
  const { state } = chain.memory;
  const ring = BigInt(block.header.timestamp % 8191);
  t.equal(state.slot(BEACON_ROOTS, slot(ring)), BigInt(block.header.timestamp));
  t.equal(state.slot(BEACON_ROOTS, slot(ring + 8191n)), BigInt(`0x${"be".repeat(32)}`));
  t.equal(state.slot(HISTORY_STORAGE, slot(0n)), BigInt(genesis.hash));

  await chain.block([]);
  const ask = async (number: bigint): Promise<bigint> => {
    const to = CONTRACTS.ancestor.address;
    const result = await callOn(chain, { to, data: fromHex(words(number)), gasLimit: 100_000n });
    return bytesToBigint(result.output);
  };
  t.equal(await ask(0n), BigInt(genesis.hash), "BLOCKHASH of an older block");
  t.equal(await ask(1n), BigInt(block.hash), "and of the parent");
  t.equal(await ask(2n), 0n, "not of the block itself");
});

t.test("the base fee follows EIP-1559 with the rollup's parameters", async (t) => {
  const chain = createChain(makeConfig({ gasLimit: "600000" }));
  const genesisFee = 10n ** 9n;
  await chain.engine.open(chain.environment());
  t.equal(chain.engine.baseFee(), genesisFee - genesisFee / 250n, "empty parent: down by 1/250");
  const gas = 400_000n;
  receiptOf(await chain.engine.apply(await sign(ALICE, { to: CONTRACTS.looper.address, gas })));
  const { block } = await chain.close();
  const target = 100_000n;
  const fee = block.header.baseFeePerGas;
  const up = (fee * (gas - target)) / target / 250n;
  await chain.engine.open(chain.environment());
  t.equal(chain.engine.baseFee(), fee + up);

  const parameters = { denominator: 250, elasticity: 6 };
  const header = { ...block.header, gasUsed: target };
  t.equal(nextBaseFee(header, parameters), fee, "at the target it stays");
  t.equal(
    nextBaseFee({ ...header, gasUsed: target + 1n, baseFeePerGas: 7n }, parameters),
    8n,
    "above the target it rises by at least one wei",
  );
});

t.test("the same block on fresh engines is the same block", async (t) => {
  const rollup = makeConfig();
  const transactions = [
    attributes(rollup),
    await sign(ALICE, { to: lower(BOB.address), value: 1n }),
    await sign(BOB, { data: initCode(CONTRACTS.store.code) }),
    await sign(CAROL, { to: CONTRACTS.logger.address, data: words(5n) }),
  ];
  const first = await createChain(rollup).block(transactions);
  const second = await createChain(rollup).block(transactions);
  t.same(first, second);
  t.match(first.receipts.at(-1)?.logs, [
    { address: CONTRACTS.logger.address, topics: [words(7n)], data: fromHex(words(5n)) },
  ]);
  t.ok(first.block.header.logsBloom.some((byte) => byte !== 0));
});

t.test("discard forgets the block; rebase follows a rollback of the store", async (t) => {
  const chain = createChain();
  const { engine, environment, memory } = chain;
  const start = chain.head();
  const transfer = await sign(ALICE, { to: lower(BOB.address), value: 1n });
  await engine.open(environment());
  receiptOf(await engine.apply(transfer));
  await engine.seal();
  await engine.discard();
  t.equal(engine.account(lower(ALICE.address)).nonce, 0n);
  const executed = await chain.block([transfer]);
  t.equal(engine.account(lower(ALICE.address)).nonce, 1n);

  memory.rollback(executed);
  await engine.rebase(start);
  t.equal(engine.account(lower(ALICE.address)).nonce, 0n);
  await engine.open({ ...environment(), parent: start, timestamp: start.header.timestamp + 1 });
  receiptOf(await engine.apply(transfer));
  t.equal((await engine.seal()).block.hash, executed.block.hash, "the same nodes and state again");
});

t.test("the engine refuses two calls at once and a foreign parent", async (t) => {
  const { engine, environment, head } = createChain();
  const parent = { ...head(), hash: words(1n) };
  await t.rejects(engine.open({ ...environment(), parent }));
  await engine.open(environment());
  const transaction = await sign(ALICE, { to: lower(BOB.address) });
  const first = engine.apply(transaction);
  await t.rejects(engine.apply(transaction));
  t.equal((await first).ok, true);
});

t.test("a read that fails in the middle of a transaction leaves nothing of it", async (t) => {
  const chain = createChain();
  const { engine, environment, memory } = chain;
  const store = CONTRACTS.store.address;
  await chain.block([await sign(ALICE, { to: store, data: words(1n, 2n) })]);
  const next = await sign(ALICE, { nonce: 1, to: store, value: 5n, data: words(2n, 2n) });
  const state = memory.state as { slot: (address: Hex, slot: Hex) => bigint };
  const { slot: healthy } = state;
  await engine.open(environment());
  state.slot = () => {
    throw new NodeError("STORAGE_CORRUPT", { record: "slot" });
  };
  await t.rejects(engine.apply(next), { code: "STORAGE_CORRUPT" });
  state.slot = healthy;
  t.equal(engine.account(lower(ALICE.address)).nonce, 1n);
  t.equal(engine.account(store).balance, 0n);
  t.equal(engine.gasUsed(), 0n);
  t.equal(receiptOf(await engine.apply(next)).status, 1, "and the block goes on");
});

t.test("the hasher hears what was there before, so that it need not read leaves", async (t) => {
  const slices: StateSlice[] = [];
  const chain = createChain(makeConfig(), {
    wrapRoots: (roots) => ({
      ...roots,
      extend(slice, lists) {
        slices.push(slice);
        return roots.extend(slice, lists);
      },
    }),
  });
  const { state } = chain.memory;
  for (const value of [2n, 3n]) {
    const data = words(1n, value);
    const nonce = Number(value) - 2;
    await chain.engine.open(chain.environment());
    const call = await sign(ALICE, { nonce, to: CONTRACTS.store.address, data });
    receiptOf(await chain.engine.apply(call));
    chain.engine.endSlice();
    for (const { address, committed, slots } of slices.flat()) {
      t.same(committed, state.account(address), address);
      for (const { slot, committed: was } of slots) t.equal(was, state.slot(address, slot));
    }
    slices.length = 0;
    await chain.close();
    slices.length = 0;
  }
  t.equal(state.slot(CONTRACTS.store.address, words(1n)), 3n);
});
