/**
 * A folder of Ethereum's public tests: finds its files, tells by a test's shape what kind it is,
 * and runs it. Does not own how each kind is run.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { type CaseResult, failed, type Outcome, skipped } from "./outcome.ts";
import { type RlpTest, runRlpTest } from "./rlp-tests.ts";
import { runStateTest, type StateTest } from "./state-tests.ts";
import { runTransactionTest, type TransactionTest } from "./transaction-tests.ts";
import { runTrieTest, type TrieTest } from "./trie-tests.ts";

/** The folders of `ethereum/tests` that this runs; where a folder has none, all of it is run. */
const KINDS = ["GeneralStateTests", "TransactionTests", "TrieTests", "RLPTests"];

/** Every JSON file to run, in the order of their paths. */
export function listFiles(folder: string): string[] {
  const present = readdirSync(folder).filter((name) => KINDS.includes(name));
  const roots = present.length > 0 ? present.map((name) => join(folder, name)) : [folder];
  return roots
    .flatMap((root) =>
      readdirSync(root, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith(".json"))
        .map((entry) => join(entry.parentPath, entry.name)),
    )
    .sort();
}

/** Every case of the file. A file that is not a test, and a test that throws, is a failure. */
export async function runFile(folder: string, path: string): Promise<CaseResult[]> {
  const file = relative(folder, path);
  const results: CaseResult[] = [];
  try {
    const tests = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    for (const [name, test] of Object.entries(tests)) {
      const outcomes = await guard(name, () => runTest(name, test, path));
      for (const each of outcomes)
        results.push({ name: `${file}: ${each.name}`, outcome: each.outcome });
    }
  } catch (error) {
    results.push({ name: file, outcome: failed(`not a file of tests: ${messageOf(error)}`) });
  }
  return results;
}

type Named = readonly { readonly name: string; readonly outcome: Outcome }[];

async function guard(name: string, run: () => Named | Promise<Named>): Promise<Named> {
  try {
    return await run();
  } catch (error) {
    return [{ name, outcome: failed(`threw: ${messageOf(error)}`) }];
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function runTest(name: string, test: unknown, path: string): Named | Promise<Named> {
  const has = (...keys: readonly string[]): boolean =>
    typeof test === "object" && test !== null && keys.every((key) => key in test);
  if (has("env", "pre", "post")) return runStateTest(name, test as StateTest);
  if (has("result", "txbytes"))
    return [{ name, outcome: runTransactionTest(test as TransactionTest) }];
  if (has("in", "root")) {
    const secure = basename(path).toLowerCase().includes("secure");
    return [{ name, outcome: runTrieTest(test as TrieTest, secure) }];
  }
  if (has("in", "out")) return [{ name, outcome: runRlpTest(test as RlpTest) }];
  if (has("in", "tests"))
    return [{ name, outcome: skipped("asks for the next key: the trie has no cursor") }];
  return [{ name, outcome: skipped("not a kind of test that this runs") }];
}
