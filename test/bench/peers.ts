/**
 * The same work on other engines in the same run. Owns how a peer's blocks become figures beside
 * ours, and that both sides used the same gas: a peer that did something else is no peer.
 */
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { PROCESSOR_TIME, WHOLE_BLOCK, type WorkloadRun } from "./execution.ts";
import { ANVIL, startAnvil } from "./peer-anvil.ts";
import { ETHEREUMJS, runOnEthereumJs } from "./peer-ethereumjs.ts";
import { type PeerBlock, peerState } from "./peer-state.ts";
import { comparedTo, type PeerFigure, type Row } from "./row.ts";

/** A peer's blocks, in the order of ours that count. */
export interface PeerRun {
  readonly peer: string;
  readonly blocks: readonly PeerBlock[];
}

/**
 * Blocks that the slow peer runs after one to warm up, and the time after which it runs no more.
 */
const ETHEREUMJS_RUNS = 2;
const ETHEREUMJS_MS_MAX = 8_000;

/** Runs the workload's blocks on both peers. `slots` is of the loop of cold reads. */
export async function runPeers(run: WorkloadRun, slots: number): Promise<PeerRun[]> {
  return [await ethereumJsRun(run, slots), await anvilRun(run, slots)];
}

async function ethereumJsRun(
  { workload, blocks, gasUsed }: WorkloadRun,
  slots: number,
): Promise<PeerRun> {
  const done: PeerBlock[] = [];
  const startedMs = performance.now();
  for (const transactions of blocks.slice(0, 1 + ETHEREUMJS_RUNS)) {
    if (done.length > 1 && performance.now() - startedMs > ETHEREUMJS_MS_MAX) break;
    done.push(await runOnEthereumJs(transactions, workload.contracts, slots));
  }
  return checked(ETHEREUMJS, workload.name, done, gasUsed);
}

async function anvilRun(
  { workload, blocks, gasUsed }: WorkloadRun,
  slots: number,
): Promise<PeerRun> {
  const all: readonly UserTransaction[] = blocks.flat();
  const anvil = await startAnvil(peerState(all, workload.contracts, slots));
  try {
    const done: PeerBlock[] = [];
    for (const transactions of blocks) done.push(await anvil.mine(transactions));
    return checked(ANVIL, workload.name, done, gasUsed);
  } finally {
    await anvil.stop();
  }
}

function checked(
  peer: string,
  name: string,
  done: readonly PeerBlock[],
  gasUsed: readonly bigint[],
): PeerRun {
  for (const [index, block] of done.entries())
    if (block.gasUsed !== gasUsed[index])
      throw new Error(
        `${name}, block ${index}: ${peer} used ${block.gasUsed} gas, we ${String(gasUsed[index])}`,
      );
  // The first one warmed up, there as here.
  return { peer, blocks: done.slice(1) };
}

/** Measures that peers have too. */
const COMPARED: ReadonlySet<string> = new Set(["execution", PROCESSOR_TIME, WHOLE_BLOCK]);

/**
 * Our rows with the peers' figures beside those that both have: execution beside execution, by
 * processor time where the peer runs in this process, and the whole block beside what a node does
 * for a block.
 */
export function withPeers(
  rows: readonly Row[],
  peers: readonly PeerRun[],
  { times }: WorkloadRun,
): Row[] {
  const count = times[0]?.transactions ?? 0;
  return rows.map((row) => {
    if (!COMPARED.has(row.measure)) return row;
    const figures = peers.flatMap(({ peer, blocks }): PeerFigure[] => {
      if (row.measure === WHOLE_BLOCK && peer !== ANVIL) return [];
      const samples = blocks.flatMap((block) => {
        const ms = row.measure === PROCESSOR_TIME ? block.cpuMs : block.ms;
        return ms === null ? [] : [rateIn(row.unit, count, block.gasUsed, ms)];
      });
      return samples.length === 0 ? [] : [comparedTo(row.figure, peer, samples)];
    });
    return { ...row, peers: figures };
  });
}

function rateIn(unit: Row["unit"], transactions: number, gasUsed: bigint, ms: number): number {
  return unit === "tx/s" ? (1000 * transactions) / ms : Number(gasUsed) / (1000 * ms);
}
