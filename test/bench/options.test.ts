import t from "tap";
import { parseOptions, populationOf, UsageError } from "./options.ts";

t.test("defaults are the full size", async (t) => {
  const options = parseOptions(["execution"]);
  t.match(options, {
    population: { accounts: 1_000_000, senders: 20_000, holders: 100_000 },
    loopGas: 16_777_216n,
    peers: true,
    profile: false,
    json: null,
    state: null,
  });
  t.ok(options.isWanted("loop: jump"));
  t.notOk(options.isWanted("roots"), "takes minutes");
  t.ok(parseOptions(["execution", "--only", "roots"]).isWanted("roots"));
});

t.test("flags", async (t) => {
  const args = "execution --accounts 4000 --runs 1 --only loop --json a --state b --no-peers";
  const options = parseOptions(args.split(" "));
  t.match(options, { runs: 1, loopRuns: 1, json: "a", state: "b", peers: false });
  t.same(options.population, populationOf(4_000));
  t.ok(options.isWanted("loop: jump"));
  t.notOk(options.isWanted("transfers"));
});

t.test("what is wrong is answered with the usage", async (t) => {
  for (const line of [
    "",
    "rpc",
    "execution execution",
    "execution --runs 0",
    "execution --runs x",
    "execution --accounts 10",
    "execution --fast",
  ])
    t.throws(() => parseOptions(line.split(" ").filter((word) => word !== "")), UsageError, line);
});
