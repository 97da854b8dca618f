/**
 * Memory of the process while blocks go through it: at the end, and how it grows a block.
 *
 * Garbage of this thread is collected before each look, so that only what is kept counts; the slope
 * is a straight line through all looks. Caches count as well, until they have reached their bounds.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { figureOf, type Row } from "./row.ts";

const BYTES_PER_MB = 1e6;

interface Look {
  readonly block: number;
  readonly rssMb: number;
  readonly heapMb: number;
}

export interface MemoryWatch {
  /** Looks, after so many more blocks. */
  sample(blocks: number): void;
  /** None where no block went through. */
  rows(): Row[];
}

export function createMemoryWatch(): MemoryWatch {
  const looks: Look[] = [];
  let block = 0;
  const look = (): void => {
    collectGarbage();
    const { rss, heapUsed } = process.memoryUsage();
    looks.push({ block, rssMb: rss / BYTES_PER_MB, heapMb: heapUsed / BYTES_PER_MB });
  };
  look();
  return {
    sample(blocks) {
      block += blocks;
      look();
    },
    rows() {
      // A slope takes blocks.
      if (block === 0) return [];
      look();
      const last = looks[looks.length - 1];
      if (last === undefined) return [];
      const row = (measure: string, unit: Row["unit"], value: number): Row => {
        return { name: "memory", measure, unit, figure: figureOf([value]) };
      };
      return [
        row("RSS, all threads", "MB", last.rssMb),
        row("heap of the sequencing thread", "MB", last.heapMb),
        row(
          "heap's slope",
          "MB/block",
          slope(looks.map((each) => [each.block, each.heapMb] as const)),
        ),
      ];
    },
  };
}

/** The collector is there only where a flag says so, which may be set at any time. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
}

/** Least squares; 0 where all looks are at one block. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const x0 = mean(points.map(([x]) => x));
  const y0 = mean(points.map(([, y]) => y));
  const spread = points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
  if (spread === 0) return 0;
  return points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0) / spread;
}
