/**
 * Re-execution against the engine: what the engine says is confirmed slice by slice, in any mix of
 * checked and adopted slices, though blocks were begun on sealed ones and transactions aborted; and
 * whatever is changed in what it says is found.
 */
import t from "tap";
import type { BlockSlice, ExecutedBlock } from "../../../node/execution/engine.ts";
import { Preempted, type Preemption } from "../../../node/execution/embedded/preemption.ts";
import {
  type Reexecution,
  startReexecution,
} from "../../../node/execution/embedded/reexecution.ts";
import type { Block } from "../../../node/primitives/block.ts";
import { parityChain, parityRollup } from "../../parity/chain.ts";
import { createRandom, type Random } from "../../parity/random.ts";
import { assemble } from "../../parity/assembler.ts";
import {
  ALICE,
  createChain,
  lower,
  makeConfig,
  receiptOf,
  sign,
  type TestChain,
} from "../fixtures/chain.ts";

const ROLLUP = parityRollup();

/** Executes a block in slices; the committed state stays that before it. */
async function executeInSlices(
  chain: TestChain,
  block: Block,
  random: Random,
): Promise<BlockSlice[]> {
  const { timestamp, prevRandao, parentBeaconBlockRoot, gasLimit } = block.header;
  const parent = chain.head();
  await chain.engine.open({ parent, timestamp, prevRandao, parentBeaconBlockRoot, gasLimit });
  const slices: BlockSlice[] = [];
  for (const transaction of block.transactions) {
    receiptOf(await chain.engine.apply(transaction));
    if (random.oneIn(3)) slices.push(chain.engine.endSlice()!);
  }
  slices.push(chain.engine.endSlice()!);
  return slices;
}

function start(chain: TestChain, { header }: Block): Promise<Reexecution> {
  const { timestamp, prevRandao, parentBeaconBlockRoot, gasLimit } = header;
  const environment = { timestamp, prevRandao, parentBeaconBlockRoot, gasLimit };
  return startReexecution(ROLLUP, chain.memory.state, { parent: chain.head(), environment });
}

/** Aborts every third preemptible transaction at one of its first polls. */
function aborting(random: Random): Preemption {
  let left = Infinity;
  return {
    begin(preemptible) {
      left = preemptible && random.oneIn(3) ? 1 + random.below(30) : Infinity;
    },
    poll() {
      if (--left <= 0) throw new Preempted(false);
    },
  };
}

interface Sealed {
  readonly block: Block;
  readonly slices: readonly BlockSlice[];
  readonly sealing: Promise<ExecutedBlock>;
}

t.test("what the engine says is confirmed, whoever looks at which slice", async (t) => {
  const random = createRandom(3);
  const chain = createChain(ROLLUP, { preemption: aborting(random) });
  const { engine } = chain;
  let sealed: Sealed | null = null;
  let adopted = 0;
  /** Checks the sealed block on the state before it, by which it was not built, and commits it. */
  const check = async (): Promise<void> => {
    if (sealed === null) return;
    const { block, slices, sealing } = sealed;
    sealed = null;
    const [all, some] = await Promise.all([start(chain, block), start(chain, block)]);
    for (const slice of slices) {
      t.equal(await all.check(slice), null);
      if (random.oneIn(2) && !some.mustCheck(slice)) {
        some.adopt(slice);
        adopted += 1;
      } else t.equal(await some.check(slice), null);
    }
    const executed = await sealing;
    t.equal(executed.block.hash, block.hash);
    await chain.commit(executed);
  };
  for await (const { block } of parityChain(ROLLUP, 21, 30)) {
    const { timestamp, prevRandao, parentBeaconBlockRoot, gasLimit } = block.header;
    const parent = sealed === null ? chain.head() : null;
    await engine.open({ parent, timestamp, prevRandao, parentBeaconBlockRoot, gasLimit });
    const slices: BlockSlice[] = [];
    const take = (slice: BlockSlice | null): void => {
      if (slice !== null) slices.push(slice);
    };
    const last = random.below(block.transactions.length);
    for (const [index, transaction] of block.transactions.entries()) {
      const first = await engine.apply(transaction, { preemptible: true });
      if (!first.ok) receiptOf(await engine.apply(transaction));
      if (index === last) await check();
      if (random.oneIn(3)) take(engine.endSlice());
    }
    take(engine.endSlice());
    sealed = { block, slices, sealing: engine.seal() };
  }
  await check();
  t.ok(adopted > 20, `${adopted} slices taken at their word`);
});

/** Creates a contract that writes a slot; all of it is reverted where there is calldata. */
const MAKER = {
  address: "0xc000000000000000000000000000000000000011",
  code: assemble(
    `:6360015f555f52 0 4 28 0 CREATE2 POP
     CALLDATASIZE ISZERO PC 8 ADD JUMPI 0 0 REVERT JUMPDEST STOP`,
  ),
} as const;

t.test("what was reverted in a slice taken at its word is not missed later", async (t) => {
  const rollup = makeConfig({ alloc: { [MAKER.address]: { nonce: 1, code: MAKER.code } } });
  const chain = createChain(rollup);
  const environment = chain.environment();
  const parent = chain.head();
  await chain.engine.open(environment);
  const check = await startReexecution(rollup, chain.memory.state, { parent, environment });
  const slices: BlockSlice[] = [];
  for (const data of [null, "0x01", "0x"] as const) {
    const to = data === null ? lower(ALICE.address) : MAKER.address;
    const transaction = await sign(ALICE, { to, data: data ?? "0x", nonce: slices.length });
    receiptOf(await chain.engine.apply(transaction));
    slices.push(chain.engine.endSlice()!);
  }
  const [first, reverted, created] = slices;
  t.equal(await check.check(first!), null);
  t.equal(reverted?.receipts[0]?.status, 0);
  check.adopt(reverted!);
  t.equal(created?.writes.filter(({ slots }) => slots.length > 0).length, 1);
  t.equal(await check.check(created!), null);
});

/** One thing in a slice changed as a fault of the executor would. */
const FAULTS: readonly {
  readonly name: string;
  readonly plant: (slice: BlockSlice) => BlockSlice | null;
}[] = [
  {
    name: "a balance",
    plant: (slice) => {
      const index = slice.writes.findIndex(({ after }) => after !== null);
      const write = slice.writes[index];
      if (write === undefined || write.after === null) return null;
      const after = { ...write.after, balance: write.after.balance + 1n };
      return { ...slice, writes: slice.writes.with(index, { ...write, after }) };
    },
  },
  {
    name: "a slot",
    plant: (slice) => {
      const index = slice.writes.findIndex(({ slots }) => slots.length > 0);
      const write = slice.writes[index];
      const [slot, ...rest] = write?.slots ?? [];
      if (write === undefined || slot === undefined) return null;
      const slots = [{ ...slot, value: slot.value ^ 1n }, ...rest];
      return { ...slice, writes: slice.writes.with(index, { ...write, slots }) };
    },
  },
  {
    name: "an account left out",
    plant: (slice) =>
      slice.writes.length === 0 ? null : { ...slice, writes: slice.writes.slice(1) },
  },
  {
    name: "a status",
    plant: (slice) => {
      const [receipt, ...rest] = slice.receipts;
      if (receipt === undefined) return null;
      const status = receipt.status === 1 ? 0 : 1;
      return { ...slice, receipts: [{ ...receipt, status }, ...rest] };
    },
  },
  {
    name: "gas used",
    plant: (slice) => {
      const [receipt, ...rest] = slice.receipts;
      if (receipt === undefined) return null;
      return { ...slice, receipts: [{ ...receipt, gasUsed: receipt.gasUsed + 1n }, ...rest] };
    },
  },
  {
    name: "a transaction twice",
    plant: (slice) => {
      const user = slice.transactions.find(({ type }) => type !== 0x7e);
      const receipt = slice.receipts.at(-1);
      if (user === undefined || receipt === undefined) return null;
      return {
        ...slice,
        transactions: [...slice.transactions, user],
        receipts: [...slice.receipts, receipt],
      };
    },
  },
];

t.test("every planted fault is found in its slice", async (t) => {
  const random = createRandom(4);
  const chain = createChain(ROLLUP);
  const found = new Map<string, number>();
  for await (const { block } of parityChain(ROLLUP, 22, 25)) {
    const slices = await executeInSlices(chain, block, random);
    for (const { name, plant } of FAULTS) {
      const wrong = random.below(slices.length);
      const planted = plant(slices[wrong]!);
      if (planted === null) continue;
      const check = await start(chain, block);
      for (const [index, slice] of slices.entries()) {
        if (index > wrong) break;
        const mismatch = await check.check(index === wrong ? planted : slice);
        if (index < wrong) t.equal(mismatch, null);
        else t.ok(mismatch !== null, `${name} in block ${block.header.number}`);
      }
      found.set(name, (found.get(name) ?? 0) + 1);
    }
    await chain.close();
  }
  for (const { name } of FAULTS) t.ok((found.get(name) ?? 0) > 5, `${name} was planted`);
});
