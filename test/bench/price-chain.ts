/**
 * Blocks of nothing but prices, from reports that come in at stated times: what waits, which epoch
 * is chosen and when, and whether a block has room for it is the sequencer's own code, on a clock
 * of whole milliseconds. Nothing is executed: an epoch's gas is what the EVM takes for so many
 * feeds. No transactions but epochs and attributes.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { FeedState } from "../../lanes/price-state.ts";
import { genesisLaneState } from "../../lanes/lane-state.ts";
import type { LaneData, LanePrices } from "../../lanes/lane-data.ts";
import type { Policy } from "../../lanes/policy.ts";
import { attributesAfter } from "../../node/chain/attributes.ts";
import type { ChainTip } from "../../node/chain/chain.ts";
import type { Clock } from "../../node/clock.ts";
import type { Receipt } from "../../node/primitives/receipt.ts";
import type { DepositTransaction } from "../../node/primitives/transaction.ts";
import { GENESIS_TERM } from "../../node/rollup-config.ts";
import { BlockAssembly } from "../../node/sequencer/block-assembly.ts";
import { OpenBlockRoom } from "../../node/sequencer/block-room.ts";
import { Pricing } from "../../node/sequencer/pricing.ts";
import { ReportBook } from "../../node/sequencer/report-book.ts";
import { CHAIN_ID } from "./accounts.ts";
import type { ComingReport } from "./price-path.ts";
import {
  BLOCK_GAS_LIMIT,
  GENESIS_ORIGIN,
  GENESIS_TIME,
  l1Block,
  l1Head,
  ROLLUP,
} from "./rollup.ts";

/** When the first reports may come in, Unix milliseconds. */
export const CHAIN_STARTS_MS = 1000 * GENESIS_TIME + 1;
const LEADER_EPOCH = 1;
/** The first admission number of a leader epoch (PROTOCOL 1). */
const FIRST_NUMBER = BigInt(LEADER_EPOCH) << 40n;
/** As `test/contracts/price-feeds.test.ts` measures it, of values that are not the first. */
const EPOCH_GAS = 32_300n;
const EPOCH_FEED_GAS = 43_500n;
const ATTRIBUTES_GAS_USED = 50_000n;

/** A block, and what it did. */
export interface PricedBlock {
  /** Unix seconds. */
  readonly timestamp: number;
  readonly originAdvances: boolean;
  readonly laneData: LaneData;
  readonly epochs: number;
  /** Feeds that its epochs wrote. */
  readonly updates: number;
}

/** Builds a block a second until the last report is in. Throws where a report is refused. */
export function buildPricedBlocks(policy: Policy, coming: readonly ComingReport[]): PricedBlock[] {
  const chain = new PricedChain(policy);
  const last = coming.at(-1)?.atMs ?? CHAIN_STARTS_MS;
  const blocks: PricedBlock[] = [];
  let next = 0;
  while (chain.nowMs <= last)
    blocks.push(
      chain.build((nowMs) => {
        const from = next;
        while ((coming[next]?.atMs ?? Infinity) <= nowMs) next += 1;
        return coming.slice(from, next);
      }),
    );
  return blocks;
}

class PricedChain {
  readonly #policy: Policy;
  readonly #book: ReportBook;
  readonly #clock: Clock = {
    nowMs: () => this.nowMs,
    monotonicMs: () => this.nowMs,
    after: () => {
      throw new Error("nobody waits");
    },
  };
  nowMs = CHAIN_STARTS_MS;
  #number = FIRST_NUMBER;
  #tip: ChainTip;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#book = new ReportBook(policy, () => this.nowMs);
    const { orderHash, prices, accepted } = genesisLaneState(GENESIS_TIME);
    const { number, hash } = GENESIS_ORIGIN;
    this.#tip = {
      ...{ number: 0, timestamp: GENESIS_TIME, timestampMs: 1000 * GENESIS_TIME, orderHash },
      ...{ origin: { number, hash, sequenceNumber: 0 }, lastForced: 0, accepted, prices },
      isCommitted: true,
    };
  }

  /** The next block: what comes in until each of its milliseconds, and what is due then. */
  build(comingUntil: (nowMs: number) => readonly ComingReport[]): PricedBlock {
    const tip = this.#tip;
    const timestamp = tip.timestamp + 1;
    const origin = l1Block(l1Head(1000 * timestamp));
    const block = new OpenPricedBlock(this.#policy, this.#clock, {
      ...{ tip, timestamp, origin, book: this.#book },
      nextNumber: () => ++this.#number,
    });
    for (this.nowMs = 1000 * tip.timestamp + 1; this.nowMs <= 1000 * timestamp; this.nowMs++) {
      for (const { report } of comingUntil(this.nowMs)) {
        const turn = this.#book.check(report, [], this.nowMs);
        if (!turn.ok) throw new Error(turn.code);
        this.#book.put(report, ++this.#number)();
      }
      block.look(this.nowMs);
    }
    this.#book.takeLeft();
    const { laneData, epochs, updates, after } = block.finish();
    this.#tip = { ...tip, ...after, number: tip.number + 1, timestamp };
    const originAdvances = after.origin.number !== tip.origin.number;
    return { timestamp, originAdvances, laneData, epochs, updates };
  }
}

interface BlockPlace {
  readonly tip: ChainTip;
  readonly timestamp: number;
  readonly origin: ReturnType<typeof l1Block>;
  readonly book: ReportBook;
  readonly nextNumber: () => bigint;
}

class OpenPricedBlock {
  readonly #pricing: Pricing;
  readonly #assembly: BlockAssembly;
  readonly #room: OpenBlockRoom;
  readonly #attributes: ReturnType<typeof attributesAfter>;
  readonly #flashblocksMax: number;
  #gasUsed = 0n;
  #epochs = 0;
  #updates = 0;
  #timestampMs: number;

  constructor(
    policy: Policy,
    clock: Clock,
    { tip, timestamp, origin, book, nextNumber }: BlockPlace,
  ) {
    this.#attributes = attributesAfter(ROLLUP, origin, tip.origin);
    this.#timestampMs = tip.timestampMs;
    this.#flashblocksMax = policy.document.maxFlashblocks;
    const context = {
      ...{ chainId: CHAIN_ID, term: GENESIS_TERM, lastForced: 0, blockNumber: tip.number + 1 },
      ...{ l1OriginNumber: origin.number, l1OriginHash: origin.hash },
      ...{ timestamp, policyHash: policy.hash },
    };
    this.#assembly = new BlockAssembly(context, tip.orderHash, true);
    const engine = { gasUsed: () => this.#gasUsed };
    const chain = { gasLimit: BLOCK_GAS_LIMIT };
    const deps = { chain, engine, clock, policy };
    this.#room = new OpenBlockRoom(deps, this.#assembly, 1000 * timestamp);
    this.#pricing = new Pricing(timestamp, tip, { policy, clock, reports: book, nextNumber });
  }

  /** Begins a flashblock where one is due, and at first. */
  look(nowMs: number): void {
    const isFirst = this.#assembly.count === 0;
    if (!isFirst && !this.#pricing.isDue(nowMs)) return;
    if (this.#assembly.count === this.#flashblocksMax) throw new Error("too many flashblocks");
    this.#timestampMs = nowMs;
    const { prices, transaction } = this.#pricing.begin(nowMs, (asked, feeds) =>
      this.#room.fitsEpoch(asked, feeds),
    );
    this.#assembly.begin(nowMs, LEADER_EPOCH, prices);
    if (isFirst) this.#place(this.#attributes.transaction, ATTRIBUTES_GAS_USED);
    if (transaction !== null) this.#apply(prices, transaction, nowMs);
    if (this.#assembly.end() === null) this.#pricing.takeBack();
  }

  #apply(prices: LanePrices, transaction: DepositTransaction, nowMs: number): void {
    const updates = updatedAt(this.#pricing.tip.prices.feeds, nowMs);
    const gas = EPOCH_GAS + BigInt(updates) * EPOCH_FEED_GAS;
    this.#place(transaction, gas);
    this.#room.tookEpoch(gas);
    if (prices.epoch !== null) this.#epochs += 1;
    this.#updates += updates;
  }

  #place(transaction: DepositTransaction, gasUsed: bigint): void {
    this.#gasUsed += gasUsed;
    // Of a receipt nothing else is looked at.
    this.#assembly.addSystem(transaction, { status: 1, gasUsed } as Receipt);
  }

  finish(): {
    readonly laneData: LaneData;
    readonly epochs: number;
    readonly updates: number;
    readonly after: Pick<ChainTip, "origin" | "timestampMs" | "orderHash" | "accepted" | "prices">;
  } {
    const { position: origin } = this.#attributes;
    const { orderHash } = this.#assembly;
    const after = { origin, timestampMs: this.#timestampMs, orderHash, ...this.#pricing.tip };
    const laneData = this.#assembly.laneData();
    return { laneData, epochs: this.#epochs, updates: this.#updates, after };
  }
}

function updatedAt(feeds: ReadonlyMap<Hex, FeedState>, timeMs: number): number {
  return [...feeds.values()].filter(({ applied }) => applied?.appliedMs === timeMs).length;
}
