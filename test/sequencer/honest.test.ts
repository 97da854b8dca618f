/**
 * An honest sequencer is never convicted: random workloads through the real txpool and the real
 * builder, every block judged by `verifyLanes`, over nonce gaps, fast nonces behind normal ones,
 * base fees that rise, funds that run out, caps that are too small, flashblocks that are too few,
 * time that runs out, reports of publishers of whom some lie, and restarts in the middle of a
 * block. How many workloads may be an argument: `npm run test:fuzz` runs more.
 */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import t from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import { genesisLaneState, type LaneState } from "../../lanes/lane-state.ts";
import { verifyLanes } from "../../lanes/verify.ts";
import type { Chain, ChainTip } from "../../node/chain/chain.ts";
import type { Speculated } from "../../node/execution/speculation.ts";
import { silentLogger } from "../../node/log.ts";
import { PreemptionSignal } from "../../node/preemption-signal.ts";
import type { L1Origin } from "../../node/primitives/l1-origin.ts";
import { type DepositTransaction, laneTransaction } from "../../node/primitives/transaction.ts";
import { ReportBook } from "../../node/sequencer/report-book.ts";
import { createArrivals } from "../../node/sequencer/arrivals.ts";
import { buildBlock, type BuilderDeps } from "../../node/sequencer/builder.ts";
import { type BuiltBlock, tipOf } from "../../node/sequencer/built-block.ts";
import { createPool } from "../../node/txpool/pool.ts";
import type { Pool } from "../../node/txpool/pool-api.ts";
import type { PooledTransaction } from "../../node/txpool/sender-queue.ts";
import { loadPolicy } from "../lanes/fixtures/policy.ts";
import { feedIdOf, feedPolicyJson, type Said, signedReport } from "../lanes/fixtures/reports.ts";
import { createRandom } from "../storage/fixtures/chain.ts";
import { account, GWEI, PUBLISHER, transaction } from "../txpool/fixtures/pool.ts";
import { createModelEngine, type ModelEngine } from "./fixtures/model-engine.ts";
import { virtualClock, type VirtualClock } from "./fixtures/rig.ts";
import { recoverSigner } from "../../node/primitives/signature.ts";

const CHAIN_ID = 901;
const BTC = feedIdOf("BTC/USD");
const START_S = 1_700_000_000;
const GAS_LIMIT = 13_000_000n;
const WORKLOADS = Number(process.argv[2] ?? 600);
const BLOCKS = 5;
const ORIGIN: L1Origin = {
  number: 10,
  hash: `0x${"aa".repeat(32)}`,
  parentHash: `0x${"bb".repeat(32)}`,
  timestamp: START_S - 10,
  baseFee: 7n,
  blobBaseFee: 1n,
  prevRandao: `0x${"cc".repeat(32)}`,
  parentBeaconBlockRoot: `0x${"dd".repeat(32)}`,
};
const LANES = ["normal", "normal", "normal", "oracle", "rescue", "liquidation"] as const;

type Random = (below: number) => number;

/** What happened in all of the workloads: that the hard cases were met at all. */
const met = {
  ...{ fast: 0, normal: 0, aside: 0, passedOver: 0, restarts: 0, replayed: 0, dropped: 0 },
  ...{ shared: 0, epochs: 0, reports: 0, prices: 0, refused: 0, suspended: 0 },
};

class Workload {
  readonly #random: Random;
  readonly #policy;
  readonly #clock: VirtualClock = virtualClock(START_S * 1000);
  readonly #arrivals = createArrivals(this.#clock);
  readonly #engine: ModelEngine;
  #pool: Pool;
  #book: ReportBook;
  #sequence = 0n;
  #seq = 0n;
  #leaderEpoch = 1;
  #block = 0;
  /** Acknowledged, and neither in a block nor dropped: what the journal would hold. */
  #journal = new Map<bigint, PooledTransaction>();

  constructor(seed: number) {
    const random = createRandom(seed);
    this.#random = random;
    const json = feedPolicyJson([{}, { id: "BTC/USD", quorum: 4, jumpQuorum: 4, maxAgeMs: 500 }]);
    json.maxFlashblocks = [2, 3, 6, 40][random(4)] ?? 6;
    json.ttlBlocks = 1 + random(4);
    json.normal.maxTxGas = 6_000_000;
    json.normal.heavyGas = 6_000_000;
    this.#policy = loadPolicy(json);
    this.#book = this.#createBook();
    this.#engine = createModelEngine({
      random,
      balance: BigInt(1 + random(60)) * 10n ** 16n,
      gasLimit: GAS_LIMIT,
      onApply: () => {
        this.#clock.advance(random(4));
      },
    });
    this.#pool = this.#createPool();
  }

  async run(): Promise<void> {
    let state: LaneState = genesisLaneState(START_S);
    let tip: ChainTip = {
      number: 0,
      timestamp: START_S,
      timestampMs: START_S * 1000,
      orderHash: state.orderHash,
      lastForced: 0,
      accepted: 0n,
      prices: state.prices,
      origin: { number: ORIGIN.number, hash: ORIGIN.hash, sequenceNumber: 0 },
      isCommitted: true,
    };
    for (let arrivals = this.#random(12); arrivals > 0; arrivals--) this.#arrive();
    for (let number = 1; number <= BLOCKS; number++) {
      this.#block = number;
      this.#engine.nextBaseFee = BigInt(this.#random(4)) * GWEI;
      const built = await this.#build(tip);
      state = this.#judge(built, state);
      tip = { ...tipOf(built, tip), isCommitted: true };
      this.#pool.blockSealed();
      this.#pool.blockCommitted();
    }
  }

  /** One block; now and then the node dies in the middle of it and goes on. */
  async #build(tip: ChainTip): Promise<BuiltBlock> {
    const outage = this.#random(4) === 0 ? 30 : 0;
    const timestamp = tip.timestamp + 1 + this.#random(2) + outage;
    const sealAtMs = this.#clock.nowMs() + 10 + this.#random(200);
    const plan = { timestamp, origin: ORIGIN, depositOnly: false, sealAtMs, isComplete: false };
    const stopAfter = this.#random(5) === 0 ? 1 + this.#random(30) : Infinity;
    const built = await buildBlock(plan, tip, this.#deps(stopAfter));
    if (this.#turns < stopAfter) return built;
    met.restarts += 1;
    const kept = built.flashblocks.slice(0, 1 + this.#random(built.flashblocks.length));
    const executed = kept.flatMap(({ transactions }) => transactions.map(({ hash }) => hash));
    this.#restart(new Set(executed));
    const promised = kept.map(({ executed, prices, transactions }) => {
      met.replayed += 1;
      const byHash = new Map(transactions.map((each) => [each.hash, each]));
      return { executed, prices, transaction: (hash: Hex) => byHash.get(hash) };
    });
    const later = { ...plan, sealAtMs: this.#clock.nowMs() + this.#random(100) };
    return buildBlock(later, tip, this.#deps(Infinity), promised);
  }

  /** Another leader epoch; what was acknowledged comes back, and nothing else. */
  #restart(executed: ReadonlySet<Hex>): void {
    this.#engine.forget();
    this.#leaderEpoch += 1;
    this.#seq = 0n;
    const journal = [...this.#journal.values()];
    this.#pool = this.#createPool();
    const reports = this.#book.reports();
    this.#book = this.#createBook();
    for (const report of reports) this.#book.put(report, this.#nextNumber());
    this.#waiting = [];
    this.#aside.clear();
    for (const item of journal) {
      const isExecuted = executed.has(item.transaction.hash);
      this.#pool.restore(item.transaction, { ...item, isExecuted });
    }
  }

  #judge(built: BuiltBlock, state: LaneState): LaneState {
    const transactions = built.flashblocks.flatMap((flashblock) => flashblock.transactions);
    const verdict = verifyLanes(
      {
        chainId: CHAIN_ID,
        term: 1,
        number: state.blockNumber + 1,
        timestamp: built.plan.timestamp,
        gasLimit: GAS_LIMIT,
        l1OriginNumber: ORIGIN.number,
        l1OriginHash: ORIGIN.hash,
        transactions: transactions.map(laneTransaction),
      },
      built.laneData,
      this.#policy,
      state,
      recoverSigner,
    );
    if (!verdict.ok) throw new Error(JSON.stringify(verdict));
    const { laneState, orderHashes, ranks } = verdict.value;
    const promised = built.flashblocks.map(({ orderHash }) => orderHash);
    if (promised.join() !== orderHashes.join()) throw new Error("another order was promised");
    const { accepted, prices } = built.priced;
    if (accepted !== laneState.accepted || prices.cut !== laneState.prices.cut)
      throw new Error("the next block would stand on other prices");
    if (!isDeepStrictEqual(prices, laneState.prices)) throw new Error("other prices were built");
    met.epochs += prices.epoch - state.prices.epoch;
    met.suspended += prices.suspended.length - state.prices.suspended.length;
    for (const { epoch } of built.laneData.flashblocks) {
      met.reports += epoch?.reports.length ?? 0;
      if (epoch !== null && epoch.reports.length > 0) met.prices += 1;
    }
    for (const rank of ranks) if (rank > 0) met[rank === 255 ? "normal" : "fast"] += 1;
    for (const { executed, hasFast } of built.flashblocks)
      if (hasFast && executed.header.txCount > ranks.filter((rank) => rank < 255).length)
        met.shared += 1;
    for (const { accepted } of built.laneData.numbers) this.#journal.delete(accepted);
    return laneState;
  }

  #waiting: PooledTransaction[] = [];
  readonly #aside = new Set<PooledTransaction>();
  readonly #speculation: BuilderDeps["speculation"] = {
    has: (item) => this.#waiting.includes(item),
    offer: (item) => {
      this.#waiting.push(item);
    },
    take: (item) => {
      if (!this.#aside.delete(item)) return null;
      met.aside += 1;
      return { speculated: {} as Speculated, elapsedMs: 1 };
    },
    wasted: ({ transaction }, { elapsedMs }) => {
      this.#pool.spend(transaction.sender, elapsedMs);
    },
  };

  #turns = 0;

  #deps(stopAfter: number): BuilderDeps {
    this.#turns = 0;
    const random = this.#random;
    return {
      chain: this.#chain(),
      engine: this.#engine,
      pool: this.#watched(this.#pool),
      policy: this.#policy,
      reports: this.#book,
      clock: this.#clock,
      arrivals: {
        notify: () => {
          this.#arrivals.notify();
        },
        wait: (delayMs = 5) => {
          this.#turns += 1;
          if (random(3) === 0) this.#arrive();
          this.#clock.advance(Math.min(Math.ceil(delayMs), 1 + random(40)));
          return Promise.resolve();
        },
      },
      preemption: PreemptionSignal.create(),
      speculation: this.#speculation,
      openPool: (baseFee, number) => {
        this.#pool.openBlock(baseFee, number);
      },
      yieldTurn: () => {
        this.#turns += 1;
        for (let arrivals = random(4); arrivals > 0; arrivals--) this.#arrive();
        this.#executeAside();
        return Promise.resolve();
      },
      stopping: () => this.#turns >= stopAfter,
      maySeal: () => random(3) > 0,
      onSlice: () => undefined,
      promise: () => Promise.resolve(new Uint8Array(65)),
      log: silentLogger,
      leaderEpoch: this.#leaderEpoch,
      flashblockMs: 5,
      nextNumber: () => this.#nextNumber(),
    };
  }

  /** Of what is executed aside, some is done. */
  #executeAside(): void {
    for (const item of this.#waiting.filter(() => this.#random(3) === 0)) {
      this.#waiting = this.#waiting.filter((each) => each !== item);
      if (this.#random(4) > 0) this.#aside.add(item);
      else item.conflicts += 1;
      this.#pool.unpark(item);
    }
  }

  /** Counts what the builder passes over. */
  #watched(pool: Pool): Pool {
    return new Proxy(pool, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name === "passOver") met.passedOver += 1;
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }

  #chain(): Chain {
    const attributes = {
      type: 0x7e,
      raw: new Uint8Array(176),
      hash: `0x${this.#block.toString(16).padStart(64, "a")}`,
      sender: account(0xdead),
      to: account(0xbeef),
      gasLimit: 1_000_000n,
      value: 0n,
      data: new Uint8Array(4),
    } as unknown as DepositTransaction;
    const chain: Partial<Chain> = {
      attributes: () => ({
        transaction: attributes,
        position: { number: ORIGIN.number, hash: ORIGIN.hash, sequenceNumber: this.#block },
      }),
      open: (timestamp) =>
        this.#engine.open({
          parent: null,
          timestamp,
          prevRandao: ORIGIN.prevRandao,
          parentBeaconBlockRoot: ORIGIN.parentBeaconBlockRoot,
          gasLimit: GAS_LIMIT,
        }),
      gasLimit: GAS_LIMIT,
    };
    return chain as Chain;
  }

  #createPool(): Pool {
    return createPool(
      { chainId: CHAIN_ID, policy: this.#policy, globalMax: 40, accountMax: 8 },
      {
        account: (address) => this.#engine.account(address),
        nextNumber: () => this.#nextNumber(),
        nowMs: () => this.#clock.monotonicMs(),
        onDropped: ({ accepted }) => {
          met.dropped += 1;
          this.#journal.delete(accepted);
        },
      },
    );
  }

  #nextNumber(): bigint {
    return (BigInt(this.#leaderEpoch) << 40n) + ++this.#seq;
  }

  #createBook(): ReportBook {
    return new ReportBook(this.#policy, () => this.#clock.monotonicMs());
  }

  /** All publishers, or one; now and then one is late, ahead, or says two things at once. */
  #report(): void {
    const random = this.#random;
    const sequence = ++this.#sequence;
    const only = random(2) === 0 ? 1 + random(5) : null;
    const observations = [{ value: BigInt(1000 + random(60)) }, { feedId: BTC, value: 7n }];
    for (const publisher of [1, 2, 3, 4, 5].filter((each) => only === null || each === only)) {
      const said = {
        ...{ sequence, hot: random(2), publishTimeMs: this.#clock.nowMs() - random(300) },
        observations: observations.slice(random(2)),
      };
      if (random(20) === 0) said.publishTimeMs += random(2) === 0 ? 400 : -1500;
      this.#take(publisher, said);
      if (random(80) === 0)
        this.#take(publisher, { ...said, publishTimeMs: said.publishTimeMs + 1 });
    }
  }

  #take(publisher: number, said: Said): void {
    const report = signedReport(this.#policy, publisher, said);
    const turn = this.#book.check(report, [], this.#clock.nowMs());
    if (turn.ok) this.#book.put(report, this.#nextNumber())();
    else met.refused += 1;
  }

  /** Something from one of a few accounts: next in turn, behind a gap, or in place of another. */
  #arrive(): void {
    const random = this.#random;
    if (random(16) === 0) this.#report();
    const lane = LANES[random(LANES.length)] ?? "normal";
    const sender = lane === "oracle" ? (PUBLISHER as Hex) : account(1 + random(4));
    const gas = [21_000n, 90_000n, 400_000n, 480_000n, lane === "normal" ? 5_900_000n : 50_000n];
    const fee = BigInt(random(6)) * GWEI;
    const next = this.#pool.nextNonce(sender);
    const candidate = transaction({
      sender,
      lane,
      nonce:
        next + BigInt(random(10) === 0 ? 1 : 0) - BigInt(random(12) === 0 && next > 0n ? 1 : 0),
      gasLimit: gas[random(gas.length)] ?? 21_000n,
      maxFee: fee + GWEI,
      tip: (fee * BigInt(random(3))) / 2n,
    });
    const large = random(40) === 0 ? new Uint8Array(110_000) : candidate.raw;
    const admitted = this.#pool.admit(
      { ...candidate, raw: large },
      {
        accepted: this.#nextNumber(),
        timeMs: this.#clock.nowMs(),
        deadlineBlock: this.#block + this.#policy.document.ttlBlocks,
        conditions: null,
      },
    );
    if (!admitted.ok) return;
    this.#journal.set(admitted.value.accepted, admitted.value);
    this.#pool.activate(admitted.value);
  }
}

t.test("an honest sequencer is never convicted", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      await new Workload(seed).run();
    }),
    // A seed cannot be made smaller.
    { numRuns: WORKLOADS, endOnFailure: true },
  );
  t.comment(JSON.stringify(met));
  for (const [name, count] of Object.entries(met)) t.ok(count > WORKLOADS / 20, `${count} ${name}`);
});
