/**
 * Execution aside: what is taken from it is what execution in place would have come to, on the
 * parity chain block by block; and each kind of read that does not hold any more makes it void.
 */
import t from "tap";
import { type Hex, ZERO_ADDRESS, ZERO_HASH } from "../../../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../../../lanes/transaction.ts";
import { createPendingBlocks, contextOfPending } from "../../../node/execution/embedded/pending.ts";
import { startReexecution } from "../../../node/execution/embedded/reexecution.ts";
import {
  isCurrent,
  isCurrentByValue,
  type Now,
  speculate,
} from "../../../node/execution/embedded/speculation.ts";
import { NEVER } from "../../../node/execution/poll.ts";
import { SEQUENCER_FEE_VAULT } from "../../../node/primitives/predeploys.ts";
import { createWorkingState } from "../../../node/execution/embedded/state.ts";
import { packSlice } from "../../../node/execution/slice-codec.ts";
import type { SeenBlock, Speculated } from "../../../node/execution/speculation.ts";
import type { Block } from "../../../node/primitives/block.ts";
import type { Transaction, UserTransaction } from "../../../node/primitives/transaction.ts";
import { parityChain, parityRollup } from "../../parity/chain.ts";
import { createRandom } from "../../parity/random.ts";
import {
  ALICE,
  BOB,
  CAROL,
  CONTRACTS,
  createChain,
  lower,
  makeConfig,
  receiptOf,
  sign,
  type TestChain,
  words,
} from "../fixtures/chain.ts";
import { SOME_BLOCK } from "../fixtures/block-context.ts";
import { createMemoryState } from "../fixtures/state.ts";

/** The open block of a chain, with what a thread of its own would know of it. */
class Bench {
  readonly chain: TestChain;
  readonly #pending = createPendingBlocks();
  #index = 0;

  constructor(chain: TestChain) {
    this.chain = chain;
  }

  async open({ timestamp, prevRandao, parentBeaconBlockRoot, gasLimit }: Block["header"]) {
    const parent = this.chain.head();
    this.#index = 0;
    await this.chain.engine.open({
      parent,
      timestamp,
      prevRandao,
      parentBeaconBlockRoot,
      gasLimit,
    });
    const environment = { timestamp, prevRandao, parentBeaconBlockRoot, gasLimit };
    const { state } = this.chain.memory;
    const check = await startReexecution(this.chain.rollup, state, { parent, environment });
    /**
     * Ends a slice. What differs from execution from the beginning, or from what witnesses say
     * where they can be taken; `null` for nothing.
     */
    return async (witnesses: readonly Speculated[] = []): Promise<unknown> => {
      const { engine } = this.chain;
      const slice = engine.endSlice();
      if (slice === null) throw new Error("the parent is known");
      this.#pending.add({
        environment: {
          ...{ number: parent.header.number + 1, timestamp, gasLimit, prevRandao },
          ...{ baseFee: engine.baseFee(), beneficiary: SEQUENCER_FEE_VAULT },
        },
        parentHash: parent.hash,
        index: this.#index++,
        slice: packSlice(slice),
      });
      return check.check(slice, witnesses);
    };
  }

  /** Executes aside, on the slices so far; `null` where it cannot stand in the open block now. */
  async begin(transaction: UserTransaction): Promise<Speculated | null> {
    const { engine, memory, head, rollup } = this.chain;
    const price = engine.price(transaction);
    const view = this.#pending.over(
      { number: head().header.number, hash: head().hash },
      memory.state,
    );
    if (typeof price === "string" || view === null) return null;
    engine.beginSpeculation();
    const base = { block: view.environment.number, index: view.slices - 1 };
    const on = { state: view.state, context: contextOfPending(view), poll: NEVER };
    const speculated = await speculate(rollup, on, { base, transaction, ...price });
    // As it comes from another thread.
    return structuredClone(speculated);
  }
}

function isUser(transaction: Transaction): transaction is UserTransaction {
  return transaction.type !== DEPOSIT_TYPE;
}

t.test("the parity chain is the same, whatever of it was executed aside", async (t) => {
  const counts = { taken: 0, stale: 0, failed: 0, witnessed: 0 };
  for (const seed of [1, 2]) {
    const random = createRandom(seed);
    const bench = new Bench(createChain(parityRollup()));
    const { engine } = bench.chain;
    for await (const { block } of parityChain(parityRollup(), seed, 30)) {
      const { transactions } = block;
      const endSlice = await bench.open(block.header);
      let aside: { readonly at: number; readonly speculated: Speculated } | null = null;
      let witnesses: Speculated[] = [];
      for (const [at, transaction] of transactions.entries()) {
        const speculated = aside?.at === at ? aside.speculated : null;
        if (speculated !== null) {
          aside = null;
          witnesses.push(structuredClone(speculated));
          counts.witnessed += 1;
        }
        let result = await engine.apply(transaction, { speculated });
        if (!result.ok && result.code === "STALE") {
          counts.stale += 1;
          result = await engine.apply(transaction);
        } else if (speculated !== null)
          counts[speculated.outcome.success ? "taken" : "failed"] += 1;
        receiptOf(result);
        if (!random.oneIn(2)) continue;
        const difference = await endSlice(witnesses);
        witnesses = [];
        if (difference !== null)
          t.fail(`seed ${seed}, block ${block.header.number}`, { difference });
        const later = at + 1 + random.below(6);
        const next = transactions[later];
        if (aside !== null || next === undefined || !isUser(next)) continue;
        const begun = await bench.begin(next);
        if (begun !== null) aside = { at: later, speculated: begun };
      }
      const difference = await endSlice(witnesses);
      const executed = await bench.chain.close();
      if (difference !== null || executed.block.hash !== block.hash)
        t.fail(`seed ${seed}, block ${block.header.number}`, { difference });
    }
  }
  t.comment(JSON.stringify(counts));
  for (const count of Object.values(counts)) t.ok(count > 10);
});

/** `slot[0] = slot[0] + 1`. */
const COUNTER = {
  address: "0xc100000000000000000000000000000000000001",
  code: "0x60005460010160005500",
} as const;
/** `slot[1] = balance(word 0)`. */
const WATCHER = {
  address: "0xc100000000000000000000000000000000000002",
  code: "0x6000353160015500",
} as const;
/** `slot[0] = gasprice`. */
const PRICER = {
  address: "0xc100000000000000000000000000000000000003",
  code: "0x3a60005500",
} as const;
/** `slot[0] = blockhash(number - 1)`. */
const HASHER = {
  address: "0xc100000000000000000000000000000000000005",
  code: "0x600143034060005500",
} as const;
/** `slot[0] = timestamp`. */
const TIMER = {
  address: "0xc100000000000000000000000000000000000004",
  code: "0x4260005500",
} as const;

const ALLOC = Object.fromEntries(
  [COUNTER, WATCHER, PRICER, TIMER, HASHER].map(({ address, code }) => [
    address,
    { nonce: 1, code },
  ]),
);

interface Case {
  readonly what: string;
  readonly aside: () => Promise<UserTransaction>;
  /** Executed after the execution aside began; nothing for none. */
  readonly before: readonly (() => Promise<UserTransaction>)[];
  readonly isStale: boolean;
  /** Another block is opened in between. */
  readonly nextBlock?: boolean;
}

const call = (to: { readonly address: `0x${string}` }, data: `0x${string}` = "0x") =>
  sign(ALICE, { to: to.address, data });
const pay = (to: string) => () => sign(BOB, { to: lower(to), value: 5n });
const alice = words(BigInt(ALICE.address));
const carol = words(BigInt(CAROL.address));

const CASES: readonly Case[] = [
  {
    what: "another block, and it read the hash of the one before",
    aside: () => call(HASHER),
    before: [],
    nextBlock: true,
    isStale: true,
  },
  { what: "nothing happened", aside: () => call(COUNTER), before: [], isStale: false },
  {
    what: "a slot that it read was written",
    aside: () => call(COUNTER),
    before: [() => sign(BOB, { to: COUNTER.address })],
    isStale: true,
  },
  {
    what: "another slot of the contract was written",
    aside: () => call({ address: CONTRACTS.store.address }, words(1n, 7n)),
    before: [() => sign(BOB, { to: CONTRACTS.store.address, data: words(2n, 7n) })],
    // The contract had no slot: then each was read at once.
    isStale: true,
  },
  {
    what: "its sender was paid",
    aside: () => call(COUNTER),
    before: [pay(ALICE.address)],
    isStale: false,
  },
  {
    what: "its sender was paid, and it asked what that has",
    aside: () => call(WATCHER, alice),
    before: [pay(ALICE.address)],
    isStale: true,
  },
  {
    what: "it asked what its sender has",
    aside: () => call(WATCHER, alice),
    before: [pay(CAROL.address)],
    isStale: false,
  },
  {
    what: "somebody was paid whose balance it read",
    aside: () => call(WATCHER, carol),
    before: [pay(CAROL.address)],
    isStale: true,
  },
  {
    what: "another block, and it read none",
    aside: () => call(COUNTER),
    before: [],
    nextBlock: true,
    isStale: false,
  },
  {
    what: "another block, and it read the time",
    aside: () => call(TIMER),
    before: [],
    nextBlock: true,
    isStale: true,
  },
  {
    what: "another block, and it read its price",
    aside: () => call(PRICER),
    before: [],
    nextBlock: true,
    isStale: true,
  },
  {
    what: "the same block, and it read time and price",
    aside: () => call(TIMER),
    before: [pay(CAROL.address)],
    isStale: false,
  },
  {
    what: "another block has another price, and it read what its sender has left",
    aside: () => call(WATCHER, alice),
    before: [],
    nextBlock: true,
    isStale: true,
  },
];

for (const { what, aside, before, isStale, nextBlock = false } of CASES)
  t.test(`${isStale ? "void" : "good"}: ${what}`, async (t) => {
    const rollup = makeConfig({ alloc: ALLOC });
    const chain = createChain(rollup);
    const bench = new Bench(chain);
    const open = () => bench.open({ ...chain.head().header, ...chain.environment() });
    const transaction = await aside();
    let endSlice = await open();
    await endSlice();
    const speculated = await bench.begin(transaction);
    t.ok(speculated?.outcome.success);
    const between = await Promise.all(before.map((make) => make()));
    for (const each of between) receiptOf(await chain.engine.apply(each));
    if (nextBlock) {
      await chain.close();
      endSlice = await open();
    }
    const result = await chain.engine.apply(transaction, { speculated });
    if (isStale) t.same(result, { ok: false, code: "STALE" });
    const kept = isStale ? await chain.engine.apply(transaction) : result;
    const witness = structuredClone(speculated as Speculated);
    const { outcome } = witness;
    // Only a lie shows whether a witness was heard.
    const lie = { ...witness, outcome: { ...outcome, gasUsed: outcome.gasUsed + 1n } };
    t.equal((await endSlice([lie])) === null, isStale, "a void one is not");
    const inPlace = createChain(rollup);
    if (nextBlock) await inPlace.block([]);
    const theirs = await inPlace.block([...between, transaction]);
    t.same(receiptOf(kept), theirs.receipts.at(-1));
    t.equal((await chain.close()).block.hash, theirs.block.hash);
  });

interface Told {
  /** Who executes: one that reads the block, or one that reads nothing of it. */
  readonly to: { readonly address: Hex };
  readonly seen?: Partial<SeenBlock>;
  readonly gasPrice?: bigint;
}

const TOLD: Readonly<Record<string, Told>> = {
  "parent's hash": { to: HASHER, seen: { parentHash: ZERO_HASH } },
  timestamp: { to: HASHER, seen: { timestamp: 1 } },
  number: { to: HASHER, seen: { number: 77 } },
  "base fee": { to: HASHER, seen: { baseFee: 3n } },
  prevRandao: { to: HASHER, seen: { prevRandao: `0x${"78".repeat(32)}` } },
  price: { to: HASHER, gasPrice: 5n },
  "coinbase, whatever it read": { to: COUNTER, seen: { beneficiary: ZERO_ADDRESS } },
  "gas limit, whatever it read": { to: COUNTER, seen: { gasLimit: 1n } },
};

for (const [what, { to, seen = {}, gasPrice }] of Object.entries(TOLD))
  t.test(`void: it was told another ${what}`, async (t) => {
    const chain = createChain(makeConfig({ alloc: ALLOC }));
    const bench = new Bench(chain);
    const endSlice = await bench.open({ ...chain.head().header, ...chain.environment() });
    await endSlice();
    const transaction = await call(to);
    const good = await bench.begin(transaction);
    if (good === null) throw new Error("it can stand there");
    t.equal(good.seen.parentHash, chain.head().hash);
    const told = { seen: { ...good.seen, ...seen }, gasPrice: gasPrice ?? good.gasPrice };
    const wrong = { ...good, ...told };
    const stale = await chain.engine.apply(transaction, { speculated: wrong });
    t.same(stale, { ok: false, code: "STALE" });
    receiptOf(await chain.engine.apply(transaction, { speculated: good }));
    const { outcome } = wrong;
    const lie = { ...wrong, outcome: { ...outcome, gasUsed: outcome.gasUsed + 1n } };
    t.equal(await endSlice([lie]), null, "nor is it heard as a witness");
  });

t.test("what the engine has forgotten since is void", async (t) => {
  const chain = createChain(makeConfig({ alloc: ALLOC }));
  const bench = new Bench(chain);
  const place = { ...chain.head().header, ...chain.environment() };
  await (
    await bench.open(place)
  )();
  const speculated = await bench.begin(await call(COUNTER));
  await chain.engine.discard();
  await chain.engine.open(chain.environment());
  const result = await chain.engine.apply(await call(COUNTER), { speculated });
  t.same(result, { ok: false, code: "STALE" });
});

t.test("a log of writes that is full is believed no more", (t) => {
  const state = createWorkingState(createMemoryState().state);
  state.beginTransaction();
  state.logWrites();
  const slotAt = (at: number): Hex => `0x${at.toString(16).padStart(64, "0")}`;
  for (let at = 0; at < 199_998; at++) state.setSlot(COUNTER.address, slotAt(at), 1n);
  state.beginTransaction();
  t.equal(state.writeLog()?.isFull, false);
  state.setSlot(WATCHER.address, slotAt(0), 1n);
  state.beginTransaction();
  t.equal(state.writeLog()?.isFull, true);
  for (let at = 1; at < 10; at++) state.setSlot(WATCHER.address, slotAt(at), 1n);
  state.beginTransaction();
  t.equal(state.writeLog()?.hasSlot(WATCHER.address, slotAt(9)), false, "and grows no more");
  const speculated = {
    reads: { accounts: new Map(), slots: new Map() },
    transaction: {},
    seen: SOME_BLOCK,
  };
  const now: Now = { context: SOME_BLOCK, gasPrice: 0n, charge: 0n, state };
  for (const judge of [isCurrent, isCurrentByValue])
    t.equal(judge(speculated as unknown as Speculated, now), false);
  state.logWrites();
  for (const judge of [isCurrent, isCurrentByValue])
    t.equal(judge(speculated as unknown as Speculated, now), true);
  t.end();
});
