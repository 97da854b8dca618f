/**
 * `pricelane replay`: runs the stored admission log of a stopped node again, under the policy of its
 * rollup and under another one, and prints what would have changed.
 *
 * Owns the comparison and its words. Deterministic: the same folder and policies, the same bytes.
 */
import { readFile } from "node:fs/promises";
import { Command, InvalidArgumentError } from "commander";
import { NORMAL_RANK } from "../../lanes/classify.ts";
import { classOfRank, parsePolicy, type Policy } from "../../lanes/policy.ts";
import { replay, type Replayed } from "../../lanes/replay.ts";
import type { AdmissionLog } from "../../node/admission-log.ts";
import { NodeError } from "../../node/errors.ts";
import { readRollupFile } from "./rollup-file.ts";

const HELP = `
The node must be stopped, or the folder a copy. Times are modelled: a transaction takes its gas
divided by --gas-per-ms, and nothing else takes time; so waits compare policies and say nothing of a
machine. "agreement" is the share of pairs of executed transactions that the model and the chain
have in the same order: how far to trust the rest.

Example:
  pricelane replay --data-dir data --rollup rollup.json --policy other.json --from 100 --to 200
`;

/** Order changes that are printed. */
const CHANGES_SHOWN = 20;
/** Near what the embedded engine does on transfers. */
const GAS_PER_MS = 300_000;

interface Options {
  readonly dataDir: string;
  readonly journalDir?: string;
  readonly rollup: string;
  readonly policy: string;
  readonly from: number;
  readonly to: number;
  readonly gasPerMs: number;
  readonly json?: boolean;
}

interface Waits {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

interface Side {
  readonly waits: Readonly<Record<string, Waits>>;
  readonly drops: Readonly<Record<string, number>>;
  readonly leftOver: number;
}

interface Report {
  readonly transactions: number;
  /** Dropped ones that are left out: the log did not keep their bytes. */
  readonly withoutBytes: number;
  readonly agreement: number;
  readonly otherClass: number;
  readonly otherPlace: number;
  readonly changes: readonly { hash: string; from: number | null; to: number | null }[];
  readonly before: Side;
  readonly after: Side;
}

/** The subcommand. */
export function createReplayCommand(): Command {
  return new Command("replay")
    .summary("run the stored admission log again under another policy")
    .description("Prints what another policy would have changed: order, waits, drops.")
    .requiredOption("--data-dir <path>", "the data folder of a stopped node, or a copy of it")
    .option("--journal-dir <path>", "its journal's folder, where that is another")
    .requiredOption("--rollup <path>", "the path of its rollup config file")
    .requiredOption("--policy <path>", "the policy to compare with, as in a rollup file")
    .requiredOption("--from <block>", "the first block", whole)
    .requiredOption("--to <block>", "the last block", whole)
    .option("--gas-per-ms <gas>", "what the model executes in a millisecond", whole, GAS_PER_MS)
    .option("--json", "print JSON")
    .addHelpText("after", HELP)
    .action(async (options: Options) => {
      const report = await compare(options);
      process.stdout.write(
        options.json === true ? `${JSON.stringify(report, null, 2)}\n` : format(report),
      );
    });
}

function whole(text: string): number {
  const value = /^\d{1,12}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new InvalidArgumentError("Expected a whole number from 1.");
  return value;
}

async function compare(options: Options): Promise<Report> {
  const rollup = await readRollupFile(options.rollup);
  const before = policyOf(rollup.policy, options.rollup);
  const after = policyOf(await readJson(options.policy), options.policy);
  // The store takes a while to load: help and mistakes do not wait for it.
  const { readAdmissionLog } = await import("../../node/admission-log.ts");
  const { dataDir, journalDir = null, from, to, gasPerMs } = options;
  const reserve = before.document.systemReserveGas;
  const log = await readAdmissionLog({ dataDir, journalDir }, from, to, reserve);
  const { arrivals, blocks } = log;
  const underBefore = replay(before, arrivals, blocks, gasPerMs).transactions;
  const underAfter = replay(after, arrivals, blocks, gasPerMs).transactions;
  return reportOf(log, [before, underBefore], [after, underAfter]);
}

function reportOf(
  log: AdmissionLog,
  [before, underBefore]: readonly [Policy, readonly Replayed[]],
  [after, underAfter]: readonly [Policy, readonly Replayed[]],
): Report {
  const places = (list: readonly Replayed[]) =>
    new Map(list.filter(({ block }) => block !== null).map(({ accepted }, at) => [accepted, at]));
  const [from, to] = [places(underBefore), places(underAfter)];
  const ranks = new Map(underBefore.map(({ accepted, rank }) => [accepted, rank]));
  const changes = log.arrivals
    .map(({ accepted, transaction }) => ({
      hash: transaction.hash,
      from: from.get(accepted) ?? null,
      to: to.get(accepted) ?? null,
    }))
    .filter((change) => change.from !== change.to);
  const real = new Map(log.executed.map(({ accepted }, at) => [accepted, at]));
  return {
    transactions: log.arrivals.length,
    withoutBytes: log.withoutBytes,
    agreement: agreementOf(real, from),
    otherClass: underAfter.filter(
      ({ accepted, rank }) => nameOf(after, rank) !== nameOf(before, ranks.get(accepted) ?? rank),
    ).length,
    otherPlace: changes.length,
    changes: changes.slice(0, CHANGES_SHOWN),
    before: sideOf(before, underBefore),
    after: sideOf(after, underAfter),
  };
}

/** Share of neighbours in one order that stand the same way round in the other; 1 for none. */
function agreementOf(a: ReadonlyMap<bigint, number>, b: ReadonlyMap<bigint, number>): number {
  const common = [...a.keys()].filter((accepted) => b.has(accepted));
  let same = 0;
  for (const [at, accepted] of common.entries()) {
    const next = common[at + 1];
    if (next !== undefined && (b.get(accepted) ?? 0) < (b.get(next) ?? 0)) same += 1;
  }
  return common.length < 2 ? 1 : Math.round((1000 * same) / (common.length - 1)) / 1000;
}

function sideOf(policy: Policy, list: readonly Replayed[]): Side {
  const byClass = new Map<string, number[]>();
  const drops: Record<string, number> = {};
  let leftOver = 0;
  for (const { rank, waitMs, drop } of list) {
    if (drop !== null) drops[drop] = (drops[drop] ?? 0) + 1;
    else if (waitMs === null) leftOver += 1;
    else {
      const name = nameOf(policy, rank);
      const waits = byClass.get(name) ?? [];
      byClass.set(name, waits);
      waits.push(waitMs);
    }
  }
  const waits = Object.fromEntries([...byClass].sort().map(([name, all]) => [name, waitsOf(all)]));
  return { waits, drops, leftOver };
}

function waitsOf(samples: readonly number[]): Waits {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number => {
    const index = Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1);
    return Math.round(100 * (sorted[Math.max(0, index)] ?? 0)) / 100;
  };
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

function nameOf(policy: Policy, rank: number): string {
  return rank === NORMAL_RANK ? "normal" : (classOfRank(policy, rank)?.name ?? `rank ${rank}`);
}

function format(report: Report): string {
  const { transactions, agreement, otherClass, otherPlace, changes, before, after } = report;
  const lines = [
    `${transactions} transactions; agreement of the model with the chain ${agreement}`,
    `${otherClass} would be in another class, ${otherPlace} at another place`,
    ...changes.map(({ hash, from, to }) => `  ${hash}  ${from ?? "-"} -> ${to ?? "-"}`),
    "waits in ms, p50 / p99 / max (transactions)",
  ];
  for (const name of new Set([...Object.keys(before.waits), ...Object.keys(after.waits)]))
    lines.push(`  ${name}: ${waitText(before.waits[name])} -> ${waitText(after.waits[name])}`);
  for (const code of new Set([...Object.keys(before.drops), ...Object.keys(after.drops)]))
    lines.push(`dropped ${code}: ${before.drops[code] ?? 0} -> ${after.drops[code] ?? 0}`);
  if (report.withoutBytes > 0)
    lines.push(`left out, because the log did not keep them: ${report.withoutBytes}`);
  lines.push(`in no block of the range: ${before.leftOver} -> ${after.leftOver}`);
  return `${lines.join("\n")}\n`;
}

function waitText(waits: Waits | undefined): string {
  if (waits === undefined) return "none";
  return `${waits.p50} / ${waits.p99} / ${waits.max} (${waits.count})`;
}

function policyOf(document: unknown, path: string): Policy {
  const policy = parsePolicy(document);
  if (policy.ok) return policy.value;
  throw new NodeError(policy.code, { ...policy.data, file: path });
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as unknown;
  } catch (cause) {
    const expected = "a policy as JSON that can be read";
    throw new NodeError("CONFIG_INVALID", { key: "--policy", from: path, expected }, cause);
  }
}
