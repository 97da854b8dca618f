import t from "tap";
import { DevnetError } from "../../devnet/devnet-error.ts";
import { parseFlags } from "../../devnet/flags.ts";

const flagsOf = (...args: string[]) => {
  const parsed = parseFlags(args);
  if (parsed.kind !== "run") throw new Error("expected flags, got the help text");
  return parsed.flags;
};

t.test("defaults are the documented ones", async (t) => {
  t.same(flagsOf(), {
    dir: ".devnet",
    portBase: 8545,
    followers: 2,
    publishers: 3,
    traffic: true,
    blockTimeMs: null,
    smoke: false,
    scenario: null,
  });
});

t.test("every flag is read", async (t) => {
  const args =
    "--dir d --port-base 20000 --followers 0 --publishers 5 --no-traffic --block-time 2000";
  t.same(flagsOf(...args.split(" ")), {
    dir: "d",
    portBase: 20_000,
    followers: 0,
    publishers: 5,
    traffic: false,
    blockTimeMs: 2000,
    smoke: false,
    scenario: null,
  });
  t.equal(flagsOf("--smoke", "--followers", "3").smoke, true);
  const crash = { name: "crash", seeds: 10, pathFile: null };
  t.same(flagsOf("--scenario", "crash").scenario, crash);
  const other = flagsOf("--scenario", "crash", "--seeds", "3", "--path", "p.csv").scenario;
  t.same(other, { name: "crash", seeds: 3, pathFile: "p.csv" });
});

t.test("a refused flag is one line that names the flag and the accepted values", async (t) => {
  const refused: [string[], RegExp][] = [
    [["--block-time", "1500"], /--block-time.*multiple of 1000/],
    [["--block-time", "0"], /--block-time.*multiple of 1000/],
    [["--block-time", "1e3"], /--block-time.*multiple of 1000/],
    [["--port-base", "80"], /--port-base.*1024/],
    [["--port-base", "65000"], /--port-base.*from 1024 to 63518/],
    [["--followers", "-1"], /--followers.*0 to 16/],
    [["--followers", "17"], /--followers.*0 to 16/],
    [["--publishers", "6"], /--publishers.*0 to 5/],
    [["--publishers", "two"], /--publishers.*0 to 5/],
    [["--dir", ""], /--dir must name a folder/],
    [["--unknown"], /--unknown/],
    [["extra"], /too many arguments/],
    [["--smoke", "--dir", "d"], /leave out --dir/],
    [["--smoke", "--port-base", "9000"], /leave out --dir and --port-base/],
    [["--scenario", "calm"], /--scenario.*crash/],
    [["--scenario", "crash", "--seeds", "0"], /--seeds.*1 to 40/],
    [["--scenario", "crash", "--smoke"], /leave out the others/],
    [["--scenario", "crash", "--followers", "1"], /leave out the others/],
    [["--seeds", "3"], /add --scenario crash/],
  ];
  for (const [args, expected] of refused) {
    try {
      parseFlags(args);
      t.fail(`accepted ${args.join(" ")}`);
    } catch (error) {
      t.ok(error instanceof DevnetError, args.join(" "));
      t.match((error as Error).message, expected);
      t.notMatch((error as Error).message, /\n/, "one line");
    }
  }
});

t.test("--help is text, not a run", async (t) => {
  const parsed = parseFlags(["--help"]);
  t.equal(parsed.kind, "help");
  const text = parsed.kind === "help" ? parsed.text : "";
  for (const flag of [
    "dir",
    "port-base",
    "followers",
    "publishers",
    "no-traffic",
    "block-time",
    "smoke",
    "scenario",
    "seeds",
    "path",
  ])
    t.match(text, `--${flag}`);
});
