/**
 * Who may import whom. Owns the table of the layers as ARCHITECTURE.md draws it.
 * An import of types counts like any other: what a part knows of is what it depends on.
 */
import { isBuiltin } from "node:module";
import { type Finding, type Import, isTest, type Rule, type SourceFile } from "./sources.ts";

/** Files of `node/` that everything in node may use. */
const BASE = [
  "errors",
  "log",
  "clock",
  "port",
  "rollup-config",
  "api",
  "admission-receipts",
  "config",
  "alarm-thresholds",
  "json-file",
  "rollup-file",
  "keys",
  "keystore",
  "keep-newest",
  "kept-for",
  "preemption-signal",
  "report-signal",
  "thread-load",
  "thread-priority",
  "turns",
].map((name) => `node/${name}.ts`);

/** Wiring: sees all of node. */
const WIRING = ["node/core.ts", "node/handlers.ts", "node/node.ts"];

/** The one file of rpc that starts a node. */
const NODE_PROCESS = "rpc/cli/run.ts";

/** Services of pool workers, that the settlement worker calls by their channels. */
const WORKER_SERVICES = ["node/workers/compress.ts", "node/workers/kzg.ts"];

const LOW = ["lanes/", ...BASE, "node/primitives/"];
const STORE = [...LOW, "node/storage/"];
const ENGINE = [...STORE, "node/execution/"];
const CHAIN = [...ENGINE, "node/chain/"];
const POOL = [...CHAIN, "node/txpool/"];
const ARTIFACT = "node/contracts/artifact.ts";

/**
 * What each part may import, as prefixes of paths; the first row that fits a file holds. A part may
 * always import itself, but for the files that are rows of their own.
 */
const TABLE: readonly (readonly [part: string, allowed: readonly string[]])[] = [
  ["test/", ["lanes/", "node/", "rpc/", "devnet/"]],
  ["lanes/", []],
  ...BASE.map((file) => [file, LOW] as const),
  ...WIRING.map((file) => [file, ["lanes/", "node/"]] as const),
  ["node/reader.ts", [...ENGINE, "node/chain/"]],
  ["node/primitives/", LOW],
  ["node/storage/", STORE],
  ["node/execution/", ENGINE],
  ["node/chain/genesis.ts", [...CHAIN, ARTIFACT]],
  ["node/chain/", CHAIN],
  ["node/txpool/", POOL],
  ["node/sequencer/", POOL],
  ["node/p2p/", POOL],
  ["node/settlement/", [...POOL, ...WORKER_SERVICES, ARTIFACT]],
  ["node/workers/", ENGINE],
  ["node/contracts/", LOW],
  [NODE_PROCESS, ["lanes/", ...BASE, "node/primitives/", "node/node.ts", "rpc/"]],
  // Writes a file and ends: no node runs in that process.
  [
    "rpc/cli/genesis.ts",
    ["lanes/", ...BASE, "node/primitives/", "node/chain/geth-genesis.ts", "rpc/"],
  ],
  // Opens a stopped node's folder and ends, as well.
  ["node/admission-log.ts", [...STORE, "node/chain/attributes.ts", "node/chain/origin.ts"]],
  ["rpc/cli/replay.ts", ["lanes/", ...BASE, "node/primitives/", "node/admission-log.ts", "rpc/"]],
  ["rpc/", ["lanes/", ...BASE, "node/primitives/", "node/reader.ts"]],
  ["devnet/", ["lanes/", ...BASE, "node/primitives/", "node/chain/genesis.ts", ARTIFACT, "rpc/"]],
];

/** Types that `reader.ts` hands to rpc, where they are declared. */
const READER_TYPES = [
  "node/execution/call.ts",
  "node/execution/proof.ts",
  "node/execution/trace.ts",
  "node/storage/store.ts",
  "node/storage/state.ts",
];

function mayImport(file: string, { target, typeOnly }: Import): boolean {
  if (target === null) return true;
  const row = TABLE.find(([part]) => file.startsWith(part));
  if (row === undefined) return false;
  const [part, allowed] = row;
  const own = part.endsWith(".ts") ? part.slice(0, part.lastIndexOf("/") + 1) : part;
  const inOwnFolder = own !== "node/" && target.startsWith(own);
  if (inOwnFolder || allowed.some((prefix) => target.startsWith(prefix))) return true;
  return file.startsWith("rpc/") && typeOnly && READER_TYPES.includes(target);
}

/** Imports go down the layers only. */
export const directions: Rule = (files) =>
  files.flatMap((file) =>
    file.imports
      .filter((each) => !mayImport(file.path, each))
      .map(({ target }) => finding("direction", file, `must not import ${String(target)}`)),
  );

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** lanes is pure and runs in a browser; the rest imports what package.json declares. */
export function packages(manifest: {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}): Rule {
  const allowed = (path: string, specifier: string): boolean => {
    const name = packageOf(specifier);
    if (path.startsWith("lanes/")) return name.startsWith("@noble/") || name === "@ethereumjs/rlp";
    if (isBuiltin(specifier)) return specifier.startsWith("node:");
    if (Object.hasOwn(manifest.dependencies, name)) return true;
    return isTest(path) && Object.hasOwn(manifest.devDependencies, name);
  };
  return (files) =>
    files.flatMap((file) =>
      file.imports
        .filter(({ target, specifier }) => target === null && !allowed(file.path, specifier))
        .map(({ specifier }) => finding("package", file, `must not import ${specifier}`)),
    );
}

function finding(rule: string, file: SourceFile, detail: string): Finding {
  return { rule, file: file.path, detail };
}
