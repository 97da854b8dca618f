/**
 * Compiles every Solidity source of the repository into the artifacts that `artifact.ts` reads.
 *
 * Owns: the compiler settings, import resolution, the cache. Does not own deployment.
 * Invariants: same sources give the same bytes (no metadata hash); a group whose sources, settings
 * and libraries are unchanged is not compiled again, and the compiler is then not even loaded;
 * artifacts are replaced by rename, so that a reader sees a whole one.
 * Runs as a program from the project root: `node dist/node/contracts/compile.js`.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, posix, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";

/** Raised when the artifact's or the cache's shape changes. */
const FORMAT = 1;
const CACHE_FILE = "cache.json";
const LIBRARIES = ["@openzeppelin/contracts"] as const;
const OPTIMIZER_RUNS = 10_000;

interface Group {
  readonly name: string;
  readonly evmVersion: "osaka" | "prague";
  /** Folders below the project root, searched recursively; a missing one is empty. */
  readonly folders: readonly string[];
}

/** L2 executes Isthmus, which is Prague (PROTOCOL 6); L1 is Osaka. */
const GROUPS: readonly Group[] = [
  { name: "l1", evmVersion: "osaka", folders: ["node/contracts/l1"] },
  { name: "l2", evmVersion: "prague", folders: ["node/contracts/l2", "devnet", "test"] },
];

const cacheSchema = z.record(
  z.string(),
  z.object({ hash: z.string(), artifacts: z.array(z.string()) }),
);
type Cache = z.infer<typeof cacheSchema>;

const outputSchema = z.object({
  errors: z.array(z.object({ severity: z.string(), formattedMessage: z.string() })).default([]),
  contracts: z
    .record(
      z.string(),
      z.record(
        z.string(),
        z.object({
          abi: z.array(z.unknown()),
          evm: z.object({
            bytecode: z.object({ object: z.string() }),
            deployedBytecode: z.object({ object: z.string() }),
          }),
        }),
      ),
    )
    .default({}),
});

export interface CompileResult {
  readonly ok: boolean;
  /** Names of the artifacts written by this run; empty where the cache held. */
  readonly compiled: readonly string[];
  /** Errors and warnings as the compiler prints them. */
  readonly messages: readonly string[];
}

export interface CompileOptions {
  /** Project root: holds `node_modules` and the source folders. */
  readonly root: string;
  /** Where `NAME.json` and the cache go. */
  readonly outDir: string;
}

/** Compiles what changed. Errors in the sources are in the result; anything else throws. */
export async function compileContracts(options: CompileOptions): Promise<CompileResult> {
  mkdirSync(options.outDir, { recursive: true });
  const cachePath = join(options.outDir, CACHE_FILE);
  const before = loadCache(cachePath);
  const after: Cache = {};
  const compiled: string[] = [];
  const messages: string[] = [];
  for (const group of GROUPS) {
    const sources = readSources(options.root, group);
    const hash = hashGroup(options.root, group, sources);
    const known = before[group.name];
    if (known?.hash === hash && known.artifacts.every((name) => isPresent(options.outDir, name))) {
      after[group.name] = known;
      continue;
    }
    const result = await compileGroup(options, group, sources);
    messages.push(...result.messages);
    if (!result.ok) return { ok: false, compiled, messages };
    compiled.push(...result.compiled);
    after[group.name] = { hash, artifacts: [...result.compiled] };
  }
  if (compiled.length > 0 || JSON.stringify(before) !== JSON.stringify(after)) {
    removeStale(options.outDir, before, after);
    writeWhole(cachePath, JSON.stringify(after));
  }
  return { ok: true, compiled, messages };
}

function loadCache(path: string): Cache {
  try {
    return cacheSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    // Absent or of another format: everything is compiled again.
    return {};
  }
}

/** Sources of a group by their path from the project root, in path order. */
function readSources(root: string, group: Group): Map<string, string> {
  const paths: string[] = [];
  for (const folder of group.folders) {
    if (!existsSync(join(root, folder))) continue;
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
      if (entry.isFile() && entry.name.endsWith(".sol"))
        paths.push(relative(root, join(entry.parentPath, entry.name)).split(sep).join(posix.sep));
  }
  paths.sort();
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

function settings(group: Group): object {
  return {
    evmVersion: group.evmVersion,
    optimizer: { enabled: true, runs: OPTIMIZER_RUNS },
    metadata: { bytecodeHash: "none" },
    outputSelection: {
      "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] },
    },
  };
}

function hashGroup(root: string, group: Group, sources: ReadonlyMap<string, string>): string {
  const versions = ["solc", ...LIBRARIES].map((name) => {
    const manifest = readFileSync(join(root, "node_modules", name, "package.json"), "utf8");
    return z.object({ version: z.string() }).parse(JSON.parse(manifest)).version;
  });
  const everything = [FORMAT, settings(group), versions, [...sources]];
  return createHash("sha256").update(JSON.stringify(everything)).digest("hex");
}

async function compileGroup(
  options: CompileOptions,
  group: Group,
  sources: ReadonlyMap<string, string>,
): Promise<CompileResult> {
  if (sources.size === 0) return { ok: true, compiled: [], messages: [] };
  // `solc` types its entry points as `any`: this is the one place that knows their shape.
  const solc = (await import("solc")).default as {
    compile(
      input: string,
      callbacks: { import: (path: string) => { contents: string } | { error: string } },
    ): string;
  };
  const input = {
    language: "Solidity",
    sources: Object.fromEntries([...sources].map(([path, content]) => [path, { content }])),
    settings: settings(group),
  };
  const text = solc.compile(JSON.stringify(input), {
    import: (path) => resolveImport(options.root, path),
  });
  const output = outputSchema.parse(JSON.parse(text));
  const messages = output.errors.map((error) => error.formattedMessage);
  if (output.errors.some((error) => error.severity === "error"))
    return { ok: false, compiled: [], messages };
  const compiled: string[] = [];
  for (const path of sources.keys()) {
    for (const [name, contract] of Object.entries(output.contracts[path] ?? {})) {
      if (compiled.includes(name))
        return { ok: false, compiled: [], messages: [`${path}: a second contract named ${name}`] };
      compiled.push(name);
      const artifact = {
        abi: contract.abi,
        bytecode: `0x${contract.evm.bytecode.object}`,
        deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
      };
      writeWhole(join(options.outDir, `${name}.json`), JSON.stringify(artifact));
    }
  }
  return { ok: true, compiled, messages };
}

/** Only the listed libraries may be imported from outside the group's own folders. */
function resolveImport(root: string, path: string): { contents: string } | { error: string } {
  const allowed = LIBRARIES.some((name) => path.startsWith(`${name}/`)) && !path.includes("..");
  if (!allowed) return { error: "not a source of this group, nor of a known library" };
  const file = join(root, "node_modules", path);
  if (!existsSync(file)) return { error: "no such file in node_modules" };
  return { contents: readFileSync(file, "utf8") };
}

function isPresent(outDir: string, name: string): boolean {
  return existsSync(join(outDir, `${name}.json`));
}

function removeStale(outDir: string, before: Cache, after: Cache): void {
  const kept = new Set(Object.values(after).flatMap((group) => group.artifacts));
  for (const name of Object.values(before).flatMap((group) => group.artifacts))
    if (!kept.has(name)) rmSync(join(outDir, `${name}.json`), { force: true });
}

function writeWhole(path: string, content: string): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}

/** True when this module is the program, not an import. */
function isMain(): boolean {
  const program = process.argv[1];
  return program !== undefined && import.meta.url === pathToFileURL(program).href;
}

if (isMain()) {
  const result = await compileContracts({
    root: process.cwd(),
    outDir: fileURLToPath(new URL("./artifacts/", import.meta.url)),
  });
  for (const message of result.messages) process.stderr.write(`${message.trimEnd()}\n`);
  if (result.compiled.length > 0) process.stdout.write(`compiled ${result.compiled.join(", ")}\n`);
  if (!result.ok) process.exitCode = 1;
}
