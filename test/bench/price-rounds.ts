/**
 * A round of prices, and how soon it can be read: five publishers' reports of twenty feeds at once,
 * or one plain transaction of one feed on anvil. From the moment at which the round was due.
 *
 * Owns what is sent and how it is timed. A round is readable when the median of a feed is of its
 * time, so when three have come through. What is never readable is infinitely late.
 */
import { setTimeout as delay } from "node:timers/promises";
import { decodeFunctionResult, encodeFunctionData, type Hex, parseAbi } from "viem";
import { toHex } from "../../lanes/bytes.ts";
import { PRICE_FEEDS } from "../../lanes/epoch-transaction.ts";
import { priceFeedsAbi } from "../../rpc/sdk/price-feeds.ts";
import { makeSender, signNext } from "./accounts.ts";
import { openSocket, type RpcSocket } from "./lanes-rpc.ts";
import { feedId, ORACLE } from "./population.ts";
import { FEED_IDS, PUBLISHER_IDS, publisherKey, signedBytes } from "./prices-policy.ts";
import { oracleReport } from "./workloads.ts";

export const ROUND_MS = 50;
/** After the last round, until what is not readable is lost. */
const SETTLE_MS = 2_000;

/** What a round does, and what shows that it has come through. */
export interface Subject {
  send(round: number, publishedMs: number): void;
  /** Publish time of what can be read now; 0 for nothing. */
  read(): Promise<number>;
  close(): void;
}

const ORACLE_ABI = parseAbi([
  "function latest(bytes32) view returns (int128, uint64, uint48, uint16)",
]);

/** Reports in twenty feeds, over one connection for each publisher. */
export async function reporting(
  url: string,
  feedSet: Hex,
  onRefused: () => void,
): Promise<Subject> {
  const sockets = await Promise.all(PUBLISHER_IDS.map(() => openSocket(url)));
  const reader = await openSocket(url);
  const [first = "0x"] = FEED_IDS;
  const data = encodeFunctionData({ abi: priceFeedsAbi, functionName: "getMarket", args: [first] });
  return {
    send(round, publishTimeMs) {
      const value = 1_000_000n + (round % 2 === 0 ? 2_000n : 0n);
      const observations = FEED_IDS.map((id) => ({
        ...{ feedId: id, value, confidence: 100n, session: 0 },
      }));
      const report = { sequence: BigInt(round + 1), publishTimeMs, observations };
      for (const [at, id] of PUBLISHER_IDS.entries()) {
        const bytes = toHex(signedBytes(feedSet, report, publisherKey(id)));
        sockets[at]
          ?.call("lane_submitReport", [{ source: "0x0", bytes, feedSet }])
          .catch(onRefused);
      }
    },
    read: () =>
      reader
        .call<Hex>("eth_call", [{ to: PRICE_FEEDS, data }, "pending"])
        .then(({ value }) => {
          const market = { abi: priceFeedsAbi, functionName: "getMarket", data: value } as const;
          return decodeFunctionResult(market).timeMs;
        })
        .catch(() => 0),
    close: () => {
      for (const socket of [...sockets, reader]) socket.close();
    },
  };
}

/** One plain transaction of one feed a round, as an oracle without reports sends it. */
export async function transacting(url: string, onRefused: () => void): Promise<Subject> {
  const sender = makeSender(0);
  const writer: RpcSocket = await openSocket(url);
  const reader = await openSocket(url);
  const feed = feedId(0);
  const data = encodeFunctionData({ abi: ORACLE_ABI, functionName: "latest", args: [feed] });
  return {
    send(round, publishedMs) {
      const { raw } = signNext(sender, oracleReport(feed, BigInt(1_000_000 + round), publishedMs));
      writer.call("eth_sendRawTransaction", [toHex(raw)]).catch(onRefused);
    },
    read: () =>
      reader.call<Hex>("eth_call", [{ to: ORACLE, data }, "latest"]).then(({ value }) => {
        const latest = { abi: ORACLE_ABI, functionName: "latest", data: value } as const;
        return decodeFunctionResult(latest)[2];
      }),
    close: () => {
      writer.close();
      reader.close();
    },
  };
}

/** Rounds by a schedule, whatever is answered, and a reader that asks again and again. */
export async function timeRounds(
  subject: Subject,
  seconds: number,
  firstRound: number,
): Promise<readonly number[]> {
  const rounds = Array.from({ length: Math.round((1000 * seconds) / ROUND_MS) }, () => ({
    ...{ startMs: Infinity, publishedMs: Infinity, readableMs: Infinity },
  }));
  const startMs = performance.now() + ROUND_MS;
  const untilMs = startMs + 1000 * seconds + SETTLE_MS;
  let sent = 0;
  let seen = 0;
  const sending = (async () => {
    for (const [at, round] of rounds.entries()) {
      round.startMs = startMs + at * ROUND_MS;
      await delay(Math.max(0, round.startMs - performance.now()));
      round.publishedMs = Date.now();
      sent = at + 1;
      subject.send(firstRound + at, round.publishedMs);
    }
  })();
  while (seen < rounds.length && performance.now() < untilMs) {
    const newestMs = await subject.read();
    const atMs = performance.now();
    for (; seen < sent; seen++) {
      const round = rounds[seen];
      if (round === undefined || round.publishedMs > newestMs) break;
      round.readableMs = atMs - round.startMs;
    }
    await delay(1);
  }
  await sending;
  return rounds.map(({ readableMs }) => readableMs);
}
