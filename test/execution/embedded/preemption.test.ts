/**
 * Preemption: when a transaction gives way, that it leaves no trace, and that the signal crosses
 * threads.
 */
import { Worker } from "node:worker_threads";
import t from "tap";
import {
  createPreemption,
  Preempted,
  type Preemption,
} from "../../../node/execution/embedded/preemption.ts";
import { startReexecution } from "../../../node/execution/embedded/reexecution.ts";
import { PreemptionSignal } from "../../../node/preemption-signal.ts";
import type { UserTransaction } from "../../../node/primitives/transaction.ts";
import { parityChain, parityRollup } from "../../parity/chain.ts";
import { createRandom } from "../../parity/random.ts";
import { ALICE, CONTRACTS, createChain, makeConfig, receiptOf, sign } from "../fixtures/chain.ts";

t.test("a transaction gives way when the signal is up and it is two milliseconds old", (t) => {
  let nowMs = 100;
  const signal = PreemptionSignal.create();
  const preemption = createPreemption(signal, () => nowMs);
  preemption.begin(true);
  nowMs = 200;
  t.doesNotThrow(preemption.poll, "nothing has arrived");
  signal.raise();
  t.throws(preemption.poll, new Preempted(false));
  preemption.begin(true);
  nowMs = 201.9;
  t.doesNotThrow(preemption.poll, "too young");
  nowMs = 202;
  t.throws(preemption.poll, Preempted);
  preemption.begin(false);
  nowMs = 900;
  t.doesNotThrow(preemption.poll, "not preemptible");
  preemption.begin(true);
  nowMs = 1000;
  signal.lower();
  t.doesNotThrow(preemption.poll, "the signal is down again");
  nowMs = 1199.9;
  t.doesNotThrow(preemption.poll, "not long yet");
  nowMs = 1200;
  t.throws(preemption.poll, new Preempted(true), "whether somebody waits or not");
  preemption.begin(false);
  nowMs = 9000;
  t.doesNotThrow(preemption.poll, "the heavy slot has no end");
  t.end();
});

t.test("another thread raises the signal while the EVM runs", async (t) => {
  const signal = PreemptionSignal.create();
  const preemption = createPreemption(signal, () => performance.now());
  const rollup = makeConfig({ gasLimit: "60000000000" });
  const { engine, environment } = createChain(rollup, { preemption });
  await engine.open(environment());
  const loop = (nonce: number): Promise<UserTransaction> =>
    sign(ALICE, { to: CONTRACTS.looper.address, gas: 16_000_000n, nonce });
  // The EVM never yields: only a thread of its own can do this.
  const worker = new Worker(
    `const { workerData } = require("node:worker_threads");
     Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
     Atomics.store(new Int32Array(workerData), 0, 1);`,
    { eval: true, workerData: signal.memory },
  );
  t.teardown(() => worker.terminate());
  let result = await engine.apply(await loop(0), { preemptible: true });
  // A machine faster than the worker's start may be through before it.
  for (let nonce = 1; result.ok && nonce < 200; nonce++)
    result = await engine.apply(await loop(nonce), { preemptible: true });
  t.match(result, { ok: false, code: "PREEMPTED" });
});

/** Throws at the chosen poll of each preemptible transaction. */
function preemptAt(choose: () => number): Preemption & { count: number } {
  let left = Infinity;
  const preemption = {
    count: 0,
    begin(preemptible: boolean) {
      left = preemptible ? choose() : Infinity;
    },
    poll() {
      if (left === Infinity || --left > 0) return;
      preemption.count += 1;
      throw new Preempted(false);
    },
  };
  return preemption;
}

t.test("an aborted transaction leaves no trace: the same blocks and slices come out", async (t) => {
  const rollup = parityRollup();
  const random = createRandom(5);
  const preemption = preemptAt(() => 1 + random.below(random.oneIn(2) ? 4 : 60));
  const chain = createChain(rollup, { preemption });
  for await (const { block } of parityChain(rollup, 11, 60)) {
    const { timestamp, prevRandao, parentBeaconBlockRoot, gasLimit } = block.header;
    const parent = chain.head();
    const environment = { timestamp, prevRandao, parentBeaconBlockRoot, gasLimit };
    await chain.engine.open({ parent, ...environment });
    for (const transaction of block.transactions) {
      let aborts = 0;
      let result = await chain.engine.apply(transaction, { preemptible: true });
      while (!result.ok && result.code === "PREEMPTED")
        result = await chain.engine.apply(transaction, { preemptible: ++aborts < 3 });
      receiptOf(result);
    }
    // Whoever has not seen the aborts finds every write as it is said to be.
    const check = await startReexecution(rollup, chain.memory.state, { parent, environment });
    t.equal(await check.check(chain.engine.endSlice()!), null);
    t.equal((await chain.close()).block.hash, block.hash, `block ${block.header.number}`);
  }
  t.ok(preemption.count > 100, `${preemption.count} aborts`);
});

t.test("without a preemption nothing is preempted", async (t) => {
  const { engine, environment } = createChain();
  await engine.open(environment());
  const loop = await sign(ALICE, { to: CONTRACTS.looper.address, gas: 1_000_000n });
  t.equal(receiptOf(await engine.apply(loop, { preemptible: true })).status, 0);
});
