/**
 * A folder of Ethereum's public tests: finds its files, tells by a test's shape what kind it is,
 * and gives its cases. Does not own how each kind is run, nor where: `pool.ts`.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { type Case, failed, type Outcome, skipped } from "./outcome.ts";
import { isRlpTest, runRlpTest } from "./rlp-tests.ts";
import { hasMembers } from "./shape.ts";
import { isStateTest, stateCases } from "./state-tests.ts";
import { isTransactionTest, transactionCases } from "./transaction-tests.ts";
import { isTrieTest, runTrieTest } from "./trie-tests.ts";

/** The folders of `ethereum/tests` that this runs; where a folder has none, all of it is run. */
const KINDS = ["GeneralStateTests", "TransactionTests", "TrieTests", "RLPTests"];

/** A text of more has no place in a string of the engine's. */
const FILE_BYTES_MAX = 256 * 1024 * 1024;

/** Minutes each: begun first, they run beside everything else instead of alone at the end. */
const HEAVY = /vmPerformance|stTimeConsuming|stQuadraticComplexityTest|50000/;

/** Every JSON file to run: heavy ones first, else in the order of their paths. A file is itself. */
export function listFiles(folder: string): string[] {
  if (statSync(folder).isFile()) return [folder];
  const present = readdirSync(folder).filter((name) => KINDS.includes(name));
  const roots = present.length > 0 ? present.map((name) => join(folder, name)) : [folder];
  return roots
    .flatMap((root) =>
      readdirSync(root, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith(".json"))
        .map((entry) => join(entry.parentPath, entry.name)),
    )
    .sort((a, b) => Number(HEAVY.test(b)) - Number(HEAVY.test(a)) || (a < b ? -1 : 1));
}

/**
 * Every case of the file, none run yet; the same ones in the same order each time. A file that
 * cannot be read is a case that fails.
 */
export function* casesOf(folder: string, path: string): Generator<Case, void> {
  const file = relative(folder, path) || basename(path);
  const only = (outcome: Outcome): Case => ({ name: file, run: () => outcome });
  if (statSync(path).size > FILE_BYTES_MAX) {
    yield only(skipped("larger than 256 MiB"));
    return;
  }
  let tests: unknown;
  try {
    tests = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    yield only(failed(`not JSON: ${error instanceof Error ? error.message : String(error)}`));
    return;
  }
  if (typeof tests !== "object" || tests === null || Array.isArray(tests)) {
    yield only(skipped(UNKNOWN));
    return;
  }
  for (const [name, test] of Object.entries(tests))
    for (const each of casesOfTest(name, test, path))
      yield { name: `${file}: ${each.name}`, run: () => each.run() };
}

const UNKNOWN = "not a kind of test that this runs";

function casesOfTest(name: string, test: unknown, path: string): Iterable<Case> {
  if (isStateTest(test)) return stateCases(name, test);
  if (isTransactionTest(test)) return transactionCases(name, test);
  if (isTrieTest(test)) {
    const secure = basename(path).toLowerCase().includes("secure");
    return [{ name, run: () => runTrieTest(test, secure) }];
  }
  if (isRlpTest(test)) return [{ name, run: () => runRlpTest(test) }];
  const reason = hasMembers(test, "in", "tests")
    ? "asks for the next key: the trie has no cursor"
    : UNKNOWN;
  return [{ name, run: () => skipped(reason) }];
}
