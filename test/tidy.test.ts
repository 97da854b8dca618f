import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { directions, packages } from "./tidy/directions.ts";
import { EXCEPTIONS } from "./tidy/exceptions.ts";
import { deadExports } from "./tidy/exports.ts";
import { deadFiles, fileCycles, folderCycles } from "./tidy/graph.ts";
import { CODE_FOLDERS, type Finding, loadSources, parse, ROOT, type Rule } from "./tidy/sources.ts";
import {
  assertions,
  columns,
  exportForms,
  fileLength,
  fileNames,
  functionLength,
  headers,
  openEnds,
  testPlaces,
} from "./tidy/style.ts";

const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

const RULES: readonly Rule[] = [
  directions,
  packages(manifest),
  fileCycles,
  folderCycles,
  deadFiles,
  deadExports,
  fileNames,
  headers,
  fileLength,
  columns,
  functionLength,
  exportForms,
  openEnds,
  assertions,
  testPlaces,
];

function describe({ rule, file, detail }: Finding): string {
  return `${rule}: ${file}: ${detail}`;
}

t.test("every source file keeps the rules of the house", async (t) => {
  const files = loadSources();
  t.ok(files.length > 150, `${files.length} files`);
  const findings = RULES.flatMap((rule) => rule(files));
  const excused = (finding: Finding) =>
    EXCEPTIONS.filter(
      ({ rule, file, detail = finding.detail }) =>
        rule === finding.rule && file === finding.file && detail === finding.detail,
    );
  const used = new Set(findings.flatMap(excused));
  t.same(findings.filter((finding) => excused(finding).length === 0).map(describe), []);
  const unused = EXCEPTIONS.filter((exception) => !used.has(exception));
  t.same(unused, [], "no exception is left over");
});

t.test("only the five code folders lie at the top", async (t) => {
  const built = new Set(["dist", "node_modules", "coverage"]);
  const folders = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && !built.has(entry.name))
    .map(({ name }) => name);
  t.same(folders.sort(), [...CODE_FOLDERS].sort());
  const stray = readdirSync(ROOT).filter((name) => name.endsWith(".ts"));
  t.same(stray, []);
});

const OK = "/** Fine. */\n";

/** One bad sample for each way to break a rule: rule, what is wrong, files. */
const SAMPLES: readonly (readonly [Rule, string, Readonly<Record<string, string>>])[] = [
  [directions, "lanes → node", { "lanes/a.ts": 'import type { A } from "../node/errors.ts";' }],
  [directions, "node → rpc", { "node/p2p/a.ts": 'import "../../rpc/a.ts";' }],
  [directions, "rpc → devnet", { "rpc/a.ts": 'import "../devnet/a.ts";' }],
  [directions, "code → test", { "devnet/a.ts": 'import "../test/a.ts";' }],
  [directions, "storage → execution", { "node/storage/a.ts": 'import "../execution/a.ts";' }],
  [directions, "siblings", { "node/p2p/a.ts": 'import type { A } from "../settlement/a.ts";' }],
  [directions, "chain → pool", { "node/chain/a.ts": 'export { a } from "../txpool/a.ts";' }],
  [directions, "pool.ts", { "node/settlement/a.ts": 'import "../workers/pool.ts";' }],
  [directions, "base → wiring", { "node/errors.ts": 'import "./node.ts";' }],
  [directions, "artifact", { "node/chain/chain.ts": 'import "../contracts/artifact.ts";' }],
  [directions, "dynamic", { "lanes/a.ts": 'const a = await import("../node/a.ts");' }],
  [directions, "import type", { "lanes/a.ts": 'type A = import("../node/a.ts").A;' }],
  [
    directions,
    "rpc → storage value",
    { "rpc/a.ts": 'import { a } from "../node/storage/state.ts";' },
  ],
  [directions, "rpc → node.ts", { "rpc/a.ts": 'import { createNode } from "../node/node.ts";' }],
  [packages(manifest), "lanes → node:fs", { "lanes/a.ts": 'import "node:fs";' }],
  [packages(manifest), "lanes → viem", { "lanes/a.ts": 'import { a } from "viem";' }],
  [packages(manifest), "undeclared", { "node/a.ts": 'import "left-pad";' }],
  [packages(manifest), "test tool in code", { "node/a.ts": 'import t from "tap";' }],
  [packages(manifest), "no node: prefix", { "node/a.ts": 'import "fs";' }],
  [
    fileCycles,
    "a file cycle",
    { "node/a.ts": 'import { b } from "./b.ts";', "node/b.ts": 'import { a } from "./a.ts";' },
  ],
  [
    folderCycles,
    "a cycle by types",
    {
      "node/p2p/a.ts": 'import type { B } from "../storage/b.ts";',
      "node/storage/b.ts": 'import { a } from "../p2p/c.ts";',
    },
  ],
  [deadFiles, "a dead file", { "rpc/main.ts": OK, "node/a.ts": OK }],
  [deadFiles, "a dead fixture", { "test/a.test.ts": OK, "test/fixtures/a.ts": OK }],
  [deadExports, "a dead value", { "node/a.ts": "export const a = 1;" }],
  [deadExports, "a dead type", { "node/a.ts": "export interface A {}" }],
  [
    deadExports,
    "only a test takes it",
    {
      "node/a.ts": "export function a() {}",
      "test/a.ts": 'import { a } from "../node/a.ts"; a();',
    },
  ],
  [fileNames, "camel case", { "node/someFile.ts": OK }],
  [fileNames, "utils", { "node/string-utils.ts": OK }],
  [headers, "no header", { "node/a.ts": "const a = 1;\n" }],
  [fileLength, "a long file", { "node/a.ts": "\n".repeat(401) }],
  [columns, "a long line", { "node/a.ts": `const a = ${"a + ".repeat(30)}a;` }],
  [functionLength, "a long function", { "node/a.ts": `function a() {${"\n".repeat(70)}}` }],
  [exportForms, "a barrel", { "node/a.ts": 'export * from "./b.ts";' }],
  [exportForms, "a default", { "node/a.ts": "export default function a() {}" }],
  [exportForms, "a default value", { "node/a.ts": "const a = 1; export default a;" }],
  [openEnds, "an open end", { "node/a.ts": "// TO" + "DO: later" }],
  [assertions, "no assertion", { "test/a.test.ts": 't.test("a", async (t) => { run(); });' }],
  [assertions, "nothing at all", { "test/a.test.ts": "run();" }],
  [assertions, "a skip", { "test/a.test.ts": "t.sk" + 'ip("a"); t.ok(true);' }],
  [testPlaces, "a test among the code", { "node/a.test.ts": OK }],
];

for (const [rule, name, texts] of SAMPLES)
  t.test(`finds ${name}`, async (t) => {
    const findings = rule(Object.entries(texts).map(([path, text]) => parse(path, text)));
    t.not(findings.length, 0, findings.map(describe).join("; "));
  });

t.test("every rule has a sample, and lets good files pass", async (t) => {
  const sampled = new Set(SAMPLES.map(([rule]) => rule));
  t.equal(sampled.size, RULES.length + 4, "packages is made anew for each of its samples");
  const good = [
    parse("rpc/main.ts", '/** Main. */\nimport { run } from "../node/node.ts";\nrun();\n'),
    parse("node/node.ts", "/** Node. */\nexport function run(): void {}\n"),
    parse("test/node.test.ts", 't.test("a", async (t) => {\n  t.ok(true);\n});\n'),
  ];
  const findings = RULES.filter((rule) => rule !== directions).flatMap((rule) => rule(good));
  t.same(findings, []);
  const allowed = parse("rpc/cli/run.ts", 'import { run } from "../../node/node.ts";');
  t.same(directions([allowed]), []);
  const long = "x".repeat(120);
  const unbroken = [` *   ${long}`, ` * | ${long} |`, `const a = "${long}";`, `// https://${long}`];
  t.same(columns([parse("node/a.ts", unbroken.join("\n"))]), []);
});
