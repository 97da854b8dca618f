/**
 * `npm run test:parity`: a generated chain against a real op-geth. Every block must be valid there,
 * every receipt the same. Exit code 1 on a difference; 0 with a reason where there is no op-geth.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { gethGenesis } from "../../node/chain/geth-genesis.ts";
import { parityChain, parityRollup } from "./chain.ts";
import { compareReceipts, importBlock, refusedReceipts } from "./compare.ts";
import { stateDifferences } from "./rebuild.ts";
import { findOpGeth, type OpGeth, startOpGeth } from "./op-geth.ts";

const BLOCKS_DEFAULT = "500";
const SEED_DEFAULT = "1";
const PROGRESS_EVERY = 100;
/** Differences between receipts after which the rest is not worth the time. */
const DIFFERENCES_MAX = 20;

interface Figures {
  blocks: number;
  transactions: number;
  deposits: number;
  failed: number;
  receipts: number;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function compare(opGeth: OpGeth, seed: number, blocks: number): Promise<string[]> {
  const rollup = parityRollup();
  const { hash } = gethGenesis(rollup);
  const genesis = (await opGeth.call("eth_getBlockByNumber", ["0x0", false])) as { hash: string };
  if (genesis.hash !== hash) return [`genesis is ${hash} here, ${genesis.hash} there`];
  const figures: Figures = { blocks: 0, transactions: 0, deposits: 0, failed: 0, receipts: 0 };
  const found: string[] = [];
  for await (const executed of parityChain(rollup, seed, blocks)) {
    const { number } = executed.block.header;
    const refusal = await importBlock(opGeth, executed);
    if (refusal !== null) {
      const receipts = refusedReceipts(opGeth, executed);
      const state = await stateDifferences(opGeth, executed);
      return [...found, `block ${number}: ${refusal}`, ...receipts, ...state];
    }
    const differences = await compareReceipts(opGeth, executed);
    found.push(...differences.map((line) => `block ${number}, ${line}`));
    if (found.length >= DIFFERENCES_MAX) return found;
    figures.blocks += 1;
    figures.transactions += executed.block.transactions.length;
    figures.deposits += executed.receipts.filter(({ type }) => type === DEPOSIT_TYPE).length;
    figures.failed += executed.receipts.filter(({ status }) => status === 0).length;
    figures.receipts += executed.receipts.length;
    if (number % PROGRESS_EVERY === 0) print(describe(figures));
  }
  if (found.length === 0) print(`equal: ${describe(figures)}`);
  return found;
}

function describe({ blocks, transactions, deposits, failed, receipts }: Figures): string {
  return `${blocks} blocks, ${transactions} transactions (${deposits} deposits, ${failed} failed), ${receipts} receipts`;
}

const { values } = parseArgs({
  options: {
    blocks: { type: "string", default: BLOCKS_DEFAULT },
    seed: { type: "string", default: SEED_DEFAULT },
  },
});
const binary = await findOpGeth();
if (binary === null) {
  print("skipped: no op-geth: OP_GETH is not set, and PATH has none (test/parity/README.md)");
} else {
  print(`op-geth ${binary.version} at ${binary.path}, seed ${values.seed}`);
  const folder = await mkdtemp(join(tmpdir(), "pricelane-parity-"));
  try {
    const opGeth = await startOpGeth(binary, gethGenesis(parityRollup()).file, folder);
    try {
      const found = await compare(opGeth, Number(values.seed), Number(values.blocks));
      for (const line of found) print(line);
      if (found.length > 0) process.exitCode = 1;
    } finally {
      await opGeth.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
