/**
 * How busy the threads of this process are: the share of the time in which their event loops had
 * something to do. Says whether DESIGN I10 holds on a machine, and which thread is the narrow one.
 */
import { type EventLoopUtilization, performance } from "node:perf_hooks";
import type { Worker } from "node:worker_threads";

/** Share of the time, 0 to 1, by the name of the thread. */
export type ThreadShares = Readonly<Record<string, number>>;

interface Watched {
  readonly name: string;
  readonly of: Pick<Worker["performance"], "eventLoopUtilization">;
  before: EventLoopUtilization;
}

export class ThreadLoad {
  readonly #watched: Watched[] = [];

  /** Watches this very thread. */
  constructor(name: string) {
    this.#add(name, performance);
  }

  /** For as long as the process lives: a thread that has ended has nothing to do. */
  watch(name: string, worker: { readonly performance: Watched["of"] }): void {
    this.#add(name, worker.performance);
  }

  /** Since the last call; to three digits. Threads of one name add up. */
  shares(): ThreadShares {
    const shares: Record<string, number> = {};
    for (const watched of this.#watched) {
      const now = watched.of.eventLoopUtilization();
      const { utilization } = watched.of.eventLoopUtilization(now, watched.before);
      watched.before = now;
      const share = (shares[watched.name] ?? 0) + utilization;
      shares[watched.name] = Math.round(share * 1000) / 1000;
    }
    return shares;
  }

  #add(name: string, of: Watched["of"]): void {
    this.#watched.push({ name, of, before: of.eventLoopUtilization() });
  }
}
