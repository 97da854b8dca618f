/**
 * Other people's clients on a running devnet: viem, ethers and foundry's cast send, call, estimate,
 * and read receipts and logs, at the sequencer and through a follower. Then the same devnet is
 * stopped, resumed and killed.
 */
import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Contract, JsonRpcProvider, Wallet } from "ethers";
import t from "tap";
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  http,
  keccak256,
  stringToHex,
  webSocket,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { deriveAccounts } from "../../devnet/accounts.ts";
import { l2Client } from "../../devnet/chains.ts";
import { DEMO_FEED, demoFeedAbi, publishCalldata } from "../../devnet/demo-feed.ts";
import { folderAt } from "../../devnet/folder.ts";
import { findFreeBase, isPortFree, namedPorts, planPorts } from "../../devnet/ports.ts";
import { waitFor } from "../../devnet/wait.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { checkReceiptJson } from "../../lanes/check-receipt.ts";
import type { InclusionReceipt } from "../../lanes/inclusion.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { readRollupFile } from "../../rpc/cli/rollup-file.ts";
import { laneActions, refusalOf } from "../../rpc/sdk/lane-actions.ts";
import { signReport } from "../../rpc/sdk/reports.ts";
import type { PriceTold } from "../../rpc/sdk/price-watch.ts";
import { trustOf } from "../../rpc/sdk/trust.ts";
import { type DevnetChild, startDevnet } from "./fixtures/devnet-child.ts";
import { connectRpc } from "./fixtures/rpc-socket.ts";

const MAIN = fileURLToPath(new URL("../../rpc/main.js", import.meta.url));

/** What a watcher of preconfirmations is told. */
interface Told {
  readonly type: string;
  readonly hash: string;
}

const FEED = stringToHex("TEST/USD", { size: 32 });
const OTHER_FEED = stringToHex("OTHER/USD", { size: 32 });
const { publishers, smoke, smokePublishers } = deriveAccounts();

t.setTimeout(420_000);

const STOP_TIMEOUT_MS = 40_000;

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
  const plan = planPorts(await findFreeBase(1), 1);
  const folder = t.testdir();
  const start = (): Promise<DevnetChild> =>
    startDevnet(folder, plan.base, (child) => {
      running = child;
    });
  const devnet = await start();
  const sequencerUrl = devnet.file.sequencer.rpcUrl;
  const follower = devnet.file.followers[0]!;
  const { rollupFile } = folderAt(dirname(devnet.file.policyFile));
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
    const open = await client.getBlock({ blockTag: "pending", includeTransactions: true });
    t.ok(open.transactions.length > 0, "the open block parses");
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

  await t.test("receipts: admission, inclusion, drop, and the command line", async (t) => {
    const socket = await connectRpc(devnet.file.sequencer.wsUrl);
    t.teardown(() => {
      socket.close();
    });
    const rollup = ["--rollup", rollupFile];
    const verify = async (...args: string[]): Promise<string> => {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [MAIN, "verify", ...args, ...rollup],
        { timeout: 60_000 },
      );
      return stdout;
    };
    const account = privateKeyToAccount(smokePublishers[0]!.privateKey);
    const client = createPublicClient({ chain, transport: http(sequencerUrl) });
    let nonce = await client.getTransactionCount({ address: account.address });
    const publish = (data: Hex) =>
      account.signTransaction({
        ...{ type: "eip1559", chainId: 901, nonce: nonce++, to: DEMO_FEED, data, gas: 150_000n },
        ...{ maxFeePerGas: 50_000_000_000n, maxPriorityFeePerGas: 1n },
      });
    const told = new Map<string, Told>();
    socket.onNotification((result) => told.set((result as Told).hash, result as Told));
    await socket.call("eth_subscribe", ["preconfirmations"]);
    const heard = (hash: string) =>
      waitFor("a preconfirmation", () => Promise.resolve(told.get(hash) ?? null), {
        timeoutMs: 20_000,
        signal: new AbortController().signal,
      });

    const sent = (await socket.call("lane_sendRawTransaction", [
      await publish(publishCalldata(OTHER_FEED, 5n)),
    ])) as { hash: Hex; lane: string; class: string; receipt: object };
    t.match(sent, { lane: "fast", class: "oracle", receipt: { type: "admission" } });
    const inclusion = await heard(sent.hash);
    t.match(inclusion, { type: "inclusion", hash: sent.hash, status: "0x1" });
    const folder = t.testdir();
    const file = join(folder, "receipt.json");
    await writeFile(file, JSON.stringify(sent.receipt));
    t.match(await verify("receipt", file), /Holds: .* was taken into the fast lane \(oracle\)/);
    const other = join(folder, "inclusion.json");
    await writeFile(other, JSON.stringify(inclusion));
    t.match(await verify("receipt", file, other), /do not contradict each other/);
    await writeFile(other, JSON.stringify({ ...inclusion, status: "0x0" }));
    await t.rejects(verify("receipt", other), { code: 1, stderr: /RECEIPT_INVALID.*resultPath/ });
    t.match(await verify("receipt", sent.hash, "--url", sequencerUrl), /Holds: .*flashblock/);

    const raw = await publish(publishCalldata(OTHER_FEED, 6n));
    const receipt = (await socket.call("eth_sendRawTransactionSync", [raw])) as {
      status: string;
      transactionHash: Hex;
      logs: unknown[];
    };
    t.match(receipt, { status: "0x1", logs: [{ address: DEMO_FEED }] });
    const { blockNumber } = await client.waitForTransactionReceipt({
      hash: receipt.transactionHash,
    });
    t.match(await verify("block", String(blockNumber), "--url", sequencerUrl), /Holds: block/);
    t.match(await socket.call("lane_receipt", [receipt.transactionHash]), {
      status: "sealed",
      receipt: { type: "inclusion" },
    });

    // The right selector, and not enough calldata behind it.
    const reverting = (await socket.call("lane_sendRawTransaction", [
      await publish(publishCalldata(OTHER_FEED, 5n).slice(0, 20) as Hex),
    ])) as { hash: Hex };
    t.match(await heard(reverting.hash), { type: "drop", code: "TX_REVERTED" });
    t.match(await socket.call("lane_receipt", [reverting.hash]), {
      status: "dropped",
      drop: { code: "TX_REVERTED" },
    });
    nonce -= 1;
    t.equal(await client.getTransactionCount({ address: account.address }), nonce, "no trace");
  });

  await t.test("viem with the lane's actions: send, watch, check what is promised", async (t) => {
    const trust = trustOf(await readRollupFile(rollupFile));
    const { wsUrl } = devnet.file.sequencer;
    const client = createPublicClient({ chain, transport: webSocket(wsUrl) }).extend(laneActions());
    const account = privateKeyToAccount(smokePublishers[0]!.privateKey);
    const nonce = await client.getTransactionCount({ address: account.address });
    const raw = await account.signTransaction({
      ...{ type: "eip1559", chainId: 901, nonce, to: DEMO_FEED, gas: 150_000n },
      ...{ data: publishCalldata(OTHER_FEED, 7n), maxFeePerGas: 50_000_000_000n },
    });
    const hash = keccak256(raw);
    const stranger = { ...trust, sequencer: smoke[0]!.address.toLowerCase() as Hex };
    const heard: string[] = [];
    const errors: unknown[] = [];
    const included = new Promise<InclusionReceipt>((resolve) => {
      void client.watchPreconfirmations({ hashes: [hash], trust, onInclusion: resolve });
    });
    const stop = await client.watchPreconfirmations({
      hashes: [hash],
      trust: stranger,
      onInclusion: ({ lane }) => heard.push(lane.txHash),
      onError: (error) => errors.push(error),
    });
    t.same(await client.verifyInclusion(hash, trust), { ok: true, value: null }, "not yet");
    const sent = await client.sendPriorityTransaction(raw);
    t.match(sent, { hash, lane: "fast", class: "oracle" });
    t.match(checkReceiptJson(sent.receipt, trust), { ok: true, value: { type: "admission" } });
    t.match(checkReceiptJson(sent.receipt, stranger), { ok: false, code: "RECEIPT_INVALID" });
    t.match(await included, { lane: { txHash: hash }, result: { status: 1 } });
    const verdict = await client.verifyInclusion(hash, trust);
    t.match(verdict, { ok: true, value: { lane: { txHash: hash } } });
    t.match(await client.verifyInclusion(hash, stranger), { ok: false, code: "RECEIPT_INVALID" });
    t.match(errors, [{ code: "RECEIPT_INVALID" }], "signed by somebody else");
    t.same(heard, []);
    await stop();
    const next = await account.signTransaction({
      ...{ type: "eip1559", chainId: 901, nonce: nonce + 1, to: DEMO_FEED, gas: 150_000n },
      ...{ data: publishCalldata(OTHER_FEED, 8n), maxFeePerGas: 50_000_000_000n },
    });
    const late = client.sendConditionalTransaction(next, { blockNumberMax: "0x1" });
    t.match(refusalOf(await late.catch((error: unknown) => error)), { code: "CONDITION_FAILED" });
    const kept = await client.sendConditionalTransaction(next, { blockNumberMin: "0x1" });
    t.match(await client.waitForTransactionReceipt({ hash: kept }), { status: "success" });
    const elsewhere = createPublicClient({ chain, transport: http(follower.rpcUrl) }).extend(
      laneActions(),
    );
    const forwarded = elsewhere.sendConditionalTransaction(next, {});
    t.match(refusalOf(await forwarded.catch((error: unknown) => error)), { code: "NOT_ACCEPTING" });
    const plain = createPublicClient({ chain, transport: http(sequencerUrl) }).extend(
      laneActions(),
    );
    const watching = plain.watchPreconfirmations({ trust, onInclusion: () => undefined });
    await t.rejects(watching, RangeError);
    (await client.transport.getRpcClient()).close();
  });

  const cast = castBinary();
  await t.test("publishers: prices from lines to a contract, by the command line", async (t) => {
    const socket = await connectRpc(devnet.file.sequencer.wsUrl);
    t.teardown(() => {
      socket.close();
    });
    // The devnet runs the first of the three itself.
    const file = join(t.testdir(), "prices.csv");
    await writeFile(file, "2500.5,0.1\nno price\n".padEnd(12 * 40, "2500.25,0.1\n"));
    const publish = (index: number, url: string): Promise<{ stdout: string }> =>
      promisify(execFile)(
        process.execPath,
        [
          MAIN,
          "publish",
          "--url",
          url,
          "--feed",
          "ETH/USD",
          "--source",
          file,
          "--interval-ms",
          "150",
        ],
        {
          timeout: 60_000,
          env: { ...process.env, PRICELANE_PUBLISHER_KEY: publishers[index]!.privateKey },
        },
      );
    const watcher = createPublicClient({
      chain,
      transport: webSocket(devnet.file.sequencer.wsUrl),
    }).extend(laneActions());
    const told: PriceTold[] = [];
    const failed: unknown[] = [];
    const stop = await watcher.watchPrices({
      feedIds: [keccak256(stringToHex("ETH/USD"))],
      onPrice: (price) => told.push(price),
      onError: (error) => failed.push(error),
    });
    // No price without them: what the follower is handed reaches the sequencer.
    const both = [publish(1, follower.wsUrl), publish(2, follower.rpcUrl)];
    interface Feeds {
      readonly feeds: readonly {
        id: string;
        isStale: boolean;
        applied: { value: string } | null;
      }[];
    }
    const applied = await waitFor(
      "a price",
      async () => {
        const { feeds } = (await socket.call("lane_feeds", [])) as Feeds;
        const [eth] = feeds;
        return eth?.isStale === false ? eth.applied : null;
      },
      { timeoutMs: 30_000, signal: new AbortController().signal },
    );
    t.ok(BigInt(applied.value) > 2400_00000000n && BigInt(applied.value) < 2600_00000000n);
    for (const { stdout } of await Promise.all(both)) {
      t.match(stdout, /^\d+ taken; \d+ overtaken; 1 lines skipped; none refused;/);
      t.ok(Number(stdout.split(" ")[0]) > 10);
    }
    await stop();
    t.same(failed, []);
    const seen = told.filter(({ value }) => value > 2400_00000000n && value < 2600_00000000n);
    t.ok(seen.length > 3, `${seen.length} prices, as they became readable`);
    t.ok(told.every(({ timeMs }, at) => timeMs >= (told[at - 1]?.timeMs ?? 0)));
    (await watcher.transport.getRpcClient()).close();
    const stranger = publish(1, sequencerUrl);
    const unknown = promisify(execFile)(
      process.execPath,
      [MAIN, "publish", "--url", sequencerUrl, "--feed", "ETH/USD", "--source", file],
      { env: { ...process.env, PRICELANE_PUBLISHER_KEY: smoke[0]!.privateKey } },
    );
    await t.rejects(unknown, { code: 1, stderr: /REPORT_KEY_UNKNOWN/ });
    t.match((await stranger).stdout, /none refused/, "it goes on above what it has used");
  });

  await t.test("reports through the follower: receipts, refusals, a stream", async (t) => {
    const trust = trustOf(await readRollupFile(rollupFile));
    const client = createPublicClient({ chain, transport: webSocket(follower.wsUrl) }).extend(
      laneActions(),
    );
    const account = privateKeyToAccount(publishers[2]!.privateKey);
    const key = account.address.toLowerCase() as Hex;
    const { feedSet, sequence, feeds } = (await client.getPublisher(key))!;
    t.ok(BigInt(sequence) > 0n, "as the sequencer knows it");
    let next = BigInt(sequence) + 1_000n;
    const sign = (ageMs: number, of = ++next) =>
      signReport(account, feedSet, {
        ...{ sequence: of, publishTimeMs: Date.now() - ageMs },
        observations: [{ feedId: feeds[0]!.feedId, value: 1n, confidence: 0n, session: 0 }],
      });
    const taken = await client.submitReport(await sign(0));
    t.match(checkReceiptJson(taken.receipt, trust), { ok: true, value: { type: "admission" } });
    const codeOf = (error: unknown) => refusalOf(error)?.code;
    const stale = await client.submitReport(await sign(60_000)).catch(codeOf);
    t.equal(stale, "REPORT_STALE");
    const replayed = await client.submitReport(await sign(0, 1n)).catch(refusalOf);
    t.match(replayed, { code: "REPORT_REPLAYED", data: { last: String(next - 1n) } });
    const hashes: Hex[] = [];
    const failed: unknown[] = [];
    const stream = client.streamReports({
      onTaken: ({ hash, receipt }) => {
        if (checkReceiptJson(receipt, trust).ok) hashes.push(hash);
      },
      onFailed: (error) => failed.push(codeOf(error)),
    });
    for (let count = 0; count < 100; count++) await stream.send(await sign(0));
    await stream.end();
    t.equal(hashes.length + failed.length, 100);
    t.ok(hashes.length > 90, `${hashes.length} taken; ${failed.join()}`);
    (await client.transport.getRpcClient()).close();
  });

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
    t.match(await run("block", "pending", "--json"), /"number"/, "also the open one");
    t.match(await run("balance", to), /^\d+$/);
  });

  await t.test("Ctrl-C, resume, kill: one chain, and no port left open", async (t) => {
    const freed = () =>
      waitFor(
        "all ports to be free",
        async () => {
          for (const { port } of namedPorts(plan)) if (!(await isPortFree(port))) return null;
          return true;
        },
        { timeoutMs: STOP_TIMEOUT_MS, signal: new AbortController().signal },
      );
    const client = l2Client(sequencerUrl);
    const head = await client.getBlock();
    t.ok(head.number > 0n);
    t.equal(await l2Client(follower.rpcUrl).getChainId(), 901);
    for (const { address } of devnet.file.accounts) {
      t.equal(await client.getBalance({ address }), 10_000n * 10n ** 18n);
      t.equal(await client.getTransactionCount({ address }), 0);
    }
    devnet.child.kill("SIGINT");
    t.same(await once(devnet.child, "exit"), [0, null]);
    await freed();

    const second = await start();
    t.equal(
      (await client.getBlock({ blockNumber: head.number })).hash,
      head.hash,
      "the same chain",
    );
    t.equal(second.file.policyHash, devnet.file.policyHash);
    t.not(second.file.sequencer.pid, devnet.file.sequencer.pid);
    second.child.kill("SIGKILL");
    await freed();
    t.pass("children of a killed devnet go by themselves");
  });
});
