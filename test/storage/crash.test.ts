import t, { type Test } from "tap";
import { createStore } from "../../node/storage/chain-store.ts";
import type { StoredBlock } from "../../node/storage/store.ts";
import {
  createFixtureChain,
  createRandom,
  type FixtureChain,
  ROLLUP_HASH,
} from "./fixtures/chain.ts";
import { startFixture } from "./fixtures/children.ts";

const KILLS = 15;
const SEED = 20;

/** What the killed process had said. */
interface Said {
  head: number;
  readonly unsettled: Set<bigint>;
  /** Records of the commit under way: gone if its block is there, else still in the journal. */
  settling: { number: number; accepted: bigint[] };
}

async function runAndKill(t: Test, dataDir: string, said: Said, lineCount: number): Promise<void> {
  const { child, lines, closed } = startFixture("write-until-killed", [dataDir, String(SEED)]);
  let count = 0;
  for await (const line of lines) {
    const [word, ...numbers] = line.split(" ");
    if (word === "journal") said.unsettled.add(BigInt(numbers[0]!));
    if (word === "settling") {
      const accepted = numbers.slice(1).filter(Boolean).map(BigInt);
      said.settling = { number: Number(numbers[0]), accepted };
    }
    if (word === "block") {
      said.head = Number(numbers[0]);
      for (const accepted of said.settling.accepted) said.unsettled.delete(accepted);
    }
    // Lines that were written before the signal arrives are read as well: they were acknowledged.
    if (++count === lineCount) child.kill("SIGKILL");
  }
  t.same(await closed, [null, "SIGKILL"], "killed, not ended by itself");
}

async function assertNothingLost(t: Test, dataDir: string, said: Said): Promise<number> {
  const store = await createStore({ dataDir });
  const chain: FixtureChain = createFixtureChain(SEED);
  const head = store.heads().unsafe.number;
  t.ok(head === said.head || head === said.head + 1, `head ${head}, said ${said.head}`);
  let last: StoredBlock = chain.genesis.stored;
  for (let number = 1; number <= head; number++) {
    last = chain.next().stored;
    if (number > head - 5) t.strictSame(store.blockByNumber(number), last);
  }
  t.equal(store.heads().unsafe.hash, last.block.hash);
  for (const [address, account] of chain.model.accounts)
    t.strictSame(store.state.account(address), account);
  for (const [address, slots] of chain.model.slots) {
    const expected = [...slots].map(([slot, value]) => ({ slot, value }));
    t.strictSame(
      store.state.slots(address),
      expected.sort((a, b) => (a.slot < b.slot ? -1 : 1)),
    );
  }
  if (head === said.settling.number)
    for (const accepted of said.settling.accepted) said.unsettled.delete(accepted);
  const journal = new Set((await store.loadJournal()).map(({ accepted }) => accepted));
  const lost = [...said.unsettled].filter((accepted) => !journal.has(accepted));
  t.same(lost, [], "every acknowledged record is in the journal or in a block");
  // What was written and not yet said is known from now on.
  for (const accepted of journal) said.unsettled.add(accepted);
  said.head = head;
  await store.close();
  return head;
}

t.test("kill -9 in the middle of commits and appends loses nothing acknowledged", async (t) => {
  const dataDir = t.testdir();
  const store = await createStore({ dataDir });
  await store.initialize(createFixtureChain(SEED).genesis, ROLLUP_HASH);
  await store.close();
  const random = createRandom(7);
  const said: Said = { head: 0, unsettled: new Set(), settling: { number: 0, accepted: [] } };
  let head = 0;
  for (let run = 0; run < KILLS; run++) {
    await runAndKill(t, dataDir, said, 5 + random(40));
    head = await assertNothingLost(t, dataDir, said);
  }
  t.ok(head > KILLS, `the chain grew to ${head}`);
});
