/**
 * `verifyLanes` against PROTOCOL 4 written down pair by pair (`fixtures/order-oracle.ts`): honest
 * chains, and chains in which one thing was changed. Both must give the same verdict on every
 * block, with the same place of the same fault.
 */
import fc from "fast-check";
import t from "tap";
import { genesisLaneState, type LaneState } from "../../lanes/lane-state.ts";
import type { Verdict } from "../../lanes/verdict.ts";
import { type LaneResult, verifyLanes } from "../../lanes/verify.ts";
import type { ViolationCode } from "../../lanes/violation.ts";
import { type Damage, DAMAGES } from "./fixtures/damage.ts";
import {
  blockSpecs,
  buildChain,
  CHAIN_START,
  type ChainBlock,
  POLICIES,
} from "./fixtures/honest-chain.ts";
import { breachesOfLast } from "./fixtures/order-oracle.ts";
import { recoverSigner } from "../../node/primitives/signature.ts";

/** Under any policy, which changes now and then. */
const anyPolicy = fc.nat(POLICIES.length - 1);
const specs = anyPolicy.chain((most) =>
  blockSpecs(
    fc.oneof({ weight: 8, arbitrary: fc.constant(most) }, { weight: 1, arbitrary: anyPolicy }),
  ),
);
const HONEST_RUNS = 600;
/** Each damage, on as many chains; more of what breaks a rule only now and then. */
const DAMAGED_RUNS = 100;
const RARE_RUNS = 300;
const RARE: ReadonlySet<string> = new Set([
  "two neighbours exchanged, with their numbers",
  "a fast transaction held back",
  "a fast transaction held back that just had room, or just not",
  "a transaction moved to another block",
  "numbers that both are lower",
]);

/** Codes that a damage of the order itself must have met, so that the property is not vacuous. */
const ORDER_CODES: readonly ViolationCode[] = [
  "RANK_DECREASES",
  "READY_NOT_INCREASING",
  "NONCE_NOT_INCREASING",
  "CLASS_CAP_EXCEEDED",
  "OVERTAKEN",
  "READY_NOT_AFTER_ACCEPTED",
  "READY_NOT_UNIQUE",
  "ACCEPTED_NOT_UNIQUE",
];

function verify(state: LaneState, { block, laneData, policy }: ChainBlock) {
  return verifyLanes(block, laneData, policy, state, recoverSigner);
}

/** Throws where the two verdicts on the last block of `chain` differ. */
function compare(chain: readonly ChainBlock[], verdict: Verdict<LaneResult, ViolationCode>): void {
  const breaches = breachesOfLast(chain);
  const differ = (why: string) =>
    new Error(`${why}: ${JSON.stringify({ verdict: verdict.ok ? "ok" : verdict, breaches })}`);
  if (verdict.ok) {
    if (breaches.length > 0) throw differ("not found");
    return;
  }
  const same = breaches.filter(({ code }) => code === verdict.code);
  if (same.length === 0) throw differ("not so");
  const places = same.flatMap(({ index }) => (index === undefined ? [] : [index]));
  if (places.length > 0 && verdict.data["index"] !== Math.min(...places))
    throw differ("found elsewhere");
}

/** The verdict on the first block that breaks something, or on the last one. */
function judge(chain: readonly ChainBlock[]): Verdict<LaneResult, ViolationCode> {
  let state = genesisLaneState(CHAIN_START);
  let verdict: Verdict<LaneResult, ViolationCode> | null = null;
  for (const [at, one] of chain.entries()) {
    verdict = verify(state, one);
    compare(chain.slice(0, at + 1), verdict);
    if (!verdict.ok) return verdict;
    state = verdict.value.laneState;
  }
  if (verdict === null) throw new Error("a chain has blocks");
  return verdict;
}

t.test("honest chains break nothing, by either account", async (t) => {
  let transactions = 0;
  let waited = 0;
  fc.assert(
    fc.property(specs, (all) => {
      const chain = buildChain(all);
      const verdict = judge(chain);
      if (!verdict.ok) throw new Error(JSON.stringify(verdict));
      let newest = 0n;
      for (const { laneData } of chain) {
        transactions += laneData.numbers.length;
        waited += laneData.numbers.filter(({ ready }) => ready < newest).length;
        for (const { ready } of laneData.numbers) if (ready > newest) newest = ready;
      }
    }),
    { numRuns: HONEST_RUNS },
  );
  t.ok(transactions > 5_000, `${transactions} transactions`);
  t.ok(waited > 200, `${waited} of them were taken after later ones`);
});

t.test("a changed chain is refused where and why the text refuses it", async (t) => {
  const met = new Map<string, number>();
  const count = (code: string) => met.set(code, (met.get(code) ?? 0) + 1);
  let chains = 0;
  const run = (name: string, damage: Damage) => {
    fc.assert(
      fc.property(
        specs,
        fc.nat(),
        fc.array(fc.nat(), { minLength: 6, maxLength: 6 }),
        (...drawn) => {
          const [all, at, numbers] = drawn;
          const chain = buildChain(all);
          let next = 0;
          const draw = (below: number) => numbers[next++ % numbers.length]! % below;
          const verdict = judge(damage(chain, at % chain.length, draw));
          count(verdict.ok ? "ok" : verdict.code);
          if (!verdict.ok && verdict.code === "OVERTAKEN")
            count(verdict.data["blocksBefore"] === 0 ? "here" : "before");
          chains++;
        },
      ),
      { numRuns: RARE.has(name) ? RARE_RUNS : DAMAGED_RUNS },
    );
    t.pass(name);
  };
  for (const [name, damage] of Object.entries(DAMAGES)) run(name, damage);
  t.ok(chains >= 3_000, `${chains} chains`);
  for (const code of [...ORDER_CODES, "here", "before"])
    t.ok((met.get(code) ?? 0) >= 10, `${code}: ${met.get(code)}`);
  t.comment(JSON.stringify(Object.fromEntries(met)));
});
