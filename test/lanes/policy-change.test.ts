/**
 * I2 where the policy changes: ranks of another policy mean something else, so that what was built
 * under it convicts nobody, and what is built under the new one still does.
 */
import fc from "fast-check";
import t from "tap";
import { genesisLaneState, type LaneState } from "../../lanes/lane-state.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { LaneTransaction } from "../../lanes/transaction.ts";
import { verifyLanes } from "../../lanes/verify.ts";
import { systemTransaction, type Wish, wishedTransaction } from "./fixtures/honest-builder.ts";
import { blockSpecs, buildChain, CHAIN_START, POLICIES } from "./fixtures/honest-chain.ts";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";
import { recoverSigner } from "../../node/primitives/signature.ts";

const [FIRST, REORDERED] = POLICIES as [Policy, Policy, Policy];

interface Entry {
  readonly call: Wish["call"];
  readonly ready: bigint;
  readonly gasLimit: number;
}

let nextId = 1;

/** A block of one flashblock with these transactions in this order. */
function blockOf(state: LaneState, policy: Policy, entries: readonly Entry[]) {
  const users = entries.map(({ call, gasLimit }, at): LaneTransaction => ({
    ...wishedTransaction(nextId++, { call, gasLimit, sender: at, tip: 0 }),
    nonce: BigInt(nextId),
  }));
  const timestamp = state.timestamp + 1;
  const block = {
    chainId: policy.document.chainId,
    term: 1,
    number: state.blockNumber + 1,
    timestamp,
    // Leaves 10,000,000 for transactions.
    gasLimit: 17_000_000n,
    l1OriginNumber: 10,
    l1OriginHash: `0x${"0a".repeat(32)}`,
    transactions: [systemTransaction(nextId++, 1_000_000n), ...users],
  } as const;
  const txCount = entries.length + 1;
  const laneData = {
    policyHash: policy.hash,
    flashblocks: [{ txCount, timestampMs: 1000 * timestamp, leaderEpoch: 1, ...NO_LANE_PRICES }],
    numbers: entries.map(({ ready }) => ({ accepted: ready - 1n, ready })),
  };
  return verifyLanes(block, laneData, policy, state, recoverSigner);
}

function stateAfter(state: LaneState, policy: Policy, entries: readonly Entry[]): LaneState {
  const verdict = blockOf(state, policy, entries);
  if (!verdict.ok) throw new Error(JSON.stringify(verdict));
  return verdict.value.laneState;
}

/** Rescues have rank 2 and a tenth of the block under the first policy; 900,000 of it are used. */
const FULL: readonly Entry[] = [
  { call: "rescue", ready: 2n, gasLimit: 450_000 },
  { call: "rescue", ready: 4n, gasLimit: 450_000 },
  { call: "transfer", ready: 30n, gasLimit: 21_000 },
];
/** Did not fit any more: 900,000 and 200,000 are over 1,000,000. */
const WAITED: Entry = { call: "rescue", ready: 10n, gasLimit: 200_000 };

t.test("a rescue that waited across a change convicts nobody", async (t) => {
  const before = stateAfter(genesisLaneState(CHAIN_START), FIRST, FULL);
  t.match(blockOf(before, FIRST, [WAITED]), { ok: true }, "nor without a change");
  // Its rank is 1 now, and of rank 1 the block before had all of its share left: for prices.
  t.equal(before.recent[0]?.classes[0]?.gas, 0n);
  const after = blockOf(before, REORDERED, [WAITED]);
  t.match(after, { ok: true });
  if (after.ok) {
    t.equal(after.value.laneState.policyHash, REORDERED.hash);
    t.equal(after.value.laneState.recent.length, 1, "what the change leaves behind is forgotten");
  }
});

t.test("whoever overtakes under one policy is still convicted", async (t) => {
  const small: Entry = { ...WAITED, gasLimit: 100_000 };
  const genesis = genesisLaneState(CHAIN_START);
  const before = stateAfter(genesis, FIRST, FULL);
  const convicted = { ok: false, code: "OVERTAKEN", data: { blocksBefore: 1, by: 255 } };
  t.match(blockOf(before, FIRST, [small]), convicted, "it had room");

  const empty = stateAfter(before, REORDERED, []);
  const transfer: Entry = { call: "transfer", ready: 40n, gasLimit: 21_000 };
  const next = stateAfter(empty, REORDERED, [transfer]);
  t.match(blockOf(next, REORDERED, [small]), convicted, "from the change on");
  t.match(blockOf(next, FIRST, [small]), { ok: true }, "a change back is a change");
});

t.test("honest chains verify, however often the policy changes", async (t) => {
  let changes = 0;
  let waited = 0;
  fc.assert(
    fc.property(blockSpecs(fc.nat(POLICIES.length - 1)), (specs) => {
      let state = genesisLaneState(CHAIN_START);
      const seen = new Set<bigint>();
      for (const { block, laneData, policy } of buildChain(specs)) {
        const verdict = verifyLanes(block, laneData, policy, state, recoverSigner);
        if (!verdict.ok) throw new Error(JSON.stringify(verdict));
        if (state.blockNumber > 0 && state.policyHash !== policy.hash) {
          changes++;
          const newest = [...seen].reduce((a, b) => (a > b ? a : b), 0n);
          if (laneData.numbers.some(({ ready }) => ready < newest)) waited++;
        }
        for (const { ready } of laneData.numbers) seen.add(ready);
        state = verdict.value.laneState;
      }
    }),
    { numRuns: 500 },
  );
  t.ok(
    changes > 300 && waited > 50,
    `${changes} changes, across ${waited} of them somebody waited`,
  );
});
