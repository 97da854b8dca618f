/**
 * The benchmark of the lanes: its schedule, its rows, and a short run on real processes. No time is
 * checked: figures are for the benchmark's own runs.
 */
import t from "tap";
import { TRUST } from "../lanes/fixtures/promises.ts";
import { measureLanes } from "./lanes.ts";
import type { LaneTimes, LoadReport } from "./lanes-load.ts";
import { parseLanesOptions } from "./lanes-options.ts";
import { receiptCheck } from "./lanes-receipts.ts";
import { lanesRows, lostIn, type Measurement, OURS } from "./lanes-rows.ts";
import { arrivals, runSchedule } from "./lanes-schedule.ts";
import { UsageError } from "./options.ts";
import { isMet } from "./row.ts";

const HASH = `0x${"ab".repeat(32)}` as const;

const timesOf = (ms: number[], lost = {}): LaneTimes => {
  return { admissionMs: ms, inclusionMs: ms, lost, checked: ms.length };
};

function measurement(system: string, condition: "idle" | "transfers", ms: number[]): Measurement {
  const load: LoadReport = {
    fast: timesOf(ms),
    normal: timesOf([5]),
    lagMs: [0],
    txPerSecond: 10,
    gasPerSecond: 1e6,
    loadAverage: [0, 0, 0],
  };
  const flood = { sent: 1, refused: {}, queuedMin: 6_000, signedLate: 0 };
  const isIdle = condition === "idle";
  const status = { loopDelayMs: { p50: 1, p99: 7, max: 9 }, threads: { rpc: 0.25 } };
  const threads = system === OURS ? status : null;
  return { system, condition, ratePerSecond: 25, load, flood: isIdle ? null : flood, threads };
}

t.test("arrivals: one in each slot, the same for the same seed", async (t) => {
  const times = arrivals(100, 3, 7);
  t.equal(times.length, 300);
  t.ok(times.every((ms, slot) => 10 * slot <= ms && ms < 10 * (slot + 1)));
  t.same(arrivals(100, 3, 7), times);
  t.notSame(arrivals(100, 3, 8), times);
});

t.test("the schedule is an open loop: what is late does not move what follows", async (t) => {
  const startMs = performance.now();
  const intended: number[] = [];
  await runSchedule(startMs, [0, 2, 4], (index, intendedMs) => {
    intended.push(intendedMs - startMs);
    while (index === 0 && performance.now() < startMs + 20);
  });
  t.ok(intended.every((ms, index) => Math.abs(ms - 2 * index) < 1e-6));
});

t.test("rows: targets, ratios and what is lost", async (t) => {
  const rows = lanesRows([
    measurement(OURS, "idle", [1, 2, 4]),
    measurement(OURS, "transfers", [1, 2, Infinity]),
    measurement("anvil automine", "idle", [2, 4, 8]),
  ]);
  const row = (name: string, measure: string) => {
    const found = rows.find((each) => each.name === name && each.measure === measure);
    if (found === undefined) throw new Error(`no row ${measure}`);
    return found;
  };
  const p50 = row("25/s idle", "fast: inclusion p50");
  t.match(p50, { figure: { median: 2 }, peers: [{ peer: "anvil automine", ratio: 0.5 }] });
  t.equal(isMet(p50), true);
  t.match(row("25/s idle", "event-loop delay p99"), { figure: { median: 7 }, peers: [] });
  t.match(row("25/s idle", "busy: rpc"), { figure: { median: 25 }, unit: "%" });
  const lost = row("25/s transfers", "fast: lost");
  t.equal(lost.figure.median, 1);
  t.equal(isMet(lost), false, "one lost is a miss");
  const ratio = row("25/s transfers", "fast: inclusion p99 / idle p99");
  t.equal(ratio.figure.median, Infinity);
  t.equal(isMet(ratio), false);
  t.equal(lostIn({ ...timesOf([1, 2]), admissionMs: [Infinity, 1] }), 1, "either receipt counts");
});

t.test("options", async (t) => {
  t.match(parseLanesOptions([]), { rates: [25, 100], peers: true, json: null });
  t.match(parseLanesOptions(["--quick", "--no-peers"]), { repeats: 1, rates: [25], peers: false });
  t.equal(parseLanesOptions(["--repeats", "5"]).repeats, 5);
  t.same(parseLanesOptions(["--only", "heavy"]).conditions, ["idle", "heavy"]);
  t.same(parseLanesOptions(["--only", "idle"]).conditions, ["idle"]);
  for (const args of [["--repeats", "0"], ["--fast"], ["more"], ["--only", "all"]])
    t.throws(() => parseLanesOptions(args), UsageError);
});

t.test("a receipt that is none does not count", async (t) => {
  const check = receiptCheck({ ...TRUST, recover: () => null });
  t.notOk(check(null, HASH, "admission"));
  t.notOk(check({ type: "inclusion", hash: HASH }, HASH, "inclusion"));
});

t.test("on real processes every transaction has both receipts, signed", async (t) => {
  const options = parseLanesOptions(["--quick", "--seconds", "2", "--no-peers"]);
  const said: string[] = [];
  const measurements = await measureLanes({ ...options, conditions: ["idle"] }, (line) => {
    said.push(line);
  });
  t.equal(measurements.length, 1);
  t.equal(said.length, 1);
  const [{ threads } = { threads: null }] = measurements;
  t.ok((threads?.loopDelayMs.max ?? 0) > 0);
  const names = [
    "compress+kzg",
    "p2p",
    "recover",
    "recover+root",
    "rpc",
    "sequencing",
    "settlement",
  ];
  t.same(Object.keys(threads?.threads ?? {}).sort(), [...names, "speculate", "verify", "witness"]);
  t.ok(Object.values(threads?.threads ?? {}).every((share) => share >= 0 && share <= 1));
  for (const { load } of measurements)
    for (const [lane, sent] of [
      [load.fast, 50],
      [load.normal, 20],
    ] as const) {
      t.equal(lane.inclusionMs.length, sent);
      t.equal(lane.checked, 2 * sent, "receipts hold");
      t.same(lane.lost, {});
    }
});
