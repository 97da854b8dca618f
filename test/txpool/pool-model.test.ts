/**
 * Everything the pool may be asked, in any order: nothing acknowledged disappears without having
 * been included or reported, and only executable transactions are offered to the builder.
 */
import * as fc from "fast-check";
import t from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import type { PooledTransaction } from "../../node/txpool/sender-queue.ts";
import { account, createHarness, GWEI, type Harness, RANK, transaction } from "./fixtures/pool.ts";

const SENDERS = 4;
const BASE_FEES = [0n, GWEI, 3n * GWEI];

class Model {
  readonly real: Harness = createHarness({ globalMax: 12, accountMax: 5, fastQueueLimit: 6 });
  readonly nonces = new Map<Hex, bigint>();
  readonly admitted: PooledTransaction[] = [];
  readonly unwritten: PooledTransaction[] = [];
  /** Written: the sender has been told that it will be included or dropped with a reason. */
  readonly acknowledged = new Set<PooledTransaction>();
  readonly included = new Set<Hex>();
  baseFee = 0n;

  nonceOf(sender: Hex): bigint {
    return this.nonces.get(sender) ?? 0n;
  }

  move(sender: Hex): void {
    this.nonces.set(sender, this.nonceOf(sender) + 1n);
    this.real.setAccount(sender, this.nonceOf(sender));
  }

  admit(sender: Hex, nonceOffset: number, lane: "normal" | "rescue", fee: number): void {
    const nonce = this.nonceOf(sender) + BigInt(nonceOffset);
    const price = BigInt(fee) * GWEI;
    const candidate = transaction({ sender, nonce, lane, maxFee: price, tip: price });
    const admitted = this.real.pool.admit(candidate, this.real.promised());
    if (!admitted.ok) return;
    this.admitted.push(admitted.value);
    this.unwritten.push(admitted.value);
  }

  write(): void {
    const item = this.unwritten.shift();
    if (item === undefined) return;
    this.real.pool.activate(item);
    this.acknowledged.add(item);
  }

  /** The journal could not take it. */
  lose(): void {
    const item = this.unwritten.shift();
    if (item !== undefined) this.real.pool.withdraw(item);
  }

  build(rank: number, outcome: "included" | "park" | "drop"): void {
    const { pool } = this.real;
    const item = pool.best(rank);
    if (item === undefined) return;
    this.#checkOffered(item);
    if (outcome === "park") pool.park(item);
    else if (outcome === "drop") pool.drop(item, "TX_INVALID");
    else {
      this.move(item.transaction.sender);
      this.included.add(item.transaction.hash);
      pool.included(item);
    }
  }

  openBlock(baseFee: bigint): void {
    this.baseFee = baseFee;
    this.real.pool.blockSealed();
    this.real.pool.blockCommitted();
    this.real.openBlock(baseFee);
  }

  #checkOffered(item: PooledTransaction): void {
    const { hash, maxFeePerGas } = item.transaction;
    const { accepted, ready } = item;
    if (ready === null || ready <= accepted) throw new Error(`${hash}: ready ${String(ready)}`);
    if (!item.durable) throw new Error(`${hash} is offered before it is durable`);
    if (maxFeePerGas < this.baseFee) throw new Error(`${hash} is offered under the base fee`);
  }

  #isPooled({ transaction: { hash } }: PooledTransaction): boolean {
    return this.real.pool.get(hash) !== undefined && !this.included.has(hash);
  }

  /** Every acknowledged transaction is in exactly one place. */
  check(): void {
    const dropped = this.real.dropped.map(({ hash }) => hash);
    if (new Set(dropped).size !== dropped.length) throw new Error("reported twice");
    const gone = new Set(dropped);
    /** Out of its place while its replacement is being written. */
    const held = new Set<PooledTransaction>();
    for (const item of this.unwritten)
      for (let old = item.replaced; old !== null; old = old.replaced) held.add(old);
    for (const item of this.acknowledged) {
      const { hash } = item.transaction;
      const isIncluded = this.included.has(hash);
      const places = [isIncluded, gone.has(hash), held.has(item), this.#isPooled(item)];
      if (places.filter(Boolean).length !== 1) throw new Error(`${hash}: ${String(places)}`);
    }
    const pooled = this.admitted.filter((item) => this.#isPooled(item)).length;
    const { pending, queued } = this.real.pool.counts();
    if (pending + queued !== pooled) throw new Error(`${pending} + ${queued} ≠ ${pooled}`);
    // One that comes back because its replacement was lost may find its lane full.
    if (pooled > 12 + 6 + SENDERS) throw new Error("over the limits");
  }

  /** With everything written and the fees covered, all that has no gap before it can be built. */
  drain(): void {
    while (this.unwritten.length > 0) this.write();
    this.openBlock(0n);
    const { pool } = this.real;
    for (let rest = pool.counts().pending; rest > 0; rest = pool.counts().pending) {
      const rank = [RANK.rescue, RANK.normal].find((each) => pool.best(each) !== undefined);
      if (rank === undefined) throw new Error(`${rest} pending, none offered`);
      this.build(rank, "included");
      this.check();
    }
    for (const item of this.acknowledged) {
      const { hash, sender, nonce } = item.transaction;
      if (this.#isPooled(item) && nonce <= this.nonceOf(sender))
        throw new Error(`${hash} is stuck`);
    }
  }
}

type ModelCommand = fc.Command<Model, Model>;

/** The model is both sides: it holds the pool, and what is known of it from outside. */
function command(name: string, act: (model: Model) => void): ModelCommand {
  return {
    check: () => true,
    run(_, real) {
      act(real);
      real.check();
    },
    toString: () => name,
  };
}

const sender = fc.integer({ min: 1, max: SENDERS }).map(account);
const rank = fc.constantFrom(RANK.normal, RANK.rescue);

const commands = fc.commands(
  [
    fc
      .tuple(sender, fc.nat(3), fc.constantFrom("normal", "rescue"), fc.integer({ min: 1, max: 5 }))
      .map(([from, offset, lane, fee]) =>
        command(`admit ${from.slice(-1)}+${offset} ${lane} ${fee}`, (model) => {
          model.admit(from, offset, lane, fee);
        }),
      ),
    fc.constant(
      command("write", (model) => {
        model.write();
      }),
    ),
    fc.constant(
      command("lose", (model) => {
        model.lose();
      }),
    ),
    fc.tuple(rank, fc.constantFrom("included", "park", "drop")).map(([from, outcome]) =>
      command(`build ${from} ${outcome}`, (model) => {
        model.build(from, outcome);
      }),
    ),
    fc.constantFrom(...BASE_FEES).map((baseFee) =>
      command(`open ${baseFee}`, (model) => {
        model.openBlock(baseFee);
      }),
    ),
    sender.map((from) =>
      command(`move ${from.slice(-1)}`, (model) => {
        model.move(from);
        model.openBlock(model.baseFee);
      }),
    ),
  ],
  { maxCommands: 80 },
);

t.test("nothing acknowledged disappears", async (t) => {
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(commands, (sequence) => {
        const model = new Model();
        fc.modelRun(() => ({ model, real: model }), sequence);
        model.drain();
      }),
      { numRuns: 500 },
    );
  });
});
