import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import { buildGenesis } from "../../node/chain/genesis.ts";
import { gethGenesis } from "../../node/chain/geth-genesis.ts";
import { NodeError } from "../../node/errors.ts";
import { L1_BLOCK, MESSAGE_PASSER, SEQUENCER_FEE_VAULT } from "../../node/primitives/predeploys.ts";
import type { RollupConfig } from "../../node/rollup-config.ts";
import { ALICE, CHAIN_ID, ETHER, lower, makeConfig, words } from "../execution/fixtures/chain.ts";

const MAIN = fileURLToPath(new URL("../../rpc/main.js", import.meta.url));
const SOMEBODY: Hex = `0x${"ab".repeat(20)}`;
const NOBODY: Hex = `0x${"cd".repeat(20)}`;

function withAlloc(alloc: RollupConfig["genesis"]["alloc"]): RollupConfig {
  const config = makeConfig();
  return {
    ...config,
    genesis: { ...config.genesis, alloc: { ...config.genesis.alloc, ...alloc } },
  };
}

t.test("every fork through Isthmus is active at genesis, and none after", (t) => {
  const { config } = gethGenesis(makeConfig()).file;
  t.equal(config["chainId"], CHAIN_ID);
  t.same(config["optimism"], {
    eip1559Elasticity: 6,
    eip1559Denominator: 250,
    eip1559DenominatorCanyon: 250,
  });
  const forks = Object.entries(config).filter(([key]) => /(Block|Time)$/.test(key));
  t.ok(forks.every(([, at]) => at === 0));
  const names = forks.map(([key]) => key);
  for (const fork of ["london", "bedrock"]) t.ok(names.includes(`${fork}Block`), fork);
  for (const fork of ["regolith", "canyon", "ecotone", "fjord", "granite", "holocene", "isthmus"])
    t.ok(names.includes(`${fork}Time`), fork);
  for (const fork of ["shanghai", "cancun", "prague"]) t.ok(names.includes(`${fork}Time`), fork);
  for (const fork of ["osaka", "jovian", "interop"]) t.notOk(names.includes(`${fork}Time`), fork);
  t.end();
});

t.test("the header's fields are those of our genesis block", (t) => {
  const rollup = makeConfig();
  const { file, hash } = gethGenesis(rollup);
  const { block, header } = buildGenesis(rollup);
  t.equal(hash, block.hash);
  t.match(file, {
    extraData: "0x00000000fa00000006",
    coinbase: SEQUENCER_FEE_VAULT,
    mixHash: words(0n),
    parentHash: words(0n),
    nonce: "0x0000000000000000",
    difficulty: "0x0",
    number: "0x0",
    gasUsed: "0x0",
  });
  t.equal(Number(file.timestamp), header.timestamp);
  t.equal(BigInt(file.gasLimit), header.gasLimit);
  t.equal(BigInt(file.baseFeePerGas), header.baseFeePerGas);
  t.end();
});

t.test("accounts: what exists, in geth's spelling", (t) => {
  const empty = { balance: 0n, nonce: 0, code: "0x" as Hex, storage: {} };
  const { alloc } = gethGenesis(
    withAlloc({
      [SOMEBODY]: {
        balance: 7n,
        nonce: 3,
        code: "0x00",
        storage: { [words(1n)]: words(255n), [words(2n)]: words(0n) },
      },
      [NOBODY]: { ...empty, storage: { [words(1n)]: words(1n) } },
    }),
  ).file;
  t.same(alloc[SOMEBODY], {
    balance: "0x7",
    nonce: "0x3",
    code: "0x00",
    storage: { [words(1n)]: words(255n) },
  });
  t.notOk(NOBODY in alloc, "geth would keep an empty account");
  t.same(alloc[lower(ALICE.address)], { balance: `0x${(1000n * ETHER).toString(16)}` });
  t.match(alloc[L1_BLOCK], { balance: "0x0", nonce: "0x1", code: /^0x60/ });
  t.same(alloc[MESSAGE_PASSER], { balance: "0x0", nonce: "0x1" });
  t.end();
});

t.test("a genesis without a message passer has no hash that clients agree on", (t) => {
  const empty = { balance: 0n, nonce: 0, code: "0x" as Hex, storage: {} };
  t.throws(() => gethGenesis(withAlloc({ [MESSAGE_PASSER]: empty })), NodeError);
  t.end();
});

t.test("the subcommand writes the file once and prints the hash", (t) => {
  const folder = t.testdir({});
  const [rollupFile, out] = [join(folder, "rollup.json"), join(folder, "genesis.json")];
  const rollup = makeConfig();
  const text = JSON.stringify(rollup, (_key, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  writeFileSync(rollupFile, text);
  const run = (...args: string[]) => {
    const program = [MAIN, "genesis", "--rollup", ...args];
    return spawnSync(process.execPath, program, { encoding: "utf8" });
  };
  const made = run(rollupFile, "--out", out);
  t.same([made.status, made.stderr], [0, ""]);
  t.equal(made.stdout, `${buildGenesis(rollup).block.hash}\n`);
  t.same(JSON.parse(readFileSync(out, "utf8")), gethGenesis(rollup).file);

  const again = run(rollupFile, "--out", out);
  t.equal(again.status, 2);
  t.match(again.stderr, /CONFIG_INVALID.*--out/);
  const absent = run(join(folder, "none.json"), "--out", join(folder, "other.json"));
  t.equal(absent.status, 2);
  t.match(absent.stderr, /CONFIG_INVALID.*--rollup/);
  writeFileSync(rollupFile, text.replace(`"chainId":${CHAIN_ID}`, `"chainId":"x"`));
  const wrong = run(rollupFile, "--out", join(folder, "other.json"));
  t.equal(wrong.status, 2);
  t.match(wrong.stderr, /CONFIG_INVALID.*rollup\.chainId/);
  t.end();
});
