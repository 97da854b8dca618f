import t from "tap";
import { createTestClient, createWalletClient } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { deriveAccounts } from "../../devnet/accounts.ts";
import { httpTransport, httpUrl, l1Chain, l1Client } from "../../devnet/chains.ts";
import {
  DEMO_FEED,
  demoFeedAbi,
  demoFeedGenesis,
  feedId,
  PUBLISH_GAS,
  PUBLISH_SELECTOR,
  publishCalldata,
} from "../../devnet/demo-feed.ts";
import { folderAt } from "../../devnet/folder.ts";
import { resolveAnvil, startL1 } from "../../devnet/l1.ts";
import { findFreeBase } from "../../devnet/ports.ts";
import { createProcesses } from "../../devnet/processes.ts";
import { waitFor } from "../../devnet/wait.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";

const { signal } = new AbortController();
const { example, printed } = deriveAccounts();

t.test("code and storage of the genesis account make a working, allow-listed feed", async (t) => {
  const processes = createProcesses();
  t.teardown(() => processes.stopAll());
  const port = await findFreeBase(0);
  await startL1({ folder: folderAt(t.testdir()), port, binary: resolveAnvil(), signal }, processes);
  const url = httpUrl(port);
  const evm = createTestClient({
    mode: "anvil",
    chain: l1Chain(url),
    transport: httpTransport(url),
  });
  const client = l1Client(url);
  const { code, storage } = demoFeedGenesis([example.address]);
  await evm.setCode({ address: DEMO_FEED, bytecode: code });
  for (const [slot, value] of Object.entries(storage))
    await evm.setStorageAt({ address: DEMO_FEED, index: slot as Hex, value: value });

  const publish = async (privateKey: Hex, value: bigint) => {
    const wallet = createWalletClient({
      account: privateKeyToAccount(privateKey),
      chain: l1Chain(url),
      transport: httpTransport(url),
    });
    const data = publishCalldata(feedId("A/B"), value);
    const gas = BigInt(PUBLISH_GAS);
    const hash = await wallet.sendTransaction({ to: DEMO_FEED, data, gas });
    await evm.mine({ blocks: 1 });
    return waitFor("the receipt", () => client.getTransactionReceipt({ hash }), {
      timeoutMs: 10_000,
      signal,
    });
  };
  const latest = () =>
    client.readContract({
      address: DEMO_FEED,
      abi: demoFeedAbi,
      functionName: "latest",
      args: [feedId("A/B")],
    });

  t.match(await latest(), { value: 0n, round: 0n });
  const first = await publish(example.privateKey, -7n);
  t.equal(first.status, "success");
  t.equal(first.logs.length, 1);
  t.match(await latest(), { value: -7n, round: 1n, publisher: example.address });
  t.equal((await publish(example.privateKey, -7n)).status, "success", "any number of times");
  t.match(await latest(), { value: -7n, round: 2n });

  const refused = await publish(printed[0]!.privateKey, 8n);
  t.equal(refused.status, "reverted", "an account that is not on the list");
  t.match(await latest(), { value: -7n, round: 2n });
});

t.test("the ABI written here is the compiled contract's", async (t) => {
  const compiled = loadArtifact("DemoFeed").abi;
  for (const wanted of demoFeedAbi) {
    const found = compiled.find((item) => item.type === "function" && item.name === wanted.name);
    const shape = (item: unknown): unknown =>
      JSON.parse(
        JSON.stringify(item, (key, value: unknown) => (key === "internalType" ? undefined : value)),
      );
    t.same(shape(found), shape(wanted));
  }
  t.equal(publishCalldata(feedId("A/B"), 1n).slice(0, 10), PUBLISH_SELECTOR);
});
