/**
 * The real sequencer on the benchmarks' chain: chain, txpool, admission with its journal, builder,
 * verifier, signer, wired as `node/node.ts` wires them, with a real clock and a made-up L1. Nothing is
 * published, and no other thread reads.
 *
 * Owns the wiring and the watch over the engine. Does not own what is submitted.
 */
import { setImmediate } from "node:timers/promises";
import { fromHex, type Hex } from "../../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { Chain } from "../../node/chain/chain.ts";
import { createL1View, type L1View } from "../../node/chain/l1-view.ts";
import { type Clock, createSteadyClock } from "../../node/clock.ts";
import type { Engine } from "../../node/execution/engine.ts";
import { silentLogger } from "../../node/log.ts";
import type { Transaction } from "../../node/primitives/transaction.ts";
import type { Admission } from "../../node/sequencer/admission.ts";
import { createSequencing } from "../../node/sequencer/sequencing.ts";
import { createVerifier } from "../../node/sequencer/verifier.ts";
import { processMs } from "./arrivals.ts";
import type { BenchChain } from "./chain.ts";
import { l1Block, l1Head, POLICY, ROLLUP, SEQUENCER_KEY } from "./rollup.ts";

/** As `node/config.ts` has it by default. */
const FLASHBLOCK_MS = 200;
const VERIFY_EVERY = 1;
/** More than the default: the whole flood lies in the pool before it begins. */
const POOL_LIMITS = { globalMax: 65_536, accountMax: 256 };

/** One call of the engine, in `processMs`. */
export interface EngineCall {
  readonly kind: "open" | "attributes" | "apply" | "seal" | "committed";
  readonly startMs: number;
  readonly endMs: number;
  /** Of the transaction, for `apply`. */
  readonly hash: Hex | null;
}

export interface LiveSequencer {
  readonly admission: Admission;
  /** Every call of the engine, as they ended. */
  readonly calls: readonly EngineCall[];
  /** In `processMs`: when a transaction was durable and in the pool. */
  readonly acceptedMs: ReadonlyMap<Hex, number>;
  /** In `processMs`: when each block was done with. */
  readonly publishedMs: readonly number[];
  /** In `processMs`: when the block that is built as this one, from 0 on, has to end. */
  sealAtMs(index: number): number;
  /** Builds blocks until that many are published, and the loop has ended. */
  run(blocks: number): Promise<void>;
}

/** A sequencer on the chain's head, which must be a block with attributes. */
export async function openLive(bench: BenchChain): Promise<LiveSequencer> {
  const { store, pool, signal } = bench;
  const calls: EngineCall[] = [];
  const acceptedMs = new Map<Hex, number>();
  const publishedMs: number[] = [];
  const engine = watched(bench.engine, calls);
  const recoverSenders = (raws: readonly Uint8Array[]) => pool.recoverSenders(raws);
  const chain = new Chain({
    rollup: ROLLUP,
    policy: POLICY,
    store,
    engine,
    recoverSenders,
    originAt: (number) => Promise.resolve(l1Block(number)),
    log: silentLogger,
  });
  const { speculators } = pool;
  if (speculators === null) throw new Error("the pool has no thread for execution aside");
  const headMs = 1000 * chain.head().header.timestamp;
  const openedMs = processMs();
  const clock = clockFrom(headMs);
  let left = 0;
  const firstNumber = chain.head().header.number + 1;
  const { admission, sequencer } = await createSequencing(
    {
      rollup: ROLLUP,
      policy: POLICY,
      key: fromHex(SEQUENCER_KEY),
      ...POOL_LIMITS,
      flashblockMs: FLASHBLOCK_MS,
    },
    {
      store,
      chain,
      engine,
      clock,
      l1: madeUpL1(clock),
      verifier: createVerifier(pool.verifiers, { sampleEvery: VERIFY_EVERY }),
      speculators,
      preemption: signal,
      recoverSenders,
      yieldTurn: async () => {
        await setImmediate();
      },
      events: {
        onAccepted(hash) {
          acceptedMs.set(hash, processMs());
        },
        onDropped: () => undefined,
        onPendingSlice: () => undefined,
        onFlashblock: () => undefined,
        publish() {
          publishedMs.push(processMs());
          left -= 1;
          if (left === 0) sequencer.stop();
        },
      },
      fail: (error) => {
        throw error;
      },
      log: silentLogger,
    },
  );
  return {
    admission,
    calls,
    acceptedMs,
    publishedMs,
    sealAtMs(index) {
      const stored = store.headerByNumber(firstNumber + index);
      const timestamp = stored?.header.timestamp ?? Infinity;
      return openedMs + 1000 * timestamp - headMs;
    },
    run(blocks) {
      // An unsigned head, which only the benchmarks make, is signed and published first.
      const { signature } = store.blockByNumber(chain.head().header.number) ?? {};
      left = signature === null ? blocks + 1 : blocks;
      return sequencer.run();
    },
  };
}

/** An L1 that grows with the clock. */
function madeUpL1(clock: Clock): L1View {
  const head = () => l1Block(l1Head(clock.nowMs()));
  const view = createL1View((number) =>
    Promise.resolve(number <= head().number ? l1Block(number) : null),
  );
  return { ...view, head };
}

/** A clock at real pace that starts at the chain's time. */
function clockFrom(startMs: number): Clock {
  const openedMs = performance.now();
  const elapsed = () => performance.now() - openedMs;
  return createSteadyClock(
    () => startMs + elapsed(),
    () => performance.now(),
  );
}

/** The same engine, its calls written down. */
function watched(engine: Engine, calls: EngineCall[]): Engine {
  const timed = async <T>(
    kind: EngineCall["kind"],
    hash: Hex | null,
    call: () => Promise<T>,
  ): Promise<T> => {
    const startMs = processMs();
    const result = await call();
    calls.push({ kind, startMs, endMs: processMs(), hash });
    return result;
  };
  const kindOf = ({ type }: Transaction) => (type === DEPOSIT_TYPE ? "attributes" : "apply");
  return new Proxy(engine, {
    get(target, name) {
      if (name === "open")
        return (...args: Parameters<Engine["open"]>) =>
          timed("open", null, () => target.open(...args));
      if (name === "apply")
        return (...args: Parameters<Engine["apply"]>) =>
          timed(kindOf(args[0]), args[0].hash, () => target.apply(...args));
      if (name === "seal") return () => timed("seal", null, () => target.seal());
      if (name === "committed") return () => timed("committed", null, () => target.committed());
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
