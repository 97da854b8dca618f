/** Reports one after another, and prices as they come. */
import t from "tap";
import { encodeAbiParameters, encodeEventTopics } from "viem";
import type { Hex } from "../../../lanes/bytes.ts";
import { PRICE_FEEDS } from "../../../lanes/epoch-transaction.ts";
import type { ReportAcknowledgement } from "../../../rpc/sdk/lane-actions.ts";
import { priceFeedsAbi } from "../../../rpc/sdk/price-feeds.ts";
import { type PriceTold, watchPrices } from "../../../rpc/sdk/price-watch.ts";
import { streamReports } from "../../../rpc/sdk/report-stream.ts";
import type { SubmittableReport } from "../../../rpc/sdk/reports.ts";

const hashOf = (id: number): Hex => `0x${id.toString(16).padStart(64, "0")}`;
const reportOf = (id: number): SubmittableReport => {
  return { source: "0x0", bytes: "0x", feedSet: hashOf(0), hash: hashOf(id) };
};
/** A promise, and what settles it. */
function pending() {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<void>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

t.test("so many are on their way, and each is answered for", async (t) => {
  const open: { id: number; settle: (isTaken: boolean) => void }[] = [];
  const taken: Hex[] = [];
  const failed: Hex[] = [];
  const stream = streamReports(
    {
      submitReport: ({ hash }) =>
        new Promise((resolve, reject) => {
          const settle = (isTaken: boolean): void => {
            if (isTaken) resolve({ hash } as ReportAcknowledgement);
            else reject(new Error("refused"));
          };
          open.push({ id: Number(hash), settle });
        }),
    },
    {
      inFlightMax: 2,
      onTaken: (_, { hash }) => taken.push(hash),
      onFailed: (_, { hash }) => failed.push(hash),
    },
  );
  const sending = [1, 2, 3].map((id) => stream.send(reportOf(id)));
  await turn();
  t.same(
    open.map(({ id }) => id),
    [1, 2],
  );
  open[1]?.settle(false);
  await sending[2];
  t.equal(open.length, 3);
  const ended = stream.end();
  open[0]?.settle(true);
  open[2]?.settle(true);
  await ended;
  t.same([taken, failed], [[hashOf(1), hashOf(3)], [hashOf(2)]]);
  t.throws(
    () =>
      streamReports({ submitReport: () => Promise.reject(new Error("never")) }, { inFlightMax: 0 }),
    RangeError,
  );
});

/** A node that tells flashblocks when it is asked to, and has these receipts. */
function fakeNode() {
  let tell: (data: { result: unknown }) => void = () => undefined;
  const receipts = new Map<Hex, unknown>();
  const errors: unknown[] = [];
  const client = {
    transport: {
      subscribe: ({ onData }: { onData: typeof tell }) => {
        tell = onData;
        return Promise.resolve({ unsubscribe: () => Promise.resolve() });
      },
    },
    request: ({ params }: { params: readonly [Hex] }) =>
      Promise.resolve(receipts.get(params[0]) ?? null),
  };
  const place = (hash: Hex, rank: Hex, ready: Hex) => ({ hash, rank, ready });
  return {
    client: client as unknown as Parameters<typeof watchPrices>[0],
    receipts,
    errors,
    flashblock(epoch: Hex | null) {
      const transactions = [
        place(hashOf(900), "0x0", "0x0"),
        ...(epoch === null ? [] : [place(epoch, "0x0", "0x9")]),
        place(hashOf(901), "0x1", "0xa"),
      ];
      tell({ result: { transactions } });
    },
  };
}

function receiptOf(prices: readonly (readonly [feed: number, value: bigint])[]) {
  const types = ["int128", "uint128", "uint64", "uint8", "uint8"].map((type) => ({ type }));
  const logOf = ([feed, value]: readonly [number, bigint]) => ({
    address: PRICE_FEEDS,
    topics: encodeEventTopics({
      abi: priceFeedsAbi,
      eventName: "PriceUpdated",
      args: { feedId: hashOf(feed) },
    }),
    data: encodeAbiParameters(types, [value, 3n, 1_700_000_000_123n, 2, 1]),
  });
  const stranger = { ...logOf([1, 666n]), address: `0x${"66".repeat(20)}` };
  const applied = {
    ...stranger,
    address: PRICE_FEEDS,
    topics: encodeEventTopics({
      abi: priceFeedsAbi,
      eventName: "EpochApplied",
      args: { epoch: 5n },
    }),
    data: encodeAbiParameters(
      ["uint64", "uint72", "bytes32"].map((type) => ({ type })),
      [5n, 6n, hashOf(0)],
    ),
  };
  return { blockNumber: "0x7", logs: [stranger, ...prices.map(logOf), applied] };
}

t.test("prices are told in their order, a receipt that is late too", async (t) => {
  const { client, receipts, flashblock } = fakeNode();
  const told: PriceTold[] = [];
  const late = pending();
  const stop = await watchPrices(client, {
    feedIds: [hashOf(1), hashOf(2)],
    onPrice(price) {
      told.push(price);
      if (price.value === 30n) late.resolve();
    },
    onError(error) {
      late.reject(error);
    },
  });
  flashblock(null);
  flashblock(hashOf(100));
  receipts.set(hashOf(101), receiptOf([[1, 30n]]));
  flashblock(hashOf(101));
  await turn();
  t.same(told, [], "the first has no receipt yet");
  const first = [
    [1, -20n],
    [2, 21n],
    [3, 22n],
  ] as const;
  receipts.set(hashOf(100), receiptOf(first));
  await late.promise;
  t.same(
    told.map(({ feedId, value }) => [Number(feedId), value]),
    [
      [1, -20n],
      [2, 21n],
      [1, 30n],
    ],
  );
  t.match(told[0], {
    ...{ confidence: 3n, timeMs: 1_700_000_000_123, session: 2, status: 1, blockNumber: 7 },
  });
  await stop();
});

t.test("an epoch without a receipt is an error, and the others are told", async (t) => {
  const { client, receipts, flashblock } = fakeNode();
  const told: bigint[] = [];
  const errors: unknown[] = [];
  const both = pending();
  const stop = await watchPrices(client, {
    onPrice({ value }) {
      told.push(value);
      both.resolve();
    },
    onError: (error) => errors.push(error),
  });
  receipts.set(hashOf(8), receiptOf([[4, 8n]]));
  flashblock(hashOf(7));
  flashblock(hashOf(8));
  await both.promise;
  t.match(errors, [{ message: /no receipt of epoch/ }]);
  t.same(told, [8n]);
  await stop();
  const http = { transport: {} } as unknown as typeof client;
  await t.rejects(watchPrices(http, { onPrice: () => undefined }), RangeError);
});
