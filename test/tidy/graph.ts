/** Cycles between files and between folders, and files that nothing reaches. */
import { posix } from "node:path";
import ts from "typescript";
import { descendants, type Finding, isTest, type Rule, type SourceFile } from "./sources.ts";

/** Where programs begin; workers are found by the `new URL("./worker.js", …)` that names them. */
const ENTRIES = ["rpc/main.ts", "devnet/main.ts", "node/contracts/compile.ts"];
/** Longer suites, started by their npm scripts. */
const TEST_PROGRAMS = [
  "test/bench/main.ts",
  "test/execution/embedded/trie-fuzz.ts",
  "test/parity/main.ts",
  "test/vectors/main.ts",
];

type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/** Groups of two or more vertices that reach each other (Tarjan). */
function components(graph: Graph): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (vertex: string): number => {
    const own = order.size;
    order.set(vertex, own);
    stack.push(vertex);
    let lowest = own;
    for (const next of graph.get(vertex) ?? []) {
      const seen = order.get(next);
      if (seen === undefined) lowest = Math.min(lowest, visit(next));
      else if (stack.includes(next)) lowest = Math.min(lowest, seen);
    }
    low.set(vertex, lowest);
    if (lowest === own) {
      const group = stack.splice(stack.indexOf(vertex));
      if (group.length > 1) found.push(group.sort());
    }
    return lowest;
  };
  for (const vertex of graph.keys()) if (!order.has(vertex)) visit(vertex);
  return found;
}

function graphOf(
  files: readonly SourceFile[],
  unit: (path: string) => string,
  withTypes: boolean,
): Graph {
  const graph = new Map<string, Set<string>>();
  for (const { path, imports } of files) {
    const from = unit(path);
    const edges = graph.get(from) ?? new Set();
    graph.set(from, edges);
    for (const { target, typeOnly } of imports)
      if (target !== null && (withTypes || !typeOnly) && unit(target) !== from)
        edges.add(unit(target));
  }
  return graph;
}

function cycles(rule: string, graph: Graph): Finding[] {
  return components(graph).map((group) => ({
    rule,
    file: group[0] ?? "",
    detail: `cycle: ${group.join(", ")}`,
  }));
}

/** Files import each other at run time. */
export const fileCycles: Rule = (files) =>
  cycles(
    "file-cycle",
    graphOf(files, (path) => path, false),
  );

/** A folder; files that lie directly in a top folder stand for themselves. */
function folderOf(path: string): string {
  const folder = posix.dirname(path);
  return folder.includes("/") ? folder : path;
}

/** Folders import each other, types included. */
export const folderCycles: Rule = (files) =>
  cycles(
    "folder-cycle",
    graphOf(
      files.filter(({ path }) => !isTest(path)),
      folderOf,
      true,
    ),
  );

/** Modules that a file names by a string: workers and child processes. */
function named({ path, tree }: SourceFile): string[] {
  const found: string[] = [];
  for (const node of descendants(tree))
    if (ts.isStringLiteral(node) && /^\.{1,2}\/.*\.js$/.test(node.text))
      found.push(posix.join(posix.dirname(path), node.text.replace(/\.js$/, ".ts")));
  return found;
}

/** Every source file is reached from a program, every helper of the tests from a test. */
export const deadFiles: Rule = (files) => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reach = (entries: readonly string[]): Set<string> => {
    const reached = new Set<string>();
    const queue = [...entries];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      const file = byPath.get(path);
      if (file === undefined || reached.has(path)) continue;
      reached.add(path);
      queue.push(...named(file));
      for (const { target } of file.imports) if (target !== null) queue.push(target);
    }
    return reached;
  };
  const tests = [...byPath.keys()].filter((path) => path.endsWith(".test.ts"));
  const live = reach(ENTRIES);
  const tested = reach([...tests, ...TEST_PROGRAMS]);
  return [...byPath.keys()]
    .filter((path) => !(isTest(path) ? tested : live).has(path))
    .map((file) => ({ rule: "dead-file", file, detail: "nothing reaches it" }));
};
