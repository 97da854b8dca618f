/** Reports one after another, and prices as they come. */
import t from "tap";
import { decodeFunctionData, encodeFunctionResult, RpcRequestError } from "viem";
import type { Hex } from "../../../lanes/bytes.ts";
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

/** A node that tells flashblocks when it is asked to, and has these markets. */
function fakeNode() {
  let tell: (data: { result: unknown }) => void = () => undefined;
  const markets = new Map<string, bigint>();
  let calls = 0;
  let hold: Promise<unknown> = Promise.resolve();
  const client = {
    transport: {
      subscribe: ({ onData }: { onData: typeof tell }) => {
        tell = onData;
        return Promise.resolve({ unsubscribe: () => Promise.resolve() });
      },
    },
    async request({ method, params }: { method: string; params: readonly [{ data: Hex }] }) {
      if (method === "lane_feeds")
        return { feeds: [{ feedId: hashOf(1) }, { feedId: hashOf(2) }, { feedId: hashOf(3) }] };
      calls += 1;
      await hold;
      const { args } = decodeFunctionData({ abi: priceFeedsAbi, data: params[0].data });
      const value = markets.get(String(args[0]));
      if (value === undefined) throw revert;
      if (value < 0n) throw new Error("no connection");
      const timeMs = 1_700_000_000_000 + Number(value);
      const result = { value, confidence: 3n, timeMs, session: 2, status: 1 };
      return encodeFunctionResult({ abi: priceFeedsAbi, functionName: "getMarket", result });
    },
  };
  const place = (rank: Hex, ready: Hex) => ({ rank, ready });
  return {
    client,
    markets,
    calls: () => calls,
    holdUntil(until: Promise<unknown>) {
      hold = until;
    },
    flashblock(hasEpoch: boolean) {
      const epoch = hasEpoch ? [place("0x0", "0x9")] : [];
      tell({ result: { transactions: [place("0x0", "0x0"), ...epoch, place("0x1", "0xa")] } });
    },
  };
}

const revert = new RpcRequestError({
  ...{ body: {}, url: "", error: { code: 3, message: "execution reverted" } },
});

t.test("prices are told when they have changed, and nothing else is", async (t) => {
  const { client, markets, calls, flashblock } = fakeNode();
  const told: PriceTold[] = [];
  const stop = await watchPrices(client, {
    onPrice: (price) => told.push(price),
    onError: (error) => t.fail(String(error)),
  });
  flashblock(false);
  t.equal(calls(), 0, "no epoch, no question");
  markets.set(hashOf(1), 20n).set(hashOf(2), 21n);
  flashblock(true);
  await turn();
  await turn();
  t.same(
    told.map(({ feedId, value }) => [Number(feedId), value]),
    [
      [1, 20n],
      [2, 21n],
    ],
    "the third has never had a value",
  );
  t.match(told[0], { confidence: 3n, timeMs: 1_700_000_000_020, session: 2, status: 1 });
  markets.set(hashOf(2), 22n);
  flashblock(true);
  await turn();
  await turn();
  t.match(told.slice(2), [{ feedId: hashOf(2), value: 22n }]);
  await stop();
});

t.test("many epochs at once are one more read; what fails is told, and it goes on", async (t) => {
  const { client, markets, calls, holdUntil, flashblock } = fakeNode();
  const told: bigint[] = [];
  const errors: unknown[] = [];
  const stop = await watchPrices(client, {
    feedIds: [hashOf(4)],
    onPrice: ({ value }) => told.push(value),
    onError: (error) => errors.push(error),
  });
  const held = pending();
  holdUntil(held.promise);
  markets.set(hashOf(4), 8n);
  for (let epochs = 0; epochs < 50; epochs++) flashblock(true);
  await turn();
  held.resolve();
  await turn();
  await turn();
  t.equal(calls(), 2);
  t.same(told, [8n]);
  markets.set(hashOf(4), -1n);
  flashblock(true);
  await turn();
  await turn();
  t.match(errors, [{ message: "no connection" }]);
  markets.set(hashOf(4), 9n);
  flashblock(true);
  await turn();
  await turn();
  t.same(told, [8n, 9n]);
  await stop();
  const http = { ...client, transport: {} };
  await t.rejects(watchPrices(http, { feedIds: [], onPrice: () => undefined }), RangeError);
});
