import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { keccakHex } from "../../node/primitives/hash.ts";
import { ALICE, lower } from "../execution/fixtures/chain.ts";
import { CHAIN_ID } from "./cancun.ts";
import { casesOf, listFiles } from "./folder.ts";
import { type CaseResult, count, createTally, runCase } from "./outcome.ts";
import { VECTORS } from "./place.ts";

// A part of the suite and ten processes, on cores that other tests use too.
t.setTimeout(120_000);

const STATE_FILES = 40;
/** Seconds or minutes each: for `npm run test:vectors` only. */
const SLOW = /50000|Dosd|stQuadraticComplexityTest|stTimeConsuming|vmPerformance|1024PreCalls/;

const MISSING = existsSync(VECTORS) ? false : `there is no folder ${VECTORS}`;

/** Evenly spread over the folder, so that every kind of state test has its turn. */
function spread(files: readonly string[], wanted: number): string[] {
  const step = Math.max(1, files.length / wanted);
  return Array.from(
    { length: Math.min(wanted, files.length) },
    (_, index) => files[Math.floor(index * step)]!,
  );
}

t.test("a part of Ethereum's public tests holds", { skip: MISSING }, async (t) => {
  const files = listFiles(VECTORS);
  const isState = (file: string): boolean => file.includes("GeneralStateTests");
  const states = spread(
    files.filter((file) => isState(file) && !SLOW.test(file)),
    STATE_FILES,
  );
  const results = await runAll(VECTORS, [...files.filter((file) => !isState(file)), ...states]);
  t.same(
    results.filter(({ outcome }) => outcome.kind === "failed"),
    [],
  );
  const tally = createTally();
  for (const result of results) count(tally, result);
  t.ok(tally.passed > 150, `${tally.passed} passed`);
});

const WRONG_HASH = `0x${"ab".repeat(32)}`;
const NO_LOGS = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347";
const COINBASE = `0x${"c0".repeat(20)}`;

async function transfer(): Promise<string> {
  const to = `0x${"70".repeat(20)}` as const;
  return ALICE.signTransaction({
    type: "legacy",
    chainId: CHAIN_ID,
    to,
    value: 1n,
    gas: 21_000n,
    gasPrice: 10n,
    nonce: 0,
  });
}

/** A state test of one transfer. The coinbase is empty: to be paid no tip ends it. */
function stateTest(post: Record<string, unknown>) {
  const empty = { nonce: "0x00", code: "0x", storage: {} };
  return {
    env: {
      currentBaseFee: "0x0a",
      currentCoinbase: COINBASE,
      currentGasLimit: "0xffffff",
      currentNumber: "0x01",
      currentRandom: WRONG_HASH,
      currentTimestamp: "0x01",
    },
    pre: {
      [lower(ALICE.address)]: { ...empty, balance: "0xffffff" },
      [COINBASE]: { ...empty, balance: "0x00" },
    },
    post: { Cancun: [{ indexes: { data: 0, gas: 0, value: 0 }, ...post }] },
  };
}

async function runAll(folder: string, files = listFiles(folder)): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const file of files)
    for (const each of casesOf(folder, file)) results.push(await runCase(each));
  return results;
}

t.test("a state test fails where anything is not as it says", async (t) => {
  const txbytes = await transfer();
  const run = async (post: Record<string, unknown>) => {
    const folder = t.testdir({ "a.json": JSON.stringify({ a: stateTest({ txbytes, ...post }) }) });
    const [result] = await runAll(folder);
    return result?.outcome;
  };
  const root = await run({ hash: WRONG_HASH, logs: NO_LOGS });
  t.match(root, { kind: "failed", reason: /^state root: got 0x[0-9a-f]{64}, expected 0xabab/ });
  // The root of the two accounts left, computed by @ethereumjs/mpt: the coinbase is gone.
  const hash = "0xbfb4886c1abb49c006697a50d2d5b04f56f9bc1b7500472185cea8b05bef6e3b";
  t.same(await run({ hash, logs: NO_LOGS }), { kind: "passed" });
  t.match(await run({ hash, logs: WRONG_HASH }), { kind: "failed", reason: /^logs: / });
  t.match(await run({ hash, logs: NO_LOGS, expectException: "SENDER_NOT_EOA" }), {
    kind: "failed",
    reason: 'accepted; expected "SENDER_NOT_EOA"',
  });
  for (const malformed of ["0x03c0", "0xc0"])
    t.match(await run({ hash, logs: NO_LOGS, txbytes: malformed }), {
      kind: "failed",
      reason: "rejected: TX_MALFORMED",
    });
  t.match(await run({ hash, logs: NO_LOGS, txbytes: "0xc0", expectException: "RLP" }), {
    kind: "failed",
    reason: /^state root: /,
  });
});

t.test("a state test may leave out what geth has a default for, and the bytes", async (t) => {
  const hash = "0xbfb4886c1abb49c006697a50d2d5b04f56f9bc1b7500472185cea8b05bef6e3b";
  const { env, pre, post } = stateTest({ hash, logs: NO_LOGS });
  const { currentBaseFee, currentRandom, ...short } = env;
  const bare = Object.fromEntries(
    Object.entries(pre).map(([address, { balance }]) => [address.slice(2), { balance }]),
  );
  const transaction = {
    data: ["0xff", ":label x 0x"],
    gasLimit: ["0x0", "0x5208"],
    value: ["0x:bigint 0x01"],
    nonce: "0x00",
    to: `0x${"70".repeat(20)}`,
    gasPrice: "10",
    secretKey: `0x${"a1".repeat(32)}`,
  };
  const run = async (section: object, indexes: object) => {
    const Cancun = post.Cancun.map((each) => ({ ...each, indexes }));
    const test = { env: short, pre: bare, post: { Cancun, London: [] }, transaction: section };
    const folder = t.testdir({ "a.json": JSON.stringify({ [`tests/x.py::a[fork]`]: test }) });
    const [result] = await runAll(folder);
    return result?.outcome;
  };
  t.same(await run(transaction, { data: 1, gas: 1, value: 0 }), { kind: "passed" });
  t.match(await run(transaction, { data: 1, gas: 0, value: 0 }), { kind: "failed" });
  const { secretKey, ...unsigned } = transaction;
  t.match(await run(unsigned, { data: 1, gas: 1, value: 0 }), { kind: "skipped" });
  t.ok(currentBaseFee && currentRandom && secretKey, "they were there before");
});

t.test(
  "a gas limit near 2^63, as the performance tests have, is counted to the last unit",
  async (t) => {
    const contract = `0x${"c0".repeat(20)}`;
    const { env, pre } = stateTest({});
    // A thousand rounds of a loop, so that what each costs would be lost in a rounded number.
    const code = "0x6104005b60019003806003570000";
    const test = {
      env: { ...env, currentGasLimit: "0x7fffffffffffffff" },
      pre: {
        ...pre,
        [lower(ALICE.address)]: { balance: "0x7fffffffffffffff00" },
        [contract]: { code, nonce: "0x01" },
      },
      post: {
        Cancun: [0, 1].map((gas) => ({
          hash: WRONG_HASH,
          logs: NO_LOGS,
          indexes: { data: 0, gas, value: 0 },
        })),
      },
      transaction: {
        data: ["0x"],
        gasLimit: ["0x0186a0", "0x7fffffffffffffff"],
        value: ["0x"],
        nonce: "0x",
        to: contract,
        gasPrice: "0x0a",
        secretKey: `0x${"a1".repeat(32)}`,
      },
    };
    const folder = t.testdir({ "a.json": JSON.stringify({ a: test }) });
    const [small, large] = (await runAll(folder)).map(({ outcome }) => outcome);
    t.match(small, { kind: "failed", reason: /^state root: got / });
    t.same(large, small, "the same gas is used, so the same balances are left");
  },
);

t.test("the other kinds fail where anything is not as they say", async (t) => {
  const txbytes = await transfer();
  const fine = {
    hash: keccakHex(Buffer.from(txbytes.slice(2), "hex")),
    sender: lower(ALICE.address),
    intrinsicGas: "0x5208",
  };
  const transaction = (expectation: Record<string, unknown>) => ({
    txbytes,
    result: { Cancun: expectation },
  });
  const folder = t.testdir({
    "tests.json": JSON.stringify({
      fine: transaction(fine),
      hash: transaction({ ...fine, hash: WRONG_HASH }),
      sender: transaction({ ...fine, sender: COINBASE }),
      gas: transaction({ ...fine, intrinsicGas: "0x5209" }),
      accepted: transaction({ exception: "INVALID_CHAINID" }),
      trie: { in: { dog: "puppy" }, root: WRONG_HASH },
      encoding: { in: "dog", out: "0x83646f68" },
      invalid: { in: "INVALID", out: "0x83646f67" },
      valid: { in: "VALID", out: "0x8100" },
      unknown: { blocks: [] },
    }),
    "broken.json": "{",
    "array.json": "[1, 2]",
    "thrown.json": JSON.stringify({ a: { in: [], out: "0xzz" } }),
  });
  const outcomes = (await runAll(folder)).map(({ name, outcome }) => [
    name,
    outcome.kind === "failed" ? outcome.reason.replace(/[:;].*/, "") : outcome.kind,
  ]);
  t.same(outcomes, [
    ["array.json", "skipped"],
    ["broken.json", "not JSON"],
    ["tests.json: fine", "passed"],
    ["tests.json: hash", "hash"],
    ["tests.json: sender", "sender"],
    ["tests.json: gas", "intrinsic gas"],
    ["tests.json: accepted", "accepted"],
    ["tests.json: trie", "root at once"],
    ["tests.json: encoding", "decodes to another value"],
    ["tests.json: invalid", "accepted"],
    ["tests.json: valid", "refused"],
    ["tests.json: unknown", "skipped"],
    ["thrown.json: a", "threw"],
  ]);
});

/** Exit code and output of the program. */
function runProgram(folder: string): Promise<{ code: number; output: string }> {
  const program = fileURLToPath(new URL("./main.js", import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [program, folder, "--jobs", "1"], (error, stdout) => {
      resolve({ code: Number(error?.code ?? 0), output: stdout });
    });
  });
}

t.test("the program prints the counts and fails on any failure", async (t) => {
  const good = { dog: { in: "dog", out: "0x83646f67" }, other: { blocks: [] } };
  const bad = { ...good, cat: { in: "cat", out: "0x83646f67" } };
  const folder = t.testdir({
    good: { RLPTests: { "a.json": JSON.stringify(good) }, src: { "b.json": "not a test" } },
    bad: { "a.json": JSON.stringify(bad) },
    empty: {},
  });
  const passing = await runProgram(`${folder}/good`);
  t.equal(passing.code, 0);
  t.match(passing.output, "skipped: 1: not a kind of test that this runs");
  t.match(passing.output, "1 run, 1 passed, 0 failed, 1 skipped");
  const failing = await runProgram(`${folder}/bad`);
  t.equal(failing.code, 1);
  t.match(failing.output, "failed: a.json: cat: decodes to another value");
  t.match(failing.output, "2 run, 1 passed, 1 failed, 1 skipped");
  const empty = await runProgram(`${folder}/empty`);
  t.equal(empty.code, 1);
  t.match(empty.output, "no test ran");
  const single = await runProgram(`${folder}/bad/a.json`);
  t.match(single.output, "failed: a.json: cat: decodes to another value");
  const missing = await runProgram(`${folder}/missing`);
  t.equal(missing.code, 0);
  t.match(missing.output, /^skipped: there is no folder .*missing$/m);
});
