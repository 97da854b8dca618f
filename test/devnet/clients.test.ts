/**
 * Other people's clients on a running devnet: viem, ethers and foundry's cast send, call, estimate,
 * and read receipts and logs, at the sequencer and through a follower.
 */
import { type ChildProcess, execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { Contract, JsonRpcProvider, Wallet } from "ethers";
import t from "tap";
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  http,
  stringToHex,
  webSocket,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { deriveAccounts } from "../../devnet/accounts.ts";
import { DEMO_FEED, demoFeedAbi } from "../../devnet/demo-feed.ts";
import { findFreeBase } from "../../devnet/ports.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { type DevnetChild, startDevnet } from "./fixtures/devnet-child.ts";

const FEED = stringToHex("TEST/USD", { size: 32 });
const { smoke, smokePublishers } = deriveAccounts();

t.setTimeout(300_000);

/** The platform's cast binary; the package's shim would start a second process. */
function castBinary(): string | null {
  const require = createRequire(import.meta.url);
  try {
    return require.resolve(
      `@foundry-rs/cast-${process.platform}-${process.arch.replace("x64", "amd64")}/bin/cast`,
    );
  } catch {
    return null;
  }
}

t.test("clients", async (t) => {
  let running: ChildProcess | null = null;
  t.teardown(() => running?.kill("SIGTERM"));
  const devnet: DevnetChild = await startDevnet(t.testdir(), await findFreeBase(1), (child) => {
    running = child;
  });
  const sequencerUrl = devnet.file.sequencer.rpcUrl;
  const follower = devnet.file.followers[0]!;
  const chain = defineChain({
    id: 901,
    name: "devnet",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [sequencerUrl] } },
  });

  await t.test("viem: transfer, publish, receipt, logs, newHeads", async (t) => {
    const client = createPublicClient({ chain, transport: http(sequencerUrl) });
    const heads = createPublicClient({ chain, transport: webSocket(follower.wsUrl) });
    const head = new Promise<bigint>((resolve) => {
      const stop = heads.watchBlocks({
        onBlock: (block) => {
          resolve(block.number);
          stop();
        },
      });
    });
    const account = privateKeyToAccount(smokePublishers[0]!.privateKey);
    const wallet = createWalletClient({ account, chain, transport: http(sequencerUrl) });
    const hash = await wallet.writeContract({
      address: DEMO_FEED,
      abi: demoFeedAbi,
      functionName: "publish",
      args: [FEED, 4242n],
    });
    const receipt = await client.waitForTransactionReceipt({ hash, timeout: 30_000 });
    t.equal(receipt.status, "success");
    t.equal(receipt.logs.length, 1);
    const logs = await client.getLogs({ address: DEMO_FEED, blockHash: receipt.blockHash });
    t.ok(logs.some(({ transactionHash }) => transactionHash === hash));
    const latest = await client.readContract({
      address: DEMO_FEED,
      abi: demoFeedAbi,
      functionName: "latest",
      args: [FEED],
    });
    t.equal(latest.value, 4242n);
    t.ok((await head) > 0n);
    heads.transport.getRpcClient().then((rpc) => {
      rpc.close();
    });
  });

  await t.test(
    "ethers through the follower: the transaction is handed to the sequencer",
    async (t) => {
      const provider = new JsonRpcProvider(follower.rpcUrl, 901, {
        staticNetwork: true,
        cacheTimeout: -1,
      });
      t.teardown(() => {
        provider.destroy();
      });
      const wallet = new Wallet(smokePublishers[1]!.privateKey, provider);
      const { abi } = loadArtifact("DemoFeed");
      const feed = new Contract(DEMO_FEED, JSON.stringify(abi), wallet);
      const gas = await feed.getFunction("publish").estimateGas(FEED, 77n);
      t.ok(gas > 21_000n && gas < 200_000n);
      const sent = (await feed.getFunction("publish")(FEED, 77n)) as {
        wait(): Promise<unknown>;
        hash: string;
      };
      t.match(await sent.wait(), { status: 1, hash: sent.hash });
      t.equal((await provider.getTransactionReceipt(sent.hash))?.logs.length, 1);
      const plain = await wallet.sendTransaction({ to: smoke[0]!.address, value: 5n });
      t.match(await plain.wait(), { status: 1 });
      const three = [];
      for (let i = 0; i < 3; i++)
        three.push(await wallet.sendTransaction({ to: smoke[0]!.address, value: 1n }));
      t.equal(
        new Set(three.map(({ nonce }) => nonce)).size,
        3,
        "the follower knows its pending ones",
      );
      t.ok(await provider.getTransaction(three[2]!.hash), "and shows them");
      for (const one of three) t.match(await one.wait(), { status: 1 });
      await t.rejects(
        feed.getFunction("publish").staticCall("0x00", 1n),
        "a malformed call is refused",
      );
      await t.rejects(
        wallet.sendTransaction({ to: smoke[0]!.address, value: 10n ** 30n, gasLimit: 21_000n }),
        { code: "INSUFFICIENT_FUNDS" },
        "the sequencer's refusal comes back through the follower",
      );
    },
  );

  const cast = castBinary();
  await t.test("cast", { skip: cast === null ? "no cast binary here" : false }, async (t) => {
    const run = async (...args: string[]): Promise<string> => {
      const { stdout } = await promisify(execFile)(cast!, [...args, "--rpc-url", sequencerUrl], {
        timeout: 60_000,
      });
      return stdout.trim();
    };
    t.equal(await run("chain-id"), "901");
    const key = smoke[1]!.privateKey;
    const to = smoke[0]!.address;
    t.equal(await run("estimate", to, "--value", "1", "--from", smoke[1]!.address), "21000");
    const receipt = JSON.parse(
      await run("send", to, "--value", "3", "--private-key", key, "--json"),
    ) as { status: string; transactionHash: string; blockNumber: string };
    t.equal(receipt.status, "0x1");
    t.match(JSON.parse(await run("receipt", receipt.transactionHash, "--json")), {
      transactionHash: receipt.transactionHash,
    });
    const value = await run(
      "call",
      DEMO_FEED,
      "latest(bytes32)(int256,uint64,uint64,address)",
      FEED,
    );
    t.match(value, /^77\b/);
    const logs = await run("logs", "--address", DEMO_FEED, "--from-block", "0", "--json");
    t.ok((JSON.parse(logs) as unknown[]).length >= 2);
    t.match(await run("block", receipt.blockNumber, "--json"), /"hash"/);
    t.match(await run("balance", to), /^\d+$/);
  });
});
