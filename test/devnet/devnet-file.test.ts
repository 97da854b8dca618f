import { existsSync, readdirSync, readFileSync } from "node:fs";
import t from "tap";
import { deriveAccounts } from "../../devnet/accounts.ts";
import { formatBanner } from "../../devnet/banner.ts";
import { describeDevnet, removeDevnetFile, writeDevnetFile } from "../../devnet/devnet-file.ts";
import { folderAt } from "../../devnet/folder.ts";
import { devnetPolicy, readPolicy } from "../../devnet/policy.ts";
import { fastSenders } from "../../devnet/chain-design.ts";
import type { Topology } from "../../devnet/topology.ts";

const accounts = deriveAccounts();
const policy = readPolicy(devnetPolicy(fastSenders(accounts), 1000), "rollup.json");
const SETTLEMENT = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
const topology = { rollup: { settlement: SETTLEMENT }, policy } as unknown as Topology;

const node = (name: string, port: number, pid: number) => ({
  name,
  rpcUrl: `http://127.0.0.1:${port}`,
  wsUrl: `ws://127.0.0.1:${port}`,
  p2pAddress: "",
  child: {
    name,
    pid,
    readyText: "",
    exited: Promise.resolve(),
    stop: () => Promise.resolve(),
    crash: () => Promise.resolve(),
  },
});

t.test("devnet.json has exactly the documented shape", async (t) => {
  const folder = folderAt(t.testdir());
  const file = describeDevnet({
    folder,
    accounts,
    topology,
    l1Url: "http://127.0.0.1:8545",
    sequencer: node("sequencer", 9545, 41),
    followers: [node("follower-1", 9546, 42), node("follower-2", 9547, 43)],
  });
  writeDevnetFile(folder, file);
  const read = JSON.parse(readFileSync(folder.devnetFile, "utf8")) as typeof file;
  const { accounts: listed, examples, policyHash, policyFile, ...rest } = read;
  t.same(rest, {
    l1: { rpcUrl: "http://127.0.0.1:8545", chainId: 900 },
    l2: { chainId: 901 },
    sequencer: { rpcUrl: "http://127.0.0.1:9545", wsUrl: "ws://127.0.0.1:9545", pid: 41 },
    followers: [
      { rpcUrl: "http://127.0.0.1:9546", wsUrl: "ws://127.0.0.1:9546", pid: 42 },
      { rpcUrl: "http://127.0.0.1:9547", wsUrl: "ws://127.0.0.1:9547", pid: 43 },
    ],
    contracts: {
      Settlement: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
      DemoFeed: "0xFEeD000000000000000000000000000000000001",
      PerpMarket: "0xfeEd000000000000000000000000000000000002",
    },
  });
  t.same(
    listed,
    accounts.printed.map(({ address, privateKey }) => ({ address, privateKey })),
  );
  t.equal(policyHash, policy.hash);
  t.equal(policyFile, folder.policyFile);
  t.same(Object.keys(examples), ["fastTransaction"]);
  t.same(Object.keys(examples.fastTransaction), ["privateKey", "to", "data", "gas"]);
  t.equal(examples.fastTransaction.privateKey, accounts.all[30]?.privateKey);
  t.type(examples.fastTransaction.gas, "number");
  t.same(readdirSync(folder.root), ["devnet.json"], "written by rename, nothing left beside it");
  removeDevnetFile(folder);
  removeDevnetFile(folder);
  t.notOk(existsSync(folder.devnetFile));

  const banner = formatBanner(file, { blockTimeMs: 1000, gasLimit: 60_000_000n, dir: folder.root });
  for (const { address, privateKey } of accounts.printed) {
    t.match(banner, address);
    t.match(banner, privateKey);
  }
  for (const text of [policy.hash, "127.0.0.1:9547", ...Object.values(file.contracts)])
    t.match(banner, text);
  const order = ["Available Accounts", "Private Keys", "Wallet", "Chain", "Listening on"];
  const places = order.map((title) => banner.indexOf(title));
  t.same(
    [...places].sort((a, b) => a - b),
    places,
    "in anvil's order",
  );
});
