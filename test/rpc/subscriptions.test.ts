import t from "tap";
import {
  encodeSignedFlashblock,
  flashblockOrderHash,
  flashblockResultHash,
} from "../../lanes/signed-flashblock.ts";
import type { Log } from "../../node/primitives/receipt.ts";
import { silentLogger } from "../../node/log.ts";
import { KnownFlashblock } from "../../rpc/flashblocks.ts";
import { DEFAULT_LIMITS, HEADS_CATCH_UP_MAX, type RpcLimits } from "../../rpc/limits.ts";
import type { Subscriber } from "../../rpc/method.ts";
import { createSubscriptions } from "../../rpc/subscriptions.ts";
import { executed, signedFlashblock, txHash } from "../lanes/fixtures/promises.ts";
import { CONTRACT, createFakeChain, FEED, TOPIC } from "./fixture-chain.ts";
import { createContext, createFakeNode } from "./fixture-node.ts";
import { call, dispatcherOf } from "./fixture-client.ts";

interface Push {
  readonly method: string;
  readonly params: { readonly subscription: string; readonly result: Record<string, unknown> };
}

async function fixture(limits: Partial<RpcLimits> = {}) {
  const chain = await createFakeChain();
  const context = createContext(chain, createFakeNode());
  const subscriptions = createSubscriptions({
    context,
    limits: { ...DEFAULT_LIMITS, ...limits },
    log: silentLogger,
  });
  const dispatcher = dispatcherOf(subscriptions.methods);
  const received: Push[] = [];
  const subscriber: Subscriber = { send: (text) => received.push(JSON.parse(text) as Push) };
  const subscribe = async (...params: unknown[]) =>
    String((await call(dispatcher, "eth_subscribe", params, subscriber)).result);
  return { chain, subscriptions, dispatcher, received, subscriber, subscribe };
}

const log = (address: Log["address"]): Log => ({
  address,
  topics: [TOPIC],
  data: new Uint8Array(0),
});

t.test("every new head is told once, in order, also where events skip", async (t) => {
  const { chain, subscriptions, received, subscribe } = await fixture();
  const id = await subscribe("newHeads");
  t.match(id, /^0x[0-9a-f]{32}$/);
  const first = chain.grow();
  subscriptions.events.newHead(first, []);
  chain.grow();
  chain.grow();
  const last = chain.grow();
  subscriptions.events.newHead(last, []);
  t.same(
    received.map(({ params }) => params.result["number"]),
    ["0x2", "0x3", "0x4", "0x5"],
  );
  t.match(received[0], {
    method: "eth_subscription",
    params: { subscription: id, result: { hash: first.hash, parentHash: chain.block.hash } },
  });
});

t.test("a long gap is not told block by block", async (t) => {
  const { chain, subscriptions, received, subscribe } = await fixture();
  await subscribe("newHeads");
  subscriptions.events.newHead(chain.grow(), []);
  for (let i = 0; i < HEADS_CATCH_UP_MAX + 10; i++) chain.grow();
  subscriptions.events.newHead(chain.grow(), []);
  t.equal(received.length, 1 + HEADS_CATCH_UP_MAX);
});

t.test("logs are filtered, and taken back after a reorg", async (t) => {
  const { chain, subscriptions, received, subscribe } = await fixture();
  const all = await subscribe("logs");
  const some = await subscribe("logs", { address: CONTRACT, topics: [[TOPIC]] });
  const head = chain.grow([log(FEED), log(CONTRACT)]);
  subscriptions.events.newHead(head, []);
  const seen = () =>
    received.map(({ params }) => [
      params.subscription,
      params.result["address"],
      params.result["logIndex"],
      params.result["removed"],
    ]);
  t.same(seen(), [
    [all, FEED, "0x0", false],
    [all, CONTRACT, "0x1", false],
    [some, CONTRACT, "0x1", false],
  ]);
  received.length = 0;
  const removed = chain.shrink();
  subscriptions.events.newHead(chain.grow([log(CONTRACT)]), [removed]);
  t.same(seen(), [
    [all, CONTRACT, "0x1", true],
    [all, FEED, "0x0", true],
    [some, CONTRACT, "0x1", true],
    [all, CONTRACT, "0x0", false],
    [some, CONTRACT, "0x0", false],
  ]);
});

t.test("pending transactions are told by hash", async (t) => {
  const { subscriptions, received, subscribe } = await fixture();
  await subscribe("newPendingTransactions");
  const other = `0x${"0f".repeat(32)}` as const;
  subscriptions.events.newPendingTransactions([TOPIC, other]);
  t.match(received, [{ params: { result: TOPIC } }, { params: { result: other } }]);
});

t.test("flashblocks are told with the order and the results of their transactions", async (t) => {
  const { subscriptions, received, subscribe } = await fixture();
  await subscribe("newFlashblocks");
  const flashblock = signedFlashblock(executed(4, { blockNumber: 9, index: 3 }));
  subscriptions.events.flashblock(new KnownFlashblock(encodeSignedFlashblock(flashblock)));
  t.match(received, [
    {
      params: {
        result: {
          blockNumber: "0x9",
          index: "0x3",
          orderHash: flashblockOrderHash(flashblock),
          resultHash: flashblockResultHash(flashblock),
          transactions: [0, 1, 2, 3].map((at) => ({
            hash: txHash(at),
            rank: at < 2 ? "0x1" : "0xff",
          })),
        },
      },
    },
  ]);
  t.equal(received.length, 1);
});

t.test("a drop is told to those who watch its lane", async (t) => {
  const { subscriptions, received, subscribe } = await fixture();
  const fast = await subscribe("preconfirmations");
  const normal = await subscribe("preconfirmations", { lane: "normal" });
  const all = await subscribe("preconfirmations", { lane: "all" });
  const one = await subscribe("preconfirmations", { hashes: [txHash(1)] });
  const told = (lane: "fast" | "normal", at: number) => {
    received.length = 0;
    subscriptions.events.dropped({
      ...{ hash: txHash(at), accepted: 3n, lane, code: "EVICTED", blockNumber: 5 },
    });
    return received.map(({ params }) => params.subscription);
  };
  t.same(told("normal", 0), [normal, all]);
  t.match(received[0], {
    params: { result: { type: "drop", hash: txHash(0), lane: "normal", code: "EVICTED" } },
  });
  t.same(told("fast", 0), [fast, all]);
  t.same(told("normal", 1), [normal, all, one]);
});

t.test("subscriptions end with unsubscribe and with the connection", async (t) => {
  const { chain, subscriptions, dispatcher, received, subscriber, subscribe } = await fixture();
  const id = await subscribe("newHeads");
  const other: Subscriber = { send: () => undefined };
  t.match(await call(dispatcher, "eth_unsubscribe", [id], other), { result: false });
  t.match(await call(dispatcher, "eth_unsubscribe", [id], subscriber), { result: true });
  t.match(await call(dispatcher, "eth_unsubscribe", [id], subscriber), { result: false });
  await subscribe("newHeads");
  t.equal(subscriptions.count(), 1);
  subscriptions.drop(subscriber);
  t.equal(subscriptions.count(), 0);
  subscriptions.events.newHead(chain.grow(), []);
  t.same(received, []);
});

t.test("what cannot be subscribed is refused", async (t) => {
  const { dispatcher, subscriber, subscribe } = await fixture({ subscriptionsPerConnectionMax: 2 });
  t.match(await call(dispatcher, "eth_subscribe", ["newHeads"], null), {
    error: { code: -32601, message: /^the method .* not exist/, data: { reason: /WebSocket/ } },
  });
  const bad: readonly (readonly [readonly unknown[], string])[] = [
    [[], "subscription"],
    [["syncing"], "subscription"],
    [["logs", { address: "0x12" }], "filter.address[0]"],
    [["logs", 5], "filter"],
  ];
  for (const [params, parameter] of bad)
    t.match(await call(dispatcher, "eth_subscribe", params, subscriber), {
      error: { code: -32602, data: { parameter } },
    });
  await subscribe("newHeads");
  await subscribe("newHeads");
  t.match(await call(dispatcher, "eth_subscribe", ["newHeads"], subscriber), {
    error: { code: -32005, data: { code: "LIMIT_EXCEEDED" } },
  });
});
