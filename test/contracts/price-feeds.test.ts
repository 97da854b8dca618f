/** What PriceFeeds lets in, what it keeps of it, and what an epoch costs. */
import t from "tap";
import { decodeFunctionResult, encodeFunctionData, toFunctionSelector } from "viem";
import { priceFeedsAbi } from "../../rpc/sdk/price-feeds.ts";
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import type { FeedUpdate } from "../../lanes/epoch.ts";
import {
  EPOCH_SENDER,
  type EpochWrite,
  epochTransaction,
  PRICE_FEEDS,
} from "../../lanes/epoch-transaction.ts";
import { epochDeposit } from "../../node/chain/epochs.ts";
import { callOn } from "../execution/fixtures/call.ts";
import {
  ALICE,
  attributes,
  createChain,
  deposit,
  lower,
  makeConfig,
  receiptOf,
  sign,
  type TestChain,
} from "../execution/fixtures/chain.ts";

const TIME_MS = 1_700_000_000_123;
const INTRINSIC_GAS = 21_000n;
const MIN_INT128 = -(2n ** 127n);
const U64_MAX = 2n ** 64n - 1n;

const feedOf = (index: number): Hex => `0x${(index + 1).toString(16).padStart(64, "f")}`;

function updateOf(index: number, change: Partial<FeedUpdate> = {}): FeedUpdate {
  const value = 1000n + BigInt(index);
  return {
    ...{ feedId: feedOf(index), value, confidence: 7n, timeMs: TIME_MS - 5 },
    ...{ session: 2, status: 0 as const },
    ...change,
  };
}

function epochOf(epoch: number, updates: readonly FeedUpdate[], change: Partial<EpochWrite> = {}) {
  return epochDeposit(
    epochTransaction({
      ...{ blockNumber: epoch, flashblock: 0, epoch, timeMs: TIME_MS + epoch },
      ...{ cut: 9n, reportHashes: [], downSinceMs: 0, updates },
      ...change,
    }),
  );
}

/** One block with the attributes and this; its receipt. */
async function apply(chain: TestChain, transaction: ReturnType<typeof epochOf>) {
  await chain.engine.open(chain.environment());
  receiptOf(await chain.engine.apply(attributes(chain.rollup)));
  const receipt = receiptOf(await chain.engine.apply(transaction));
  await chain.close();
  return receipt;
}

type Question = "getMarket" | "newestEpoch";

async function ask(chain: TestChain, functionName: Question, ...args: Hex[]) {
  const request = { abi: priceFeedsAbi, functionName, args } as Parameters<
    typeof encodeFunctionData
  >[0];
  const data = fromHex(encodeFunctionData(request));
  return callOn(chain, { to: PRICE_FEEDS, data });
}

async function read(chain: TestChain, functionName: Question, ...args: Hex[]) {
  const { success, output } = await ask(chain, functionName, ...args);
  if (!success) throw new Error(`${functionName} reverts with ${toHex(output)}`);
  const answer = { abi: priceFeedsAbi, functionName, data: toHex(output) };
  return decodeFunctionResult(answer as Parameters<typeof decodeFunctionResult>[0]);
}

const create = (): TestChain => createChain(makeConfig({ gasLimit: "60000000" }));

t.test("only the protocol's address writes", async (t) => {
  const chain = create();
  const epoch = epochOf(1, [updateOf(0)]);
  const copy = { to: PRICE_FEEDS, data: epoch.data, gasLimit: epoch.gasLimit };
  const result = await callOn(chain, { ...copy, from: lower(ALICE.address) });
  t.equal(result.success, false);
  t.equal(toHex(result.output.subarray(0, 4)), toFunctionSelector("NotTheProtocol(address)"));
  const stranger = deposit({ ...copy, sender: lower(ALICE.address) });
  t.equal((await apply(chain, stranger)).status, 0, "no deposit from L1");
  const signed = await sign(ALICE, { to: PRICE_FEEDS, data: toHex(epoch.data), nonce: 1 });
  const { receipts } = await chain.block([attributes(chain.rollup, 1n), signed]);
  t.equal(receipts[1]?.status, 0, "no transaction");
  t.match(await read(chain, "newestEpoch"), { number: 0n });
  t.equal((await apply(chain, deposit({ ...copy, sender: EPOCH_SENDER }))).status, 1);
  t.match(await read(chain, "newestEpoch"), { number: 1n });
});

t.test("epochs count by one", async (t) => {
  const chain = create();
  t.equal((await apply(chain, epochOf(2, [updateOf(0)]))).status, 0, "the first is 1");
  t.equal((await apply(chain, epochOf(1, [updateOf(0)]))).status, 1);
  for (const [name, number] of [
    ["the same once more", 1],
    ["one left out", 3],
    ["none", 0],
  ] as const)
    t.equal((await apply(chain, epochOf(number, [updateOf(0, { value: 5n })]))).status, 0, name);
  t.match(await read(chain, "getMarket", feedOf(0)), { value: 1000n }, "nothing was written");
  t.equal((await apply(chain, epochOf(2, []))).status, 1);
  t.match(await read(chain, "newestEpoch"), { number: 2n, timeMs: BigInt(TIME_MS + 2) });
});

t.test("a market is what the newest epoch of its feed says", async (t) => {
  const chain = create();
  const unknown = await ask(chain, "getMarket", feedOf(0));
  t.equal(unknown.success, false);
  t.equal(
    toHex(unknown.output),
    `${toFunctionSelector("FeedUnknown(bytes32)")}${feedOf(0).slice(2)}`,
  );
  const updates = [
    updateOf(0, { value: MIN_INT128, confidence: U64_MAX, session: 7, status: 1 }),
    updateOf(1, { value: -MIN_INT128 - 1n, confidence: U64_MAX + 1n }),
    updateOf(2, { confidence: 2n ** 128n - 1n }),
  ];
  t.equal((await apply(chain, epochOf(1, updates))).status, 1);
  const timeMs = TIME_MS - 5;
  t.same(await read(chain, "getMarket", feedOf(0)), {
    ...{ value: MIN_INT128, confidence: U64_MAX, timeMs, session: 7, status: 1 },
  });
  t.same(await read(chain, "getMarket", feedOf(1)), {
    ...{ value: -MIN_INT128 - 1n, confidence: U64_MAX, timeMs, session: 2, status: 0 },
  });
  t.match(await read(chain, "getMarket", feedOf(2)), { value: 1002n, confidence: U64_MAX });
  t.equal((await apply(chain, epochOf(2, [updateOf(1)]))).status, 1);
  t.match(await read(chain, "getMarket", feedOf(1)), { value: 1001n, confidence: 7n });
  t.match(await read(chain, "getMarket", feedOf(0)), { value: MIN_INT128 }, "the others stay");
});

t.test("an outage is kept until the next one", async (t) => {
  const chain = create();
  t.equal((await apply(chain, epochOf(1, [], { downSinceMs: 77_000 }))).status, 1);
  t.equal((await apply(chain, epochOf(2, [updateOf(0)]))).status, 1);
  t.same(await read(chain, "newestEpoch"), {
    ...{ number: 2n, timeMs: BigInt(TIME_MS + 2) },
    ...{ downSinceMs: 77_000n, upSinceMs: BigInt(TIME_MS + 1) },
  });
});

t.test("an epoch's gas is enough for any number of feeds", async (t) => {
  for (const count of [1, 20]) {
    const chain = create();
    const updates = Array.from({ length: count }, (_, index) => updateOf(index));
    for (const [epoch, name] of [
      [1, "first values"],
      [2, "new values"],
    ] as const) {
      const transaction = epochOf(epoch, updates, { downSinceMs: 5 });
      const { status, gasUsed } = await apply(chain, transaction);
      t.equal(status, 1);
      t.ok(2n * gasUsed < transaction.gasLimit, `${gasUsed} of ${transaction.gasLimit}`);
      t.comment(`applyEpoch, ${count} feeds, ${name}: ${gasUsed} gas`);
    }
    const { gasUsed } = await ask(chain, "getMarket", feedOf(0));
    t.comment(`getMarket: ${gasUsed} gas, ${gasUsed - INTRINSIC_GAS} without the transaction`);
  }
});
