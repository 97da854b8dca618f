/** The market's people against a node that answers what a test wants. */
import t from "tap";
import { encodeAbiParameters, encodeEventTopics, type Hex, RpcRequestError } from "viem";
import { Arbitrageur } from "../../../devnet/market/arbitrageur.ts";
import type { Book } from "../../../devnet/market/book.ts";
import { execute, type ExchangeClient } from "../../../devnet/market/exchange.ts";
import { Keeper, keeperWallets } from "../../../devnet/market/keeper.ts";
import { MarketClock } from "../../../devnet/market/market-clock.ts";
import { startTransmitter, transmitterWallet } from "../../../devnet/market/oracles.ts";
import { Rescuers, tradersOf, traderWallets } from "../../../devnet/market/traders.ts";
import { Wallet } from "../../../devnet/market/wallet.ts";
import { DOLLAR, PERP_MARKET, perpMarketAbi } from "../../../devnet/perp-market.ts";
import { DevnetError } from "../../../devnet/devnet-error.ts";
import { fromHex } from "../../../lanes/bytes.ts";
import { decodeWithSender } from "../../../node/primitives/signature.ts";
import type { UserTransaction } from "../../../node/primitives/transaction.ts";
import { TRUST } from "../../lanes/fixtures/promises.ts";

const { signal } = new AbortController();
const fail = (error: unknown): void => {
  throw error;
};
const PRICE = 2_500n * DOLLAR;

type Answer = (transaction: UserTransaction) => readonly object[] | string;

/** Logs of a success, or a code; each may come later. */
function nodeThat(answer: (transaction: UserTransaction) => Promise<readonly object[] | string>) {
  const sent: UserTransaction[] = [];
  const request = async ({ params: [raw] }: { params: [Hex] }): Promise<unknown> => {
    const decoded = decodeWithSender(fromHex(raw));
    if (!decoded.ok) throw new Error(decoded.code);
    sent.push(decoded.value);
    const given = await answer(decoded.value);
    if (typeof given === "string") throw refusal(given);
    return { transactionHash: decoded.value.hash, status: "0x1", logs: given };
  };
  const verifyInclusion = () =>
    Promise.resolve({ ok: true, value: { header: { timestampMs: Date.now() } } });
  return { sent, client: { request, verifyInclusion } as unknown as ExchangeClient };
}

const nodeAnswering = (answer: Answer) =>
  nodeThat((transaction) => Promise.resolve(answer(transaction)));

function refusal(code: string): RpcRequestError {
  const error = { code: -32000, message: code, data: { code } };
  return new RpcRequestError({ body: {}, error, url: "" });
}

function event(name: "Opened" | "Closed" | "Liquidated", trader: Hex, values: readonly bigint[]) {
  const args = name === "Liquidated" ? { trader, keeper: trader } : { trader };
  const types = (
    name === "Opened" ? ["int128", "uint256", "uint256"] : ["int128", "uint256", "int256"]
  ).map((type) => ({ type }));
  return {
    topics: encodeEventTopics({ abi: perpMarketAbi, eventName: name, args }),
    data: encodeAbiParameters(types, values),
  };
}

t.test("a nonce is used where the node has taken the transaction in, and only there", async (t) => {
  const wallet = new Wallet("test");
  const call = { to: PERP_MARKET, data: "0x", gas: 50_000n, tipWei: 1n } as const;
  const answers = ["TX_REVERTED", [], "FEE_CAP_TOO_LOW", []];
  const { client, sent } = nodeAnswering(() => answers.shift() as readonly object[] | string);
  t.match(await execute(client, wallet, call, signal), {
    isSuccess: false,
    refusal: "TX_REVERTED",
  });
  t.match(await execute(client, wallet, call, signal), { isSuccess: true, refusal: null });
  t.match(await execute(client, wallet, call, signal), { refusal: "FEE_CAP_TOO_LOW" });
  t.match(await execute(client, wallet, call, signal), { isSuccess: true });
  t.same(
    sent.map(({ nonce }) => nonce),
    [0n, 0n, 1n, 1n],
  );
});

t.test("the transmitter has one price on its way, and the newest goes next", async (t) => {
  const answers: (() => void)[] = [];
  const { client, sent } = nodeThat(
    () =>
      new Promise((resolve) => {
        answers.push(() => {
          resolve([]);
        });
      }),
  );
  const failures: unknown[] = [];
  const deps = { signal, fail: (error: unknown) => failures.push(error) };
  const oracle = startTransmitter(client, transmitterWallet(), 1n, deps);
  const said = async () => {
    await new Promise(setImmediate);
    return sent.map(({ data }) => BigInt(`0x${Buffer.from(data).toString("hex", 36, 68)}`));
  };
  oracle.tell({ timeMs: 0, price: 1000n });
  t.same(await said(), [1000n]);
  for (const [at, price] of [900n, 800n, 700n].entries()) oracle.tell({ timeMs: at + 1, price });
  t.same(await said(), [1000n], "the others wait");
  answers.shift()?.();
  t.same(await said(), [1000n, 700n], "and only the newest of them goes");
  answers.shift()?.();
  oracle.tell({ timeMs: 10, price: 700n });
  t.same(await said(), [1000n, 700n], "nothing has moved");
  oracle.tell({ timeMs: 1_010, price: 700n });
  t.equal((await said()).length, 3, "but a second is over");
  answers.shift()?.();
  await oracle.stop();
  t.same(failures, []);
  const refusing = nodeAnswering(() => "FEE_CAP_TOO_LOW");
  const other = startTransmitter(refusing.client, transmitterWallet(), 1n, deps);
  other.tell({ timeMs: 0, price: 1n });
  await other.stop();
  t.match(failures, [{ message: /not transmitted: FEE_CAP_TOO_LOW/ }], "a run without prices ends");
});

const traders = traderWallets();
const [one, two] = traders.map(({ address }) => address) as [Hex, Hex];
/** Liquidated below 2,051 dollars. */
const fivefold = { size: 10n * DOLLAR, entry: PRICE, collateral: 5_000n * DOLLAR };

t.test("the keeper liquidates what the chain's price allows, each once at a time", async (t) => {
  const book: Book = new Map([
    [one, fivefold],
    [two, { ...fivefold, collateral: 20_000n * DOLLAR }],
  ]);
  const answers: (readonly object[] | string)[] = ["TX_REVERTED"];
  const liquidated = event("Liquidated", one, [fivefold.size, 1_900n * DOLLAR, -(1_000n * DOLLAR)]);
  const { client, sent } = nodeAnswering(() => answers.shift() ?? [liquidated]);
  const wallets = keeperWallets(2);
  const keeper = new Keeper({ client, wallets, book, tipWei: 1n, signal, fail });
  keeper.onChainPrice(2_100n * DOLLAR);
  t.equal(sent.length, 0, "all stand");
  keeper.onChainPrice(1_900n * DOLLAR);
  keeper.onChainPrice(1_900n * DOLLAR);
  t.equal(sent.length, 1, "one is on its way already");
  await keeper.finish(1_900n * DOLLAR);
  t.equal(sent.length, 2, "a refused one is tried again");
  t.same(keeper.equities, [-1_000n * DOLLAR]);
  t.same([keeper.failed, keeper.tookMs.length], [1, 1]);
  t.same([...book.keys()], [two]);
  const never = nodeAnswering(() => "TX_REVERTED");
  const stuck = new Keeper({ client: never.client, wallets, book, tipWei: 1n, signal, fail });
  await t.rejects(stuck.finish(DOLLAR), DevnetError);
});

t.test("who watches rescues once, when the market comes near, and may be too late", async (t) => {
  const all = tradersOf(1, traders);
  const [watching] = all.filter(({ reactionMs }) => reactionMs !== null);
  const quick = [
    { ...watching!, reactionMs: 0 },
    all.find(({ reactionMs }) => reactionMs === null)!,
  ];
  const rescue = async (answer: readonly object[] | string) => {
    const book: Book = new Map(quick.map(({ wallet }) => [wallet.address, fivefold]));
    const { client, sent } = nodeAnswering(() => answer);
    const rescuers = new Rescuers(quick, { client, book, tipWei: 1n, signal, fail });
    rescuers.onTick({ timeMs: 0, price: 2_100n * DOLLAR });
    await rescuers.settled();
    t.equal(sent.length, 0, "far away");
    for (const price of [2_080n, 2_000n]) rescuers.onTick({ timeMs: 1, price: price * DOLLAR });
    await rescuers.settled();
    t.equal(sent.length, 1, "one of the two watches, and it acts once");
    return { rescuers, book };
  };
  const saved = await rescue([]);
  t.same([saved.rescuers.tried, saved.rescuers.inTime, saved.rescuers.failed], [1, 1, 0]);
  const { collateral = 0n } = saved.book.get(quick[0]!.wallet.address) ?? {};
  t.ok(collateral > 2n * fivefold.collateral);
  const late = await rescue("TX_REVERTED");
  t.same([late.rescuers.tried, late.rescuers.inTime, late.rescuers.failed], [1, 0, 1]);
});

t.test("the arbitrageur gains what the chain's price is behind, less fees", async (t) => {
  const clock = new MarketClock(() => Date.now());
  const wallet = new Wallet("arbitrageur of a test");
  const base = { clock, wallet, trust: TRUST, tipWei: 1n, signal, fail };
  const stop = new AbortController();
  const answers: (readonly object[] | string)[] = [];
  const { client, sent } = nodeAnswering(() => answers.shift() ?? "REVERTED");
  const arbitrageur = new Arbitrageur({ ...base, client });
  const held = clock.hold(2_000n * DOLLAR, stop.signal);
  arbitrageur.onChainPrice(2_001n * DOLLAR);
  t.equal(sent.length, 0, "five basis points are not worth the fee");
  // It sells 100 ether at 2,100 that are worth 2,000, and pays a thousandth of 210,000.
  answers.push([event("Opened", wallet.address, [-100n * DOLLAR, 2_100n * DOLLAR, 1n])]);
  arbitrageur.onChainPrice(2_100n * DOLLAR);
  arbitrageur.onChainPrice(2_100n * DOLLAR);
  t.equal(sent.length, 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.equal(arbitrageur.gained, (10_000n - 210n) * DOLLAR);
  arbitrageur.onChainPrice(2_100n * DOLLAR);
  t.equal(sent.length, 1, "it waits until the gap is gone");
  // It buys them back at what they are worth.
  answers.push([event("Closed", wallet.address, [-100n * DOLLAR, 2_000n * DOLLAR, 1n])]);
  await arbitrageur.finish();
  t.equal(arbitrageur.gained, (10_000n - 210n - 200n) * DOLLAR);
  t.same([arbitrageur.trades, arbitrageur.failed], [2, 0]);
  answers.push([event("Opened", wallet.address, [-100n * DOLLAR, 2_100n * DOLLAR, 1n])]);
  arbitrageur.onChainPrice(2_100n * DOLLAR);
  await t.rejects(arbitrageur.finish(), DevnetError, "what stays open would spoil the next run");
  stop.abort();
  await held;
});
