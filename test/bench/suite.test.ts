/**
 * The benchmarks run at a tiny scale: every row is there, counts and gas are exact, and both peers
 * have used the same gas (a peer that used other gas makes the run fail). No time is checked.
 */
import t from "tap";
import { type BenchOptions, populationOf } from "./options.ts";
import type { Row } from "./row.ts";
import { runSuite } from "./suite.ts";

const RUNS = 2;
const ORDINARY = ["transfers", "erc-20", "oracle", "swap-20"];
const LOOPS = ["loop: jump", "loop: sload-cold", "loop: sstore-new"];

const wanted =
  (...names: readonly string[]) =>
  (name: string) =>
    names.includes(name);

const TINY: BenchOptions = {
  population: populationOf(1_500),
  sizes: { transfers: 20, tokens: 20, oracle: 20, swaps: 1 },
  runs: RUNS,
  loopRuns: 1,
  loopGas: 500_000n,
  floodBlocks: 1,
  probes: 2,
  // Not the flood: it runs in real time, and needs a machine that keeps up with it.
  isWanted: wanted(...ORDINARY, ...LOOPS, "heavy"),
  json: null,
  state: null,
  profile: false,
  peers: true,
};

const rowsOf = (rows: readonly Row[], name: string): Row[] =>
  rows.filter((row) => row.name === name);

function medianOf(rows: readonly Row[], name: string, measure: string): number {
  const row = rowsOf(rows, name).find((each) => each.measure === measure);
  if (row === undefined) throw new Error(`no row ${name}, ${measure}`);
  return row.figure.median;
}

const isPlausible = ({ figure, peers = [] }: Row): boolean =>
  [figure, ...peers.map((peer) => peer.figure)].every(
    ({ samples, min, median, max }) => samples > 0 && 0 <= min && min <= median && median <= max,
  ) && peers.every(({ ratio }) => ratio > 0);

const peerNames = ({ peers = [] }: Row): string[] => peers.map(({ peer }) => peer);

t.test("every row is there", async (t) => {
  const said: string[] = [];
  const rows = await runSuite(TINY, (line) => said.push(line));
  t.equal(rowsOf(rows, "state").length, 1, "the state was built");
  for (const row of rows) t.ok(isPlausible(row), `${row.name}, ${row.measure}`);

  await t.test("of ordinary workloads", async (t) => {
    for (const name of ORDINARY) {
      const own = rowsOf(rows, name);
      const measures = own.map(({ measure, unit }) => `${measure}, ${unit}`);
      t.same(
        measures,
        [
          "execution, tx/s",
          "execution, by processor time, tx/s",
          "execution, Mgas/s",
          "blocks in a stream, tx/s",
          "seal of a block hashed in slices, ms",
          "gas a transaction, gas",
          "dirty leaves a block, leaves",
          "roots of 1,000 dirty leaves, ms",
          "commitBlock, ms",
          "committed, ms",
        ],
        name,
      );
      t.ok(own.every(({ figure }) => figure.samples === RUNS));
      // Only a node has blocks.
      const both = ["EthereumJS", "anvil"];
      t.same(own.slice(0, 5).map(peerNames), [both, ["EthereumJS"], both, ["anvil"], []]);
    }
  });

  await t.test("with exact gas", async (t) => {
    const gas = (name: string) => medianOf(rows, name, "gas a transaction");
    t.equal(gas("transfers"), 21_000);
    // By the contracts' code, for slots that are written already; one byte of calldata is 12 gas.
    t.ok(Math.abs(gas("erc-20") - 34_333) < 24, `${gas("erc-20")} gas a token transfer`);
    t.ok(Math.abs(gas("oracle") - 50_490) < 50, `${gas("oracle")} gas a report`);
    t.ok(Math.abs(gas("swap-20") - 757_519) < 100, `${gas("swap-20")} gas through twenty pools`);
    // 20 senders, 20 receivers, two fee vaults, and what the attributes and system calls write.
    const leaves = medianOf(rows, "transfers", "dirty leaves a block");
    t.ok(leaves >= 42 && leaves <= 60, `${leaves} leaves`);
  });

  await t.test("of worst cases, that use all their gas", async (t) => {
    for (const name of LOOPS) {
      const own = rowsOf(rows, name);
      t.same(
        own.map(({ measure, unit }) => `${measure}, ${unit}`),
        ["execution, Mgas/s", "execution, by processor time, Mgas/s", "one transaction, ms"],
        name,
      );
      t.same(own.map(peerNames), [["EthereumJS", "anvil"], ["EthereumJS"], []]);
      const ms = medianOf(rows, name, "one transaction");
      const gas = Math.round(1_000 * ms * medianOf(rows, name, "execution"));
      if (name === "loop: sstore-new") t.ok(gas > 470_000 && gas < 500_000, `stops at ${gas}`);
      else t.equal(gas, Number(TINY.loopGas), name);
    }
  });

  await t.test("of fast transactions behind heavy ones", async (t) => {
    const whole = "arrival to executed";
    const measures = (name: string) =>
      rowsOf(rows, `fast behind ${name}`).map(({ measure, figure }) => [measure, figure.samples]);
    t.same(measures("nothing"), [[whole, TINY.probes]]);
    for (const name of ["loop: keccak256", "loop: sstore-dirty"])
      t.same(
        measures(name),
        [
          [whole, TINY.probes],
          ["delay by it", TINY.probes],
          ["delay by it, 95th percentile", 1],
        ],
        name,
      );
  });

  t.equal(rowsOf(rows, "memory").length, 3);
  t.ok(said.includes("loop: jump on peers"), "progress is told");
});
