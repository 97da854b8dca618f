/** The command line of the benchmark of prices, and what its rows make of what was lost. */
import t from "tap";
import { parsePricesOptions, rowsOf } from "./prices.ts";

t.test("options", async (t) => {
  const full = { repeats: 3, seconds: 8, json: null, peers: true, flood: true };
  t.same(parsePricesOptions([]), full);
  const few = ["--repeats", "1", "--seconds", "2", "--no-peers", "--no-flood", "--json", "x"];
  const small = { repeats: 1, seconds: 2, json: "x", peers: false, flood: false };
  t.same(parsePricesOptions(few), small);
  for (const args of [["--repeats", "0"], ["--seconds", "x"], ["--fast"], ["more"]])
    t.throws(() => parsePricesOptions(args), /usage: npm run bench -- prices/);
});

t.test("a round that nobody could read is infinitely late", async (t) => {
  const of = (system: string, readableMs: readonly number[]) => ({
    ...{ system, condition: "idle" as const, readableMs, refused: 0 },
  });
  const rows = rowsOf([
    of("pricelane", [4, 6, 8]),
    of("pricelane", [5, 7, Infinity]),
    of("anvil automine", [12, 13, 14]),
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
