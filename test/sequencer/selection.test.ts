/** What the open block takes next, and who waits for another block. */
import t from "tap";
import { type BlockRoom, Selection } from "../../node/sequencer/selection.ts";
import { loadPolicy, policyJson } from "../lanes/fixtures/policy.ts";
import { account, createHarness, RANK, transaction } from "../txpool/fixtures/pool.ts";

const GAS_LIMIT = 30_000_000n;

/** Half of the block's time is over. */
const ROOM: BlockRoom = {
  gasFree: () => GAS_LIMIT,
  fitsBytes: () => true,
  time: () => ({ leftMs: 0, totalMs: 1000 }),
};

function openSelection(room: Partial<BlockRoom>) {
  const harness = createHarness({ globalMax: 128 });
  const policy = loadPolicy(policyJson());
  const options = { policy, pool: harness.pool, gasLimit: GAS_LIMIT, systemGas: 0n };
  return { ...harness, selection: new Selection(options, { ...ROOM, ...room }) };
}

const sentBy = (index: number, lane: "normal" | "liquidation" = "normal") =>
  transaction({ sender: account(index), lane, gasLimit: 100_000n });

for (const lane of ["fast", "normal"] as const)
  t.test(`${lane}: one that does not fit the block's bytes waits, another goes`, async (t) => {
    const large = sentBy(1, lane === "fast" ? "liquidation" : "normal");
    const { pool, selection, add, openBlock } = openSelection({
      fitsBytes: (item) => item.transaction.hash !== large.hash,
    });
    const item = add(large);
    const small = add(sentBy(2));
    const next = lane === "fast" ? selection.nextFast() : selection.nextNormal();
    t.equal(next, lane === "fast" ? undefined : small);
    // Whoever a fast one waits for must not be overtaken by the normal lane.
    t.equal(selection.hasNormal(), lane === "normal");
    if (lane === "normal") pool.included(small);
    t.equal(pool.best(item.rank), undefined);
    openBlock(0n);
    t.equal(pool.best(item.rank), item, "in the next block");
  });

t.test("in a turn beside the fast lane, too", async (t) => {
  const { pool, selection, add } = openSelection({ fitsBytes: () => false });
  const item = add(sentBy(1));
  add(sentBy(2, "liquidation"));
  t.equal(selection.nextInTurn(), undefined);
  t.equal(pool.best(RANK.normal), undefined, "it is put aside");
  t.equal(pool.get(item.transaction.hash), item);
});

t.test("a block that many do not fit is full: the others are not looked at", async (t) => {
  const { pool, selection, add, openBlock } = openSelection({ fitsBytes: () => false });
  for (let index = 1; index <= 64; index++) add(sentBy(index));
  t.equal(selection.nextNormal(), undefined);
  t.notOk(selection.hasNormal());
  const late = add(sentBy(65));
  t.equal(selection.nextNormal(), undefined);
  t.equal(selection.nextInTurn(), undefined);
  t.equal(pool.best(RANK.normal), late, "it keeps its number");
  const fast = add(sentBy(66, "liquidation"));
  t.ok(selection.hasFast(), "the fast lane is not closed");
  pool.included(fast);
  openBlock(0n);
  t.equal(pool.counts().pending, 65);
});

t.test("large ones close it to nobody whom they leave room for", async (t) => {
  const { selection, add } = openSelection({ gasFree: () => 1_000_000n });
  for (let index = 1; index <= 70; index++)
    add(transaction({ sender: account(index), gasLimit: 1_000_001n, tip: 9n }));
  const small = add(transaction({ sender: account(71), gasLimit: 100_000n, tip: 1n }));
  t.equal(selection.nextNormal(), small);
});

t.test("and so does one whose gas is not left", async (t) => {
  const { pool, selection, add } = openSelection({ gasFree: () => 99_999n });
  add(sentBy(1));
  t.equal(selection.nextNormal(), undefined);
  t.equal(pool.best(RANK.normal), undefined);
});
