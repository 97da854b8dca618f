/** What counts into the size of a block that is built. */
import t from "tap";
import { ZERO_HASH } from "../../lanes/bytes.ts";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";
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
