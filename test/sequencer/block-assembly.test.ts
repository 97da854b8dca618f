/** What counts into the size of a block that is built. */
import t from "tap";
import { ZERO_HASH } from "../../lanes/bytes.ts";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";
import type { Receipt } from "../../node/primitives/receipt.ts";
import { BlockAssembly } from "../../node/sequencer/block-assembly.ts";
import { deposit } from "../execution/fixtures/chain.ts";

const CONTEXT = {
  ...{ chainId: 901, term: 1, lastForced: 0, blockNumber: 1, l1OriginNumber: 1, timestamp: 1 },
  ...{ l1OriginHash: ZERO_HASH, policyHash: ZERO_HASH },
};

t.test("reports and conflicts take their bytes from the transactions", async (t) => {
  const large = deposit({ data: new Uint8Array(100_000) });
  const report = { source: 0, bytes: new Uint8Array(150_000) };
  const fitting = (prices: typeof NO_LANE_PRICES): boolean => {
    const assembly = new BlockAssembly(CONTEXT, ZERO_HASH, false);
    assembly.begin(1, 1, prices);
    return assembly.fitsBytes(large);
  };
  t.ok(fitting(NO_LANE_PRICES));
  const reports = [report, report, report, report];
  t.ok(fitting({ conflicts: [], epoch: { cut: 1n, reports: reports.slice(1) } }));
  t.notOk(fitting({ conflicts: [], epoch: { cut: 1n, reports } }));
  const pair = [report, report] as const;
  t.notOk(fitting({ conflicts: [pair, pair], epoch: null }));
});

t.test(
  "in a chain with feeds some bytes are kept for prices, and what was not used is free",
  async (t) => {
    const large = deposit({ data: new Uint8Array(100_000) });
    const report = { source: 0, bytes: new Uint8Array(150_000) };
    const prices = { conflicts: [[report, report] as const], epoch: null };
    const assembly = new BlockAssembly(CONTEXT, ZERO_HASH, true);
    const rooms = (): boolean[] => [
      assembly.fitsBytes(large),
      assembly.fitsPrices(prices, 20),
      assembly.fitsPrices(
        { conflicts: [...prices.conflicts, ...prices.conflicts], epoch: null },
        20,
      ),
    ];
    t.same(rooms(), [true, true, true]);
    for (let times = 0; times < 3; times++) {
      assembly.begin(1, 1, prices);
      t.equal(assembly.end(), null);
    }
    t.same(rooms(), [true, true, true], "flashblocks that were none took nothing");
    assembly.begin(1, 1, prices);
    t.same(rooms(), [true, true, false]);
    const users = new BlockAssembly(CONTEXT, ZERO_HASH, true);
    users.begin(1, 1, NO_LANE_PRICES);
    const receipt = { status: 1, gasUsed: 5n } as Receipt;
    for (let count = 0; users.fitsBytes(large); count++) {
      t.ok(count < 5, `${count} of users`);
      users.add(large, receipt, { rank: 255, rule: 65_535, accepted: 1n, ready: 2n });
    }
    t.ok(users.fitsPrices({ conflicts: [], epoch: { cut: 1n, reports: [report] } }, 20));
  },
);
