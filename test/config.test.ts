import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import t, { type Test } from "tap";
import { mnemonicToAccount } from "viem/accounts";
import { fromHex, type Hex } from "../lanes/bytes.ts";
import { type ConfigSources, loadNodeConfig, SETTINGS } from "../node/config.ts";
import { NodeError } from "../node/errors.ts";
import { DEVNET_ADDRESSES } from "../node/keys.ts";
import { encryptKey } from "../node/keystore.ts";
import { addressOf } from "../node/primitives/signature.ts";
import { feedPolicyJson } from "./lanes/fixtures/reports.ts";
import { ROLLUP_FILE } from "./rpc/fixture-chain.ts";

const SEQUENCER_KEY: Hex = `0x${"42".repeat(32)}`;
const BATCHER_KEY: Hex = `0x${"43".repeat(32)}`;
/** Account 0 of the devnet's mnemonic. */
const DEVNET_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

function writeRollup(t: Test, changes: Readonly<Record<string, unknown>> = {}): string {
  const dir = t.testdir({ "rollup.json": JSON.stringify({ ...ROLLUP_FILE, ...changes }) });
  return join(dir, "rollup.json");
}

/** A rollup with these feeds in its policy. */
function writeRollupWithFeeds(t: Test, ...feeds: Parameters<typeof feedPolicyJson>): string {
  return writeRollup(t, { policy: feedPolicyJson(...feeds) });
}

function followerFlags(rollupFile: string): ConfigSources["flags"] {
  return {
    role: "follower",
    rollupFile,
    dataDir: "/tmp/pricelane-test",
    "l1.rpcUrl": "http://127.0.0.1:8545",
  };
}

const SEQUENCER_ENV = {
  PRICELANE_SEQUENCER_KEY: SEQUENCER_KEY,
  PRICELANE_BATCHER_KEY: BATCHER_KEY,
};

t.test("defaults fill what is not said", async (t) => {
  const rollupFile = writeRollup(t);
  const config = await loadNodeConfig({ env: {}, flags: followerFlags(rollupFile) });
  t.match(config, {
    role: "follower",
    rollupFile,
    rpc: { host: "127.0.0.1", port: 9545 },
    metrics: { host: "127.0.0.1", port: null },
    p2p: { listen: [], peers: [] },
    l1: { beaconUrl: "http://127.0.0.1:8545", pollIntervalMs: 1000 },
    sequencer: { key: null },
    batcher: { key: null },
    divergence: { gapBps: 100, spreadBps: 200, feeds: new Map() },
    workers: 2,
    logLevel: "info",
    exitWithParent: false,
  });
  t.equal(config.rollup.chainId, 901);
});

t.test("flags win over the environment, the environment over the file", async (t) => {
  const rollupFile = writeRollup(t);
  const file = join(dirname(rollupFile), "node.json");
  writeFileSync(
    file,
    JSON.stringify({
      role: "follower",
      rollupFile: "rollup.json",
      dataDir: "data",
      rpc: { host: "0.0.0.0", port: 1111 },
      l1: { rpcUrl: "http://127.0.0.1:8545" },
      workers: 5,
    }),
  );
  const env = { PRICELANE_RPC_PORT: "2222", PRICELANE_WORKERS: "6", PRICELANE_P2P_LISTEN: "" };
  const flags = { "rpc.port": "3333", "p2p.listen": ["/ip4/127.0.0.1/tcp/0"] };
  const config = await loadNodeConfig({ file, env, flags });
  t.match(config, { rpc: { host: "0.0.0.0", port: 3333 }, workers: 6 });
  t.same(config.p2p.listen, ["/ip4/127.0.0.1/tcp/0"]);
  t.equal(config.rollupFile, rollupFile, "paths in the file start at the file's folder");
  t.equal(config.dataDir, join(dirname(file), "data"));
});

t.test("every setting can be made by its variable and by its flag", async (t) => {
  const peer = `/ip4/127.0.0.1/tcp/1/p2p/${"1".repeat(52)}`;
  const rollupFile = writeRollupWithFeeds(t);
  const values: Readonly<Record<string, string>> = {
    role: "follower",
    rollupFile,
    dataDir: "/tmp/x",
    journalDir: "/tmp/y",
    "rpc.host": "::1",
    "rpc.port": "1",
    "metrics.host": "::2",
    "metrics.port": "2",
    "p2p.listen": "/ip4/127.0.0.1/tcp/1,/ip4/127.0.0.1/tcp/2",
    "p2p.peers": peer,
    "l1.rpcUrl": "http://localhost:1",
    "l1.beaconUrl": "https://localhost:2",
    "l1.pollIntervalMs": "99",
    "sequencer.flashblockMs": "100",
    "sequencer.verifiers": "2",
    "sequencer.verifyEvery": "4",
    "batcher.intervalMs": "1234",
    "txpool.globalMax": "10",
    "txpool.accountMax": "5",
    "divergence.gapBps": "70",
    "divergence.spreadBps": "90",
    "divergence.feeds": "ETH/USD=50:60",
    workers: "3",
    logLevel: "debug",
    exitWithParent: "true",
  };
  t.same(
    Object.keys(values),
    SETTINGS.map((setting) => setting.key),
  );
  const env = Object.fromEntries(SETTINGS.map(({ key, env }) => [env, values[key]]));
  const byEnv = await loadNodeConfig({ env, flags: {} });
  const byFlag = await loadNodeConfig({ env: {}, flags: values });
  const lists = { listen: values["p2p.listen"]!.split(","), peers: [peer] };
  t.same({ ...byEnv, rollup: null }, { ...byFlag, rollup: null });
  t.match(byEnv, {
    dataDir: "/tmp/x",
    journalDir: "/tmp/y",
    rpc: { host: "::1", port: 1 },
    metrics: { host: "::2", port: 2 },
    p2p: lists,
    l1: { rpcUrl: "http://localhost:1", beaconUrl: "https://localhost:2", pollIntervalMs: 99 },
    sequencer: { flashblockMs: 100, verifiers: 2, verifyEvery: 4 },
    batcher: { intervalMs: 1234 },
    txpool: { globalMax: 10, accountMax: 5 },
    divergence: { gapBps: 70, spreadBps: 90 },
    workers: 3,
    logLevel: "debug",
    exitWithParent: true,
  });
  t.same(byEnv.divergence.feeds.get("ETH/USD"), { gapBps: 50, spreadBps: 60 });
});

t.test("thresholds of a feed that the policy does not have are refused by its ids", async (t) => {
  const rollupFile = writeRollupWithFeeds(t, [{}, { id: "BTC/USD" }]);
  const flags = followerFlags(rollupFile);
  const file = join(dirname(rollupFile), "node.json");
  const feeds = ["BTC/USD=50:60", "DOGE/USD=50:60"];
  writeFileSync(file, JSON.stringify({ divergence: { feeds } }));
  t.match(await failure({ file, env: {}, flags }), {
    code: "CONFIG_INVALID",
    data: {
      ...{ key: "divergence.feeds", from: file },
      expected: "entry 2 to name a feed of the policy: ETH/USD, BTC/USD",
    },
  });
  const byFlag = await failure({ env: {}, flags: { ...flags, "divergence.feeds": feeds } });
  t.match(byFlag, { data: { from: "--feed-alarm" } });
  t.notMatch(byFlag.message, /DOGE/, "values may hold what does not belong there");
});

/** Loads and returns the error, which must be a NodeError. */
async function failure(sources: ConfigSources): Promise<NodeError> {
  try {
    await loadNodeConfig(sources);
  } catch (error) {
    if (error instanceof NodeError) return error;
    throw error;
  }
  throw new Error("expected an error");
}

t.test("a bad value is refused under its key, with its origin and what is accepted", async (t) => {
  const flags = followerFlags(writeRollup(t));
  const bad: Readonly<Record<string, string>> = {
    role: "leader",
    "rpc.port": "65536",
    "metrics.host": "",
    "metrics.port": "-1",
    "p2p.listen": "127.0.0.1:9000",
    "p2p.peers": "/ip4/127.0.0.1/tcp/1",
    "l1.rpcUrl": "ftp://user:hunter2@localhost",
    "l1.beaconUrl": "localhost",
    "l1.pollIntervalMs": "0",
    "sequencer.flashblockMs": "5",
    "batcher.intervalMs": "1e9",
    "txpool.globalMax": "-1",
    "txpool.accountMax": "0",
    "divergence.gapBps": "0",
    "divergence.spreadBps": "1.5",
    "divergence.feeds": "ETH/USD=50",
    workers: "many",
    logLevel: "loud",
    exitWithParent: "maybe",
    "rpc.host": "",
    dataDir: "",
  };
  for (const setting of SETTINGS) {
    const value = bad[setting.key];
    if (value === undefined) continue;
    const others = { ...flags, [setting.key]: undefined };
    const byEnv = await failure({ env: { [setting.env]: value }, flags: others });
    t.match(byEnv, {
      code: "CONFIG_INVALID",
      data: { key: setting.key, from: setting.env, expected: setting.accepted },
    });
    const byFlag = await failure({ env: {}, flags: { ...flags, [setting.key]: value } });
    t.match(byFlag.data, { key: setting.key, from: setting.flag, expected: setting.accepted });
    t.notMatch(byEnv.message, /hunter2/, "values may hold credentials");
  }
});

t.test("what is missing is named with the ways to set it", async (t) => {
  const flags = followerFlags(writeRollup(t));
  for (const key of ["role", "rollupFile", "dataDir", "l1.rpcUrl"]) {
    const others = { ...flags, [key]: undefined };
    const setting = SETTINGS.find((row) => row.key === key)!;
    const error = await failure({ env: {}, flags: others });
    t.match(error, { code: "CONFIG_INVALID", data: { key } });
    t.ok(error.message.includes(setting.env) && error.message.includes(setting.flag));
  }
});

t.test("unknown keys are refused wherever they stand", async (t) => {
  const rollupFile = writeRollup(t);
  const flags = followerFlags(rollupFile);
  const file = join(dirname(rollupFile), "node.json");
  const cases: readonly (readonly [unknown, string])[] = [
    [{ rpcc: {} }, "rpcc"],
    [{ rpc: { prot: 1 } }, "rpc.prot"],
    [{ sequencer: { key: SEQUENCER_KEY } }, "sequencer.key"],
    [JSON.parse('{ "__proto__": { "workers": 3 } }'), "__proto__"],
  ];
  for (const [content, key] of cases) {
    writeFileSync(file, JSON.stringify(content));
    const error = await failure({ file, env: {}, flags });
    t.match(error, { code: "CONFIG_INVALID", data: { key, from: file } });
    t.notMatch(error.message, SEQUENCER_KEY.slice(2), "no key material in errors");
  }
  t.match(await failure({ env: { PRICELANE_RPC_PROT: "1" }, flags }), {
    data: { key: "PRICELANE_RPC_PROT", from: "environment" },
  });
  t.match(await failure({ env: {}, flags: { ...flags, rpcPort: "1" } }), {
    data: { key: "rpcPort" },
  });
  const kubernetes = {
    PRICELANE_SERVICE_HOST: "10.0.0.1",
    PRICELANE_SEQUENCER_PORT_9545_TCP: "tcp://10.0.0.1:9545",
  };
  t.ok(await loadNodeConfig({ env: kubernetes, flags }), "service variables are none of ours");
});

t.test("a file that is no object of objects is refused", async (t) => {
  const rollupFile = writeRollup(t);
  const flags = followerFlags(rollupFile);
  const file = join(dirname(rollupFile), "node.json");
  for (const content of ["", "{", "[]", "null", '"text"']) {
    writeFileSync(file, content);
    t.match(await failure({ file, env: {}, flags }), {
      code: "CONFIG_INVALID",
      data: { key: "config", from: file },
    });
  }
  writeFileSync(file, '{ "rpc": 5 }');
  t.match(await failure({ file, env: { PRICELANE_RPC_PORT: "1" }, flags }), {
    data: { key: "rpc", from: file, expected: /rpc.host, rpc.port/ },
  });
  t.match(await failure({ file: `${file}.none`, env: {}, flags }), { data: { key: "config" } });
});

t.test("a bad rollup file is refused with the path inside it", async (t) => {
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, string])[] = [
    [{ chainId: "901" }, "rollup.chainId"],
    [{ sequencer: "0x12" }, "rollup.sequencer"],
    [{ eip1559: { denominator: 0, elasticity: 6 } }, "rollup.eip1559.denominator"],
    [{ l1BlobSchedule: [] }, "rollup.l1BlobSchedule"],
  ];
  for (const [changes, key] of cases) {
    const rollupFile = writeRollup(t, changes);
    const error = await failure({ env: {}, flags: followerFlags(rollupFile) });
    t.match(error, { code: "CONFIG_INVALID", data: { key, from: rollupFile } });
  }
  t.match(await failure({ env: {}, flags: followerFlags("/nonexistent.json") }), {
    data: { key: "rollupFile" },
  });
});

t.test("a bad policy is refused with its path", async (t) => {
  const policy = { ...ROLLUP_FILE.policy, ttlBlocks: -1 };
  const rollupFile = writeRollup(t, { policy });
  t.match(await failure({ env: {}, flags: followerFlags(rollupFile) }), {
    code: "POLICY_INVALID",
    data: { path: "ttlBlocks", from: rollupFile },
  });
  const other = writeRollup(t, { policy: { ...ROLLUP_FILE.policy, chainId: 902 } });
  t.match(await failure({ env: {}, flags: followerFlags(other) }), {
    code: "POLICY_INVALID",
    data: { path: "chainId" },
  });
});

t.test("the rollup hash is of the content, not of the spelling", async (t) => {
  const load = async (changes: Readonly<Record<string, unknown>>) =>
    (await loadNodeConfig({ env: {}, flags: followerFlags(writeRollup(t, changes)) })).rollupHash;
  const hash = await load({});
  t.match(hash, /^0x[0-9a-f]{64}$/);
  const { version, ...rest } = ROLLUP_FILE;
  const settlement = `0x${ROLLUP_FILE.settlement.slice(2).toUpperCase()}`;
  const reordered = join(
    t.testdir({ "r.json": JSON.stringify({ ...rest, settlement, version }, null, 4) }),
    "r.json",
  );
  const again = await loadNodeConfig({ env: {}, flags: followerFlags(reordered) });
  t.equal(again.rollupHash, hash);
  t.not(await load({ sequencingWindow: 61 }), hash);
});

t.test("a sequencer needs both keys, and the right one", async (t) => {
  const flags = { ...followerFlags(writeRollup(t)), role: "sequencer" };
  const config = await loadNodeConfig({ env: SEQUENCER_ENV, flags });
  t.equal(config.sequencer.key, SEQUENCER_KEY);
  t.equal(config.batcher.key, BATCHER_KEY);
  t.equal(addressOf(fromHex(SEQUENCER_KEY)), config.rollup.sequencer);
  for (const name of Object.keys(SEQUENCER_ENV)) {
    const env = { ...SEQUENCER_ENV, [name]: undefined };
    t.match(await failure({ env, flags }), { code: "CONFIG_INVALID", data: { key: name } });
    for (const bad of ["0x42", `0x${"00".repeat(32)}`, `0x${"ff".repeat(32)}`, "sécret"]) {
      const error = await failure({ env: { ...SEQUENCER_ENV, [name]: bad }, flags });
      t.match(error, { code: "KEY_INVALID", data: { key: name } });
      t.notOk(`${error.message} ${String(error.cause)}`.includes(bad));
    }
  }
  const swapped = { ...SEQUENCER_ENV, PRICELANE_SEQUENCER_KEY: BATCHER_KEY };
  t.match(await failure({ env: swapped, flags }), {
    code: "CONFIG_INVALID",
    data: { key: "PRICELANE_SEQUENCER_KEY" },
  });
});

t.test("keys come from keystores too", async (t) => {
  const rollupFile = writeRollup(t);
  const flags = { ...followerFlags(rollupFile), role: "sequencer" };
  const dir = dirname(rollupFile);
  const keystore = join(dir, "key.json");
  const passwordFile = join(dir, "password");
  const encrypted = await encryptKey(fromHex(SEQUENCER_KEY), "pass word", { n: 1024 });
  writeFileSync(keystore, JSON.stringify(encrypted));
  writeFileSync(passwordFile, "pass word\n");
  const env = {
    PRICELANE_SEQUENCER_KEYSTORE: keystore,
    PRICELANE_SEQUENCER_PASSWORD_FILE: passwordFile,
    PRICELANE_BATCHER_KEY: BATCHER_KEY,
  };
  const config = await loadNodeConfig({ env, flags });
  t.equal(config.sequencer.key, SEQUENCER_KEY);

  t.match(await failure({ env: { ...env, ...SEQUENCER_ENV }, flags }), {
    code: "CONFIG_INVALID",
    data: { key: "PRICELANE_SEQUENCER_KEY" },
  });
  t.match(await failure({ env: { ...env, PRICELANE_SEQUENCER_PASSWORD_FILE: undefined }, flags }), {
    code: "CONFIG_INVALID",
    data: { key: "PRICELANE_SEQUENCER_PASSWORD_FILE" },
  });
  writeFileSync(passwordFile, "pass words");
  t.match(await failure({ env, flags }), {
    code: "KEY_INVALID",
    data: { key: "PRICELANE_SEQUENCER_KEYSTORE", reason: /wrong password/ },
  });
  writeFileSync(keystore, SEQUENCER_KEY);
  const plain = await failure({ env, flags });
  t.match(plain, { code: "KEY_INVALID" });
  t.notMatch(plain.message, SEQUENCER_KEY.slice(2));
  t.match(await failure({ env: { ...env, PRICELANE_SEQUENCER_KEYSTORE: "/none" }, flags }), {
    code: "KEY_INVALID",
    data: { key: "PRICELANE_SEQUENCER_KEYSTORE" },
  });
});

t.test("devnet keys work on the devnet only", async (t) => {
  const sequencer = addressOf(fromHex(DEVNET_KEY));
  const env = { PRICELANE_SEQUENCER_KEY: DEVNET_KEY, PRICELANE_BATCHER_KEY: BATCHER_KEY };
  const flags = (changes: Readonly<Record<string, unknown>>) => ({
    ...followerFlags(writeRollup(t, changes)),
    role: "sequencer",
  });
  t.ok(await loadNodeConfig({ env, flags: flags({ sequencer }) }));
  const policy = { ...ROLLUP_FILE.policy, chainId: 8453 };
  for (const changes of [{ chainId: 8453, policy }, { l1ChainId: 1 }]) {
    const refused = { env, flags: flags({ sequencer, ...changes }) };
    t.match(await failure(refused), {
      code: "DEVNET_KEY",
      data: { key: "PRICELANE_SEQUENCER_KEY", address: sequencer },
    });
  }
  const batcher = { PRICELANE_SEQUENCER_KEY: SEQUENCER_KEY, PRICELANE_BATCHER_KEY: DEVNET_KEY };
  t.match(await failure({ env: batcher, flags: flags({ l1ChainId: 1 }) }), {
    code: "DEVNET_KEY",
    data: { key: "PRICELANE_BATCHER_KEY" },
  });
});

t.test("the list of devnet addresses is the mnemonic's", (t) => {
  const words = `${"test ".repeat(11)}junk`;
  const derived = Array.from({ length: 31 }, (_, addressIndex) =>
    mnemonicToAccount(words, { addressIndex }).address.toLowerCase(),
  );
  t.same([...DEVNET_ADDRESSES], derived);
  t.end();
});
