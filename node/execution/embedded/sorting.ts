/**
 * Sorting in steps: a large block changes ten thousands of accounts and slots, and to sort them in
 * one call would hold the thread.
 *
 * A merge sort from short runs that are sorted natively. Order is that of UTF-16 code units, which
 * for hex of equal length is the order of the bytes.
 */
import type { Steps } from "../../turns.ts";

const RUN_ITEMS = 64;
/** Microseconds of the steps: to collect an item, to sort a run, to merge an item. */
const ITEM_COST = 0.1;
const RUN_COST = 20;
const MERGE_COST = 0.1;

/** The different items of all sources, ascending. */
export function* sorted<T extends string>(sources: readonly Iterable<T>[]): Steps<T[]> {
  const items = new Set<T>();
  for (const source of sources)
    for (const item of source) {
      items.add(item);
      yield ITEM_COST;
    }
  let runs: T[][] = [];
  let run: T[] = [];
  for (const item of items) {
    run.push(item);
    if (run.length < RUN_ITEMS) continue;
    runs.push(run.sort());
    run = [];
    yield RUN_COST;
  }
  runs.push(run.sort());
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2)
      merged.push(yield* merge(runs[i] as T[], runs[i + 1] ?? []));
    runs = merged;
  }
  return runs[0] ?? [];
}

function* merge<T extends string>(a: readonly T[], b: readonly T[]): Steps<T[]> {
  const out: T[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const fromA = j === b.length || (i < a.length && (a[i] as T) < (b[j] as T));
    out.push(fromA ? (a[i++] as T) : (b[j++] as T));
    yield MERGE_COST;
  }
  return out;
}
