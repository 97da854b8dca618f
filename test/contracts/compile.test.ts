/** The contract build: artifacts, the cache that spares the compiler, errors and stale files. */
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import t, { type Test } from "tap";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { compileContracts } from "../../node/contracts/compile.ts";

const contract = (name: string, body: string): string =>
  `// SPDX-License-Identifier: MIT\npragma solidity 0.8.37;\n${body.replace("NAME", name)}`;

function project(t: Test): { root: string; outDir: string } {
  const root = t.testdir({
    node: {
      contracts: {
        l1: {
          "One.sol": contract(
            "One",
            'import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";\n' +
              "contract NAME is Ownable(msg.sender) { function f() external view returns (bytes32) { return blobhash(0); } }",
          ),
        },
        l2: { "Two.sol": contract("Two", "interface NAME { function g() external; }") },
      },
    },
  });
  symlinkSync(resolve("node_modules"), join(root, "node_modules"));
  return { root, outDir: join(root, "out") };
}

t.test("compiles what changed, and nothing else", async (t) => {
  const options = project(t);
  t.same(await compileContracts(options), { ok: true, compiled: ["One", "Two"], messages: [] });
  t.same(readdirSync(options.outDir).sort(), ["One.json", "Two.json", "cache.json"]);
  const read = (): { bytecode: string } =>
    JSON.parse(readFileSync(join(options.outDir, "One.json"), "utf8")) as { bytecode: string };
  const first = read();
  t.match(first.bytecode, /^0x6[01]/);
  t.same(await compileContracts(options), { ok: true, compiled: [], messages: [] });

  rmSync(join(options.outDir, "One.json"));
  t.same((await compileContracts(options)).compiled, ["One"], "a missing artifact is made again");
  t.same(read(), first, "same sources, same bytes");

  const two = join(options.root, "node/contracts/l2/Two.sol");
  writeFileSync(two, contract("Three", "contract NAME {}"));
  t.same((await compileContracts(options)).compiled, ["Three"], "only the changed group");
  t.same(readdirSync(options.outDir).sort(), ["One.json", "Three.json", "cache.json"]);
});

t.test("errors are reported and leave no artifact", async (t) => {
  const options = project(t);
  const one = join(options.root, "node/contracts/l1/One.sol");
  const fails = async (source: string, message: RegExp): Promise<void> => {
    writeFileSync(one, source);
    const result = await compileContracts(options);
    t.equal(result.ok, false);
    t.match(result.messages.join("\n"), message);
    t.notOk(readdirSync(options.outDir).includes("One.json"));
  };
  await fails(contract("One", "contract NAME { uint256 x = true; }"), /TypeError/);
  await fails(contract("One", 'import "../../../package.json";\ncontract NAME {}'), /not a source/);
  await fails(
    contract("One", 'import "@openzeppelin/contracts/../package.json";\ncontract NAME {}'),
    /not a source|no such file/,
  );
});

t.test("artifacts load by name", async (t) => {
  t.match(loadArtifact("Settlement").bytecode, /^0x6[01]/);
  t.throws(() => loadArtifact("NoSuchContract"), { code: "INTERNAL" });
});
