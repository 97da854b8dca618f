/**
 * I2 against the text of PROTOCOL 4 written down pair by pair, over random blocks of which most
 * break it somewhere.
 */
import fc from "fast-check";
import t from "tap";
import type { BlockGas } from "../../lanes/budget.ts";
import { capOf } from "../../lanes/budget.ts";
import type { RecentBlock } from "../../lanes/lane-state.ts";
import { findOvertaken, type Ordered, recentBlock } from "../../lanes/overtaking.ts";
import { loadPolicy } from "./fixtures/policy.ts";

const { document } = loadPolicy();
const TTL_BLOCKS = 3;
/** Some caps of the classes fit two transactions, some none. */
const GAS: BlockGas = { gasLimit: 6_005_000n, systemGas: 0n, systemReserveGas: 6_000_000 };

const item: fc.Arbitrary<Ordered> = fc.record({
  rank: fc.constantFrom(0, 1, 2, 3, 255),
  ready: fc.bigInt({ min: 1n, max: 40n }),
  gasLimit: fc.bigInt({ min: 1n, max: 700n }),
});
const chains = fc.array(fc.array(item, { maxLength: 5 }), { minLength: 1, maxLength: 6 });

interface Placed extends Ordered {
  readonly block: number;
  readonly index: number;
}

/** Whether `x` must not precede `f`: the rule, word for word. */
function breaks(x: Placed, f: Placed, blocks: readonly (readonly Ordered[])[]): boolean {
  const precedes = x.block < f.block || (x.block === f.block && x.index < f.index);
  if (!precedes || f.block - x.block > TTL_BLOCKS) return false;
  if (!(x.rank > f.rank && f.rank >= 1 && x.ready > f.ready)) return false;
  const share = document.fast.classes.find(({ rank }) => rank === f.rank)?.gasShareBps;
  if (share === undefined) return false;
  if (x.block === f.block) return true;
  const sum = (blocks[x.block] ?? [])
    .filter(({ rank }) => rank === f.rank)
    .reduce((gas, { gasLimit }) => gas + gasLimit, f.gasLimit);
  return !(sum > capOf(share, GAS));
}

t.test("a block is refused exactly where the text of I2 refuses it", async (t) => {
  let refused = 0;
  let passed = 0;
  fc.assert(
    fc.property(chains, (blocks) => {
      const all = blocks.flatMap((own, block) =>
        own.map((each, index): Placed => ({ ...each, block, index })),
      );
      let recent: readonly RecentBlock[] = [];
      for (const [block, own] of blocks.entries()) {
        const expected = all.find(
          (f) => f.block === block && all.some((x) => breaks(x, f, blocks)),
        );
        const found = findOvertaken(own, recent, TTL_BLOCKS);
        t.equal(found?.index, expected?.index);
        if (found === null) passed += 1;
        else refused += 1;
        recent = [...recent, recentBlock(document, GAS, own)].slice(-TTL_BLOCKS);
      }
    }),
    { numRuns: 3000 },
  );
  t.ok(refused > 1000 && passed > 1000, `${refused} refused, ${passed} passed`);
});

t.test("a refusal says who, when and by whom", async (t) => {
  const normal = { rank: 255, ready: 9n, gasLimit: 21_000n };
  const fast = { rank: 1, ready: 5n, gasLimit: 100n };
  t.same(findOvertaken([normal, fast], [], 5), { index: 1, blocksBefore: 0, by: 255 });
  t.equal(findOvertaken([fast, normal], [], 5), null);
  const own = recentBlock(document, GAS, [normal]);
  const other = recentBlock(document, GAS, []);
  t.same(findOvertaken([fast], [own, other], 5), { index: 0, blocksBefore: 2, by: 255 });
  t.equal(findOvertaken([fast], [own, other], 1), null, "too long ago to be held against it");
  t.equal(findOvertaken([{ ...fast, gasLimit: 2_000n }], [own], 5), null, "it had no room there");
  const strange = { ...own, classes: own.classes.filter(({ rank }) => rank !== fast.rank) };
  t.equal(findOvertaken([fast], [strange], 5), null, "an unknown class had none either");
});
