/** The command line of the benchmark of prices, and what its rows make of what was measured. */
import t from "tap";
import type { Blockspace } from "./price-blockspace.ts";
import { parsePricesOptions } from "./prices-options.ts";
import { type Measured, rowsOf } from "./prices-rows.ts";
import { FLOODER_IDS, PUBLISHER_IDS } from "./prices-policy.ts";
import { measurePrices } from "./prices.ts";

t.test("options", async (t) => {
  const conditions = ["idle", "reports", "transfers"];
  const full = {
    ...{ repeats: 3, seconds: 8, json: null, peers: true, conditions, bytes: true },
    reportsPerSecond: 10_000,
  };
  t.same(parsePricesOptions([]), full);
  const few = ["--repeats", "1", "--seconds", "2", "--no-peers", "--json", "x"];
  t.match(parsePricesOptions(few), {
    repeats: 1,
    seconds: 2,
    json: "x",
    peers: false,
    bytes: true,
  });
  const only = (name: string) => parsePricesOptions(["--only", name]);
  t.match(only("idle"), { conditions: ["idle"], bytes: false });
  t.match(only("reports"), { conditions: ["idle", "reports"], bytes: false });
  t.match(only("bytes"), { conditions: [], bytes: true });
  for (const args of [["--repeats", "0"], ["--seconds", "x"], ["--only", "y"], ["--fast"], ["z"]])
    t.throws(() => parsePricesOptions(args), /usage: npm run bench -- prices/);
});

const BLOCK: Blockspace = {
  ...{ flashblocks: 4, epochs: 3, epochsAFlashblock: 1, reports: 15, laneDataBytes: 900 },
  epochGas: 5_000,
};

const measured = (more: Partial<Measured>): Measured => ({
  ...{ system: "pricelane", condition: "idle", readableMs: [4, 6, 8], refused: 0 },
  ...{ blocks: [], flood: null },
  ...more,
});

t.test("a round that nobody could read is infinitely late", async (t) => {
  const rows = rowsOf([
    measured({}),
    measured({ readableMs: [5, 7, Infinity] }),
    measured({ system: "anvil automine", readableMs: [12, 13, 14] }),
  ]);
  t.same(
    rows.map(({ measure, figure }) => [measure, figure.median, figure.max]),
    [
      ["round readable p50", 6.5, 7],
      ["round readable p99", Infinity, Infinity],
      ["round readable max", Infinity, Infinity],
    ],
  );
  t.match(rows[0], { target: { atMost: 8 }, peers: [{ peer: "anvil automine", ratio: 0.5 }] });
});

t.test("a flood of reports is held against idle, and every report of it is told of", async (t) => {
  const flood = { seconds: 2, sent: 2_000, accepted: 500, unanswered: 100 };
  const refused = { RATE_LIMITED: 1_200, REPORT_STALE: 200 };
  const [one, more] = [BLOCK, { ...BLOCK, epochs: 5, epochsAFlashblock: 2 }];
  const rows = rowsOf([
    measured({ blocks: [one] }),
    measured({
      ...{ condition: "reports", readableMs: [8, 9, 24], flood: { ...flood, refused } },
      blocks: [one, more],
    }),
  ]);
  const of = (condition: string, measure: string) =>
    rows.find((row) => row.name === condition && row.measure === measure);
  const rate = (what: string): unknown => of("reports", `flooded feed: ${what}`)?.figure.median;
  t.same(
    ["sent", "accepted", "RATE_LIMITED", "REPORT_STALE", "no answer"].map(rate),
    [1_000, 250, 600, 100, 50],
  );
  const ratio = of("reports", "round readable p99 / idle p99");
  t.match(ratio, { figure: { median: 3 }, target: { atMost: 2 } });
  const most = "epochs a flashblock, most";
  t.match(of("idle", most), { figure: { median: 1 }, target: { atMost: 1 } });
  t.match(of("reports", most), { figure: { median: 2 } }, "of any block");
  t.match(of("reports", "epochs a block"), { figure: { median: 4 } }, "of all blocks");
  t.match(of("reports", "LaneData a block"), { figure: { median: 900 }, unit: "bytes" });
});

t.test("on real processes a flood of reports takes what its epochs take", async (t) => {
  const small = parsePricesOptions(["--only", "reports", "--seconds", "2"]);
  const options = { ...small, conditions: ["reports"], reportsPerSecond: 2_000 } as const;
  const [under, ...more] = await measurePrices(options, (line) => {
    t.comment(line);
  });
  t.same(more, []);
  if (under?.flood === null || under === undefined) throw new Error("there was no flood");
  const { flood, blocks, readableMs } = under;
  t.equal(flood.sent, 2_000 * 3, "the flood begins a second before");
  const refused = Object.values(flood.refused).reduce((sum, count) => sum + count, 0);
  t.equal(flood.accepted + refused + flood.unanswered, flood.sent);
  t.ok(flood.accepted > 0, `${flood.accepted} accepted`);
  t.ok(
    readableMs.some((ms) => ms < Infinity),
    "other feeds go on",
  );
  t.ok(
    blocks.some(({ epochs }) => epochs > 0),
    "some block has epochs",
  );
  for (const { epochs, epochsAFlashblock, reports } of blocks) {
    t.ok(epochsAFlashblock <= 1, `${epochs} epochs, one a flashblock`);
    const bound = epochs * (PUBLISHER_IDS.length + FLOODER_IDS.length);
    t.ok(reports <= bound, `${reports} listed, of each publisher one an epoch`);
  }
});
