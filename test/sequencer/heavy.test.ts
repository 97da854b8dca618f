/**
 * What becomes of a normal transaction that the fast lane interrupts all the time: it is executed
 * aside, and where that comes to nothing, to its end.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import type { PendingSlice } from "../../node/api.ts";
import { NodeError } from "../../node/errors.ts";
import type {
  Speculated,
  SpeculationRequest,
  SpeculationService,
} from "../../node/execution/speculation.ts";
import { silentLogger } from "../../node/log.ts";
import type { Remote } from "../../node/port.ts";
import type { UnverifiedBlock } from "../../node/primitives/block.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { HeavySlot } from "../../node/sequencer/heavy-slot.ts";
import { Speculation, type SpeculationDeps } from "../../node/sequencer/speculation.ts";
import { createVerifier } from "../../node/sequencer/verifier.ts";
import type { PooledTransaction } from "../../node/txpool/sender-queue.ts";
import { decoded } from "./fixtures/decoded.ts";
import {
  localSpeculator,
  localVerifier,
  LOOPER,
  openRig,
  openSequencer,
  signed,
  type VirtualClock,
  virtualClock,
} from "./fixtures/rig.ts";

const heavy = (from: number): Promise<UserTransaction> =>
  signed(from, { nonce: 0, to: LOOPER, gas: 16_000_000n });

const has = (block: UnverifiedBlock, { hash }: UserTransaction): boolean =>
  block.transactions.some((transaction) => transaction.hash === hash);

/** Builds some blocks while something fast seems to arrive all the time; followers take them. */
async function interrupted(
  t: Test,
  transactions: readonly UserTransaction[],
  wrap: (thread: Remote<SpeculationService>, name: string) => Remote<SpeculationService>,
  onDifference: (mismatch: unknown) => void = () => undefined,
): Promise<UnverifiedBlock[]> {
  const dir = t.testdir({ leader: {}, follower: {} });
  const rig = await openRig(join(dir, "leader"));
  const follower = await openRig(join(dir, "follower"));
  t.teardown(() => Promise.all([rig.close(), follower.close()]));
  const onTurn = (): void => {
    setImmediate(() => {
      rig.preemption.raise();
    });
  };
  const speculators = {
    service: wrap(localSpeculator(rig), "service"),
    witness: wrap(localSpeculator(rig), "witness"),
  };
  const thread = localVerifier(rig);
  const check: typeof thread.check = async (...args) => {
    const mismatch = await thread.check(...args);
    if (mismatch !== null) onDifference(mismatch);
    return mismatch;
  };
  const verifier = createVerifier([{ ...thread, check }], { sampleEvery: 1 });
  const options = { onTurn, speculators, verifier };
  const { admission, published, build } = await openSequencer(rig, options);
  for (const transaction of transactions) await admission.submit(transaction);
  rig.preemption.raise();
  await build(8);
  const blocks = published.map(decoded);
  for (const block of blocks) t.match(await follower.chain.importSigned(block), { ok: true });
  return blocks;
}

t.test("aborted three times it is executed aside, and stands in a block", async (t) => {
  const two = [await heavy(0), await heavy(1)];
  const light = await signed(2, { nonce: 0, value: 1n });
  const done: (Speculated | null)[] = [];
  const blocks = await interrupted(t, [...two, light], (service) => ({
    ...service,
    async run(request) {
      const speculated = await service.run(request);
      done.push(speculated);
      return speculated;
    },
  }));
  for (const each of [...two, light]) t.ok(blocks.some((block) => has(block, each)));
  t.same(new Set(done.map((each) => each?.transaction.hash)), new Set(two.map(({ hash }) => hash)));
});

t.test("where nothing comes of it three times, it runs to its end, in heavy gas", async (t) => {
  const two = [await heavy(0), await heavy(1)];
  const tries: string[] = [];
  const blocks = await interrupted(t, two, (service, name) => ({
    ...service,
    run({ transaction }) {
      if (name === "witness") return Promise.resolve(null);
      tries.push(transaction.hash);
      // Lost its base, or took too long; or the thread failed.
      if (tries.length % 2 === 0) return Promise.resolve(null);
      return Promise.reject(new NodeError("INTERNAL"));
    },
  }));
  const places = two.map((each) => blocks.findIndex((block) => has(block, each)));
  t.ok(
    places.every((place) => place >= 0),
    "both are in",
  );
  t.not(places[0], places[1], "32M gas is more than the 30M of one block");
  for (const { hash } of two) t.equal(tries.filter((each) => each === hash).length, 3);
});

t.test("what is void is tried again", async (t) => {
  const one = await heavy(0);
  let tries = 0;
  const blocks = await interrupted(t, [one], (service, name) => ({
    ...service,
    async run(request) {
      const speculated = await service.run(request);
      if (name === "witness") return speculated;
      tries += 1;
      if (speculated === null || tries > 1) return speculated;
      // As if it had read the number of another block.
      return { ...speculated, readsBlock: true, seen: { ...speculated.seen, number: 0 } };
    },
  }));
  t.equal(tries, 2);
  t.ok(blocks.some((block) => has(block, one)));
});

for (const isHeard of [true, false])
  t.test(`the check has a witness, and ${isHeard ? "hears it" : "not a void one"}`, async (t) => {
    const one = await heavy(0);
    const differences: unknown[] = [];
    const lie = (witness: Speculated): Speculated => {
      const { outcome } = witness;
      const told = { ...witness, outcome: { ...outcome, gasUsed: outcome.gasUsed + 1n } };
      // As if it had read the time in another block.
      return isHeard ? told : { ...told, readsBlock: true, seen: { ...told.seen, timestamp: 0 } };
    };
    const onDifference = (mismatch: unknown): void => void differences.push(mismatch);
    const wrap = (thread: Remote<SpeculationService>, name: string) => ({
      ...thread,
      async run(request: SpeculationRequest) {
        const speculated = await thread.run(request);
        return name === "witness" && speculated !== null ? lie(speculated) : speculated;
      },
    });
    const blocks = await interrupted(t, [one], wrap, onDifference);
    t.ok(
      blocks.some((block) => has(block, one)),
      "corrected, where it was wrong",
    );
    t.match(differences, isHeard ? [{ part: "receipt" }] : []);
    t.equal(differences.length, isHeard ? 1 : 0);
  });

t.test("both threads are told what each block stands on", async (t) => {
  const told: PendingSlice[] = [];
  const blocks = await interrupted(t, [await heavy(0)], (service) => ({
    ...service,
    add(slice) {
      told.push(slice);
      return service.add(slice);
    },
  }));
  const parents = new Map(blocks.map(({ header }) => [header.number, header.parentHash]));
  const known = told.filter(({ environment }) => parents.has(environment.number));
  t.ok(known.length > 0);
  for (const { environment, parentHash } of known)
    t.equal(parentHash, parents.get(environment.number), `block ${environment.number}`);
});

interface Bench {
  readonly speculation: Speculation;
  readonly pooled: Set<PooledTransaction>;
  readonly asked: SpeculationRequest[];
  readonly unparked: PooledTransaction[];
  /** Milliseconds that senders have spent, in order. */
  readonly spent: number[];
  readonly clock: VirtualClock;
  /** What the engine says of the next ones. */
  price: ReturnType<SpeculationDeps["engine"]["price"]>;
  answer(speculated: Speculated | null): Promise<void>;
}

function openBench(): Bench {
  const pooled = new Set<PooledTransaction>();
  const asked: SpeculationRequest[] = [];
  const unparked: PooledTransaction[] = [];
  let answer: (speculated: Speculated | null) => void = () => undefined;
  const spent: number[] = [];
  const clock = virtualClock(0);
  const silent = { add: () => Promise.resolve() };
  const deps: SpeculationDeps = {
    service: {
      ...silent,
      run(request) {
        asked.push(request);
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
    },
    witness: { ...silent, run: () => Promise.resolve(WITNESS) },
    engine: { beginSpeculation: () => undefined, price: () => bench.price },
    pool: {
      get: (hash) => [...pooled].find(({ transaction }) => transaction.hash === hash),
      unpark: (item) => void unparked.push(item),
      spend: (_, elapsedMs) => void spent.push(elapsedMs),
    },
    clock,
    arrivals: { notify: () => undefined },
    log: silentLogger,
  };
  const bench: Bench = {
    ...{ speculation: new Speculation(deps), pooled, asked, unparked, spent, clock },
    price: { gasPrice: 1n, charge: 2n },
    async answer(speculated) {
      answer(speculated);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
  return bench;
}

function item(id: number, aborts = 3): PooledTransaction {
  const transaction = { hash: `0x${String(id)}`, sender: "0x01", gasLimit: 10n };
  return { transaction, aborts, conflicts: 0 } as unknown as PooledTransaction;
}

const slice = (number: number, index: number): PendingSlice =>
  ({ environment: { number }, index }) as PendingSlice;

const RESULT = { base: { block: 7, index: 2 } } as Speculated;
const WITNESS = { base: { block: 7, index: 2 } } as Speculated;

t.test("one after another, each on the slice that has just ended", async (t) => {
  const { speculation, pooled, asked, unparked, answer } = openBench();
  const [first, gone, second] = [item(1), item(2), item(3)];
  for (const each of [first, gone, second]) {
    pooled.add(each);
    speculation.offer(each);
  }
  t.same(asked, [], "not before a slice ends");
  speculation.onSlice(slice(7, 2));
  speculation.onSlice(slice(7, 3));
  t.match(asked, [{ base: { block: 7, index: 2 }, gasPrice: 1n, charge: 2n }]);
  t.ok(speculation.has(first));
  t.equal(speculation.take(first), null);
  pooled.delete(gone);
  await answer(RESULT);
  t.same(unparked, [first]);
  t.notOk(speculation.has(first));
  speculation.onSlice(slice(7, 4));
  t.equal(asked.length, 1, "the engine keeps what is written since one execution only");
  t.match(speculation.take(first), { speculated: RESULT });
  t.equal(speculation.take(first), null, "once");
  speculation.onSlice(slice(8, 0));
  t.match(asked[1], { base: { block: 8, index: 0 }, transaction: { hash: "0x3" } });
});

t.test("a result that nobody takes does not hold the others up", async (t) => {
  const { speculation, pooled, asked, answer } = openBench();
  const [first, second] = [item(1), item(2)];
  for (const each of [first, second]) {
    pooled.add(each);
    speculation.offer(each);
  }
  speculation.onSlice(slice(1, 0));
  await answer(RESULT);
  pooled.delete(first);
  speculation.onSlice(slice(1, 1));
  t.match(asked[1], { transaction: { hash: "0x2" } });
});

t.test("nor does one whose transaction cannot be selected", async (t) => {
  const { speculation, pooled, asked, answer } = openBench();
  const [first, second] = [item(1), item(2)];
  for (const each of [first, second]) {
    pooled.add(each);
    speculation.offer(each);
  }
  speculation.onSlice(slice(1, 0));
  await answer({ base: { block: 1, index: 0 } } as Speculated);
  for (const number of [1, 2, 3]) speculation.onSlice(slice(number, 1));
  t.equal(asked.length, 1);
  t.not(speculation.take(first), null, "for some blocks it can be taken");
  speculation.offer(first);
  speculation.onSlice(slice(3, 2));
  await answer({ base: { block: 3, index: 2 } } as Speculated);
  t.equal(second.conflicts, 0);
  speculation.onSlice(slice(6, 0));
  t.equal(second.conflicts, 1, "and not without end");
  t.match(asked[2], { transaction: { hash: "0x1" } });
  t.equal(speculation.take(second), null);
  t.end();
});

t.test("where it cannot stand in the block nothing runs, and no conflict is counted", (t) => {
  const bench = openBench();
  const { speculation, pooled, asked, unparked, spent } = bench;
  const [invalid, cheap] = [item(1), item(2)];
  for (const each of [invalid, cheap]) {
    pooled.add(each);
    speculation.offer(each);
  }
  bench.price = "NONCE_TOO_LOW";
  speculation.onSlice(slice(1, 0));
  t.same(unparked, [invalid]);
  t.match(invalid, { conflicts: 0, aborts: 0 }, "execution in place says why");
  bench.price = "FEE_CAP_TOO_LOW";
  speculation.onSlice(slice(1, 1));
  t.same(unparked, [invalid], "this one waits for a block");
  t.notOk(speculation.has(cheap));
  t.match(cheap, { conflicts: 0, aborts: 3 }, "and does not begin in place again");
  t.same([asked, spent], [[], []]);
  t.end();
});

t.test("work that came to nothing is its sender's, and nobody hears a witness of it", async (t) => {
  const { speculation, pooled, spent, clock, answer } = openBench();
  const one = item(1);
  pooled.add(one);
  const run = async (block: number): Promise<void> => {
    speculation.offer(one);
    speculation.onSlice(slice(block, 0));
    clock.advance(40);
    await answer(RESULT);
  };
  await run(1);
  const taken = speculation.take(one);
  if (taken === null) throw new Error("there is a result");
  t.same(speculation.witnessesOf([one.transaction]), [WITNESS]);
  await run(2);
  const refused = speculation.take(one);
  if (refused === null) throw new Error("there is a result");
  t.same(spent, [], "not yet");
  speculation.wasted(one, refused);
  t.same(spent, [40]);
  t.same(speculation.witnessesOf([one.transaction]), []);
  await run(3);
  pooled.delete(one);
  speculation.onSlice(slice(3, 1));
  t.same(spent, [40, 40], "nor is it free where the transaction has gone");
});

t.test("no more than sixteen wait", (t) => {
  const { speculation, pooled } = openBench();
  const items = Array.from({ length: 40 }, (_, id) => item(id));
  for (const each of items) {
    pooled.add(each);
    speculation.offer(each);
  }
  t.equal(items.filter((each) => speculation.has(each)).length, 16);
  t.end();
});

t.test("each goes its way", (t) => {
  const aside = { speculated: RESULT, elapsedMs: 1 };
  const offered: PooledTransaction[] = [];
  const ready = item(4);
  const slot = new HeavySlot(
    {
      has: (each) => offered.includes(each),
      offer: (each) => void offered.push(each),
      take: (each) => (each === ready ? aside : null),
    },
    15n,
  );
  t.equal(slot.wayOf(item(1, 2)), "preemptible");
  const often = item(2);
  t.equal(slot.wayOf(often), null);
  t.equal(slot.wayOf(often), null);
  t.same(offered, [often], "offered once");
  t.equal(slot.wayOf(ready), aside);
  const whole = { ...item(5), conflicts: 3 };
  t.equal(slot.wayOf(whole), "whole");
  slot.took(whole);
  t.equal(slot.wayOf(whole), null, "no gas is left for it");
  t.end();
});
