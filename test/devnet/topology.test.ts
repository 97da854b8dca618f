import { readFileSync, writeFileSync } from "node:fs";
import t, { type Test } from "tap";
import { deriveAccounts } from "../../devnet/accounts.ts";
import { fastSenders, standardDesign } from "../../devnet/chain-design.ts";
import { httpUrl, l1Client } from "../../devnet/chains.ts";
import { DEMO_FEED, publishCalldata, feedId } from "../../devnet/demo-feed.ts";
import { folderAt } from "../../devnet/folder.ts";
import { resolveAnvil, startL1 } from "../../devnet/l1.ts";
import { findFreeBase } from "../../devnet/ports.ts";
import { createProcesses } from "../../devnet/processes.ts";
import { devnetPolicy, readPolicy } from "../../devnet/policy.ts";
import {
  checkBlockTime,
  createTopology,
  ensureSettlement,
  loadTopology,
} from "../../devnet/topology.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { classify, NO_PRICES_YET } from "../../lanes/classify.ts";
import { buildGenesis } from "../../node/chain/genesis.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";

const { signal } = new AbortController();
const accounts = deriveAccounts();

t.test("makes the chain once, deploys its contract, and reads it back", async (t) => {
  const folder = folderAt(t.testdir());
  const processes = createProcesses();
  t.teardown(() => processes.stopAll());
  const port = await findFreeBase(0);
  await startL1({ folder, port, binary: resolveAnvil(), signal }, processes);
  const l1 = l1Client(httpUrl(port));
  const deps = { folder, accounts, signal };

  t.equal(loadTopology(folder, accounts), null, "nothing before the first start");
  const made = await createTopology(l1, standardDesign(accounts, 2000), deps);
  t.same(loadTopology(folder, accounts), made, "what was made is what is read back");
  t.equal(await l1.getCode({ address: made.rollup.settlement }), undefined);
  await ensureSettlement(l1, made, deps);
  const { abi } = loadArtifact("Settlement");
  const read = (functionName: string) =>
    l1.readContract({ address: made.rollup.settlement, abi, functionName });
  t.equal(await read("policyHash"), made.policy.hash);
  t.equal(await read("genesisHash"), buildGenesis(made.rollup).block.hash);
  t.equal(await read("chainId"), 901n);
  const nonce = await l1.getTransactionCount({ address: accounts.deployer.address });
  await ensureSettlement(l1, made, deps);
  t.equal(
    await l1.getTransactionCount({ address: accounts.deployer.address }),
    nonce,
    "a second start deploys nothing",
  );

  const alloc = made.rollup.genesis.alloc;
  for (const { address } of accounts.all)
    t.equal(alloc[address.toLowerCase() as Hex]?.balance, 10_000n * 10n ** 18n);
  t.equal(made.rollup.settlement, (made.rollup.settlement as string).toLowerCase());

  t.doesNotThrow(() => {
    checkBlockTime(made, 2000);
    checkBlockTime(made, null);
  });
  t.throws(
    () => {
      checkBlockTime(made, 1000);
    },
    { message: /^the chain in this folder has --block-time 2000: / },
  );

  const lost = {
    ...made.rollup.genesis,
    l1Origin: { number: 0, hash: `0x${"11".repeat(32)}` as const },
  };
  await t.rejects(
    ensureSettlement(l1, { ...made, rollup: { ...made.rollup, genesis: lost } }, deps),
    { message: /^damaged folder: the L1 state in [^\n]+ does not hold the chain's first origin/ },
  );
  damage(t, folder, made.rollup.settlement);
});

/** Every way a rollup file can be wrong is one line. */
function damage(t: Test, folder: ReturnType<typeof folderAt>, settlement: Hex): void {
  const good = readFileSync(folder.rollupFile, "utf8");
  const expectLine = (text: string, message: RegExp): void => {
    writeFileSync(folder.rollupFile, text);
    t.throws(() => loadTopology(folder, accounts), { name: "DevnetError", message });
  };
  expectLine(good.slice(0, 100), /^damaged folder: \S+rollup\.json is not JSON; delete [^\n]+$/);
  expectLine("{}", /^damaged folder: \S+rollup\.json is invalid at "[^\n]+$/);
  expectLine(good.replace(settlement, "0x12"), /is invalid at "settlement"/);
  expectLine(good.replace('"chainId": 901', '"chainId": 902'), /belongs to another chain/);
  expectLine(
    good.replace('"gasShareBps": 2000', '"gasShareBps": 9000'),
    /the policy in .* is invalid/,
  );
}

t.test("the policy puts publishers and the example in class oracle, and nobody else", async (t) => {
  const policy = readPolicy(devnetPolicy(fastSenders(accounts), 1000), "rollup.json");
  const call = {
    hash: `0x${"00".repeat(32)}`,
    type: 2,
    to: DEMO_FEED,
    nonce: 0n,
    value: 0n,
    gasLimit: 120_000n,
    selector: publishCalldata(feedId("A/B"), 1n).slice(0, 10) as Hex,
  } as const;
  const rank = (sender: Hex, change = {}) =>
    classify({ ...call, sender: sender.toLowerCase() as Hex, ...change }, policy, NO_PRICES_YET)
      .rank;
  for (const { address } of [...accounts.publishers, accounts.example]) t.equal(rank(address), 1);
  for (const { address } of [...accounts.printed, ...accounts.traffic]) t.equal(rank(address), 255);
  t.equal(rank(accounts.example.address, { value: 1n }), 255);
  t.equal(rank(accounts.example.address, { gasLimit: 150_001n }), 255);
});
