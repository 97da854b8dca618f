/** That what is counted of prices on L1 is a chain that everybody derives, and really signed. */
import t from "tap";
import type { LaneData } from "../../lanes/lane-data.ts";
import { genesisLaneState, type LaneState } from "../../lanes/lane-state.ts";
import type { Policy } from "../../lanes/policy.ts";
import { deriveEpochs } from "../../lanes/verify-epochs.ts";
import { decodeDeposit } from "../../node/primitives/transaction.ts";
import { recoverSigner } from "../../node/primitives/signature.ts";
import { formatPriceCosts, postBlocks } from "./price-bytes.ts";
import { buildPricedBlocks, CHAIN_STARTS_MS } from "./price-chain.ts";
import { reportsOfPath } from "./price-path.ts";
import { pricesPolicy } from "./prices-policy.ts";
import { GENESIS_TIME } from "./rollup.ts";

const SECONDS = 3;
const SIGNATURE_BYTES = 65;
/** Words of an epoch's calldata beside its feeds, and of each feed. */
const HEAD_WORDS = 7;
const FEED_WORDS = 6;

const rules = { minEpochMs: 50, deviationBps: 1, heartbeatMs: 1_000 };
const policy = pricesPolicy(rules);
const coming = reportsOfPath(policy, {
  ...{ seed: 9, volatility: 3, fromMs: CHAIN_STARTS_MS, seconds: SECONDS },
});

/** Feeds that the block's epochs write, by the rules that every node checks it with. */
function derive(
  { timestamp, laneData }: { readonly timestamp: number; readonly laneData: LaneData },
  before: LaneState,
  by: Policy,
): { readonly updates: number; readonly after: LaneState } {
  const block = { number: before.blockNumber + 1, timestamp, headCount: 1 };
  const derived = deriveEpochs(block, laneData, by, before, recoverSigner);
  if (!derived.ok) throw new Error(derived.code);
  const { flashblocks, prices } = derived.value;
  const updates = flashblocks.reduce((sum, { transaction }) => {
    const deposit = transaction === null ? null : decodeDeposit(transaction.raw);
    if (deposit?.ok !== true) return sum;
    return sum + ((deposit.value.data.length - 4) / 32 - HEAD_WORDS) / FEED_WORDS;
  }, 0);
  const blockNumber = before.blockNumber + 1;
  return { updates, after: { ...before, blockNumber, timestamp, prices } };
}

t.test("what is derived from a batch is what was counted", async (t) => {
  const blocks = buildPricedBlocks(policy, coming);
  t.equal(blocks.length, SECONDS);
  const { payload, blobs, derived } = await postBlocks(blocks);
  t.same(
    derived.map(({ timestamp, laneData }) => ({ timestamp, laneData })),
    blocks.map(({ timestamp, laneData }) => ({ timestamp, laneData })),
  );
  t.equal(blobs, 1);
  let state = genesisLaneState(GENESIS_TIME);
  for (const [at, { epochs, updates }] of blocks.entries()) {
    const block = derived[at];
    if (block === undefined) throw new Error("a block is missing");
    const told = derive(block, state, policy);
    state = told.after;
    t.equal(told.updates, updates, `feeds in block ${at + 1}`);
    const withEpoch = block.laneData.flashblocks.filter(({ epoch }) => epoch !== null);
    t.equal(withEpoch.length, epochs);
  }
  t.ok(state.prices.epoch > 10 * SECONDS, `${state.prices.epoch} epochs`);
  const listed = blocks
    .flatMap(({ laneData }) => laneData.flashblocks)
    .reduce((sum, { epoch }) => sum + (epoch?.reports.length ?? 0), 0);
  t.ok(payload.length > listed * SIGNATURE_BYTES, "signatures do not compress");
});

t.test("feeds that must move further, or wait longer, are written less", async (t) => {
  const updates = (change: Partial<typeof rules>): number =>
    buildPricedBlocks(pricesPolicy({ ...rules, heartbeatMs: 10_000, ...change }), coming).reduce(
      (sum, block) => sum + block.updates,
      0,
    );
  const often = updates({});
  t.ok(updates({ deviationBps: 100 }) < often / 2, "further");
  t.ok(updates({ minEpochMs: 1_000 }) < often / 2, "longer");
  t.equal(updates({}), often, "the same each time");
});

t.test("a day is reckoned from what was counted", async (t) => {
  const cost = { volatility: 0.6, ...rules, seconds: 60, epochs: 30, updates: 120 };
  const table = formatPriceCosts([{ ...cost, payloadBytes: 126_975, blobs: 10 }]);
  const [head = "", row = ""] = table.split("\n").slice(-2);
  t.match(head, /volatility +minEpochMs +deviationBps +epochs\/s +updates\/s +bytes\/update/);
  // 60 %, 50 ms, 1 bps; 1,440 such minutes a day; a full blob's bytes.
  const figures = ["60 %", "50", "1", "0.500", "2.00", "1,058", "183", "14,400", "1,440"];
  t.match(row, new RegExp(`^ *${figures.join(" +")}$`));
});
