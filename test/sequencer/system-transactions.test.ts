/** What the protocol puts into a block has to work. */
import t from "tap";
import { ZERO_HASH } from "../../lanes/bytes.ts";
import { EPOCH_SENDER, PRICE_FEEDS } from "../../lanes/epoch-transaction.ts";
import { decodeLeaves } from "../../lanes/flashblock-leaves.ts";
import type { ApplyResult } from "../../node/execution/engine.ts";
import { BlockAssembly } from "../../node/sequencer/block-assembly.ts";
import { placeSystem } from "../../node/sequencer/system-transactions.ts";
import { attributes, deposit, makeConfig } from "../execution/fixtures/chain.ts";

const CONTEXT = {
  ...{ chainId: 901, term: 1, lastForced: 0, blockNumber: 1, l1OriginNumber: 1, timestamp: 1 },
  ...{ l1OriginHash: ZERO_HASH, policyHash: ZERO_HASH },
};
const EPOCH = deposit({ sender: EPOCH_SENDER, to: PRICE_FEEDS });

const engine = (result: object) => ({ apply: () => Promise.resolve(result as ApplyResult) });
const executed = (status: number) => engine({ ok: true, receipt: { status, gasUsed: 5n } });

function opened(): BlockAssembly {
  const assembly = new BlockAssembly(CONTEXT, ZERO_HASH, false);
  assembly.begin(1, 1, { conflicts: [], epoch: { cut: 77n, reports: [] } });
  return assembly;
}

t.test("an epoch that fails, or does not fit, ends the block", async (t) => {
  const failed = { code: "VERIFICATION_FAILED", data: { reason: "the epoch failed" } };
  await t.rejects(placeSystem(EPOCH, executed(0), opened()), failed);
  const full = engine({ ok: false, code: "BLOCK_GAS_EXCEEDED" });
  await t.rejects(placeSystem(EPOCH, full, opened()), { code: "INTERNAL" });
});

t.test("an epoch is ready at its cut, attributes have no numbers", async (t) => {
  const assembly = opened();
  await placeSystem(attributes(makeConfig()), executed(1), assembly);
  await placeSystem(EPOCH, executed(1), assembly);
  const leaves = decodeLeaves(assembly.end()!.executed.leaves);
  t.match(leaves, {
    value: [{ lane: { rank: 0, ready: 0n } }, { lane: { rank: 0, accepted: 0n, ready: 77n } }],
  });
  t.match(assembly.laneData(), { numbers: [], flashblocks: [{ epoch: { cut: 77n }, txCount: 2 }] });
});
