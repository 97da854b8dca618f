/**
 * State roots on a state of a million accounts and a contract of a million slots, in LevelDB as a
 * node has it: what 1,000 dirty leaves cost, with nothing in memory and with what earlier blocks
 * left there, and what is left of it for the seal when the block came in slices.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bigintToBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import type { RootHasher, SealedRoots, StateSlice } from "../../node/execution/engine.ts";
import { createRootHasher } from "../../node/execution/embedded/root-hasher.ts";
import { EMPTY_ACCOUNT } from "../../node/execution/embedded/state.ts";
import { silentLogger } from "../../node/log.ts";
import { keccak256 } from "../../node/primitives/hash.ts";
import { type Database, openDatabase } from "../../node/storage/database.ts";
import { trieKey } from "../../node/storage/keys.ts";
import { createTrieReader } from "../../node/storage/state-reads.ts";
import { ROLLUP } from "./rollup.ts";
import { ThreadLoad } from "../../node/thread-load.ts";
import { createWorkerPool } from "../../node/workers/pool.ts";
import { createRandom, type Random } from "../parity/random.ts";

export interface RootsRow {
  readonly name: string;
  readonly medianMs: number;
  readonly runs: number;
}

export interface RootsResult {
  readonly buildSeconds: number;
  readonly rows: readonly RootsRow[];
}

export interface RootsOptions {
  /** Accounts, and slots of the one contract. @default 1_000_000 */
  readonly size?: number;
  /** Blocks measured for each row. @default 15 */
  readonly runs?: number;
}

const DIRTY_LEAVES = 1000;
const SLICES = 20;
/** Blocks before the warm ones, large: as many leaves as bring the upper nodes into memory. */
const WARM_UP_BLOCKS = 20;
const WARM_UP_LEAVES = 10_000;
const BUILD_SLICE = 20_000;
const MS_A_SECOND = 1000;
const SEED = 7;
/** The contract's address lies outside those of the accounts. */
const CONTRACT: Hex = `0x${"c0".repeat(20)}`;
const CONTRACT_ACCOUNT = { ...EMPTY_ACCOUNT, nonce: 1n };
/** Balance of every account and value of every slot at first, in wei. */
const FIRST_VALUE = 10n ** 18n;

const addressOf = (index: number): Hex => toHex(bigintToBytes(BigInt(index + 1), 20));
const slotOf = (index: number): Hex => toHex(bigintToBytes(BigInt(index), 32));

/** Makes a slice that gives leaves values, and knows the ones they have, as flat state does. */
interface Load {
  slice(indices: readonly number[], valueOf: () => bigint): StateSlice;
}

/** Values by index, where they are no longer the first one. */
function createValues() {
  const values = new Map<number, bigint>();
  return (index: number, value: bigint): bigint => {
    const old = values.get(index) ?? FIRST_VALUE;
    values.set(index, value);
    return old;
  };
}

function createTransfers(): Load {
  const replace = createValues();
  return {
    slice: (indices, valueOf) =>
      indices.map((index) => {
        const after = { ...EMPTY_ACCOUNT, nonce: 1n, balance: valueOf() };
        const committed = { ...after, balance: replace(index, after.balance) };
        return { address: addressOf(index), after, committed, storageCleared: false, slots: [] };
      }),
  };
}

function createStorage(): Load {
  const replace = createValues();
  return {
    slice(indices, valueOf) {
      const slots = indices.map((index) => {
        const value = valueOf();
        return { slot: slotOf(index), value, committed: replace(index, value) };
      });
      return [{ address: CONTRACT, after: CONTRACT_ACCOUNT, storageCleared: false, slots }];
    },
  };
}

/** A slice that changes so many leaves anywhere in the state. */
function randomSlice({ random, size }: Bench, load: Load, leaves: number): StateSlice {
  const indices = new Set<number>();
  while (indices.size < leaves) indices.add(random.below(size));
  return load.slice([...indices], () => FIRST_VALUE + BigInt(1 + random.below(1e9)));
}

/** Indices in the order of their hashed keys: slices of them touch few nodes twice. */
function byHash(size: number, keyOf: (index: number) => Uint8Array): number[] {
  const ranks = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const hash = keccak256(keyOf(i));
    ranks[i] = new DataView(hash.buffer, hash.byteOffset).getUint32(0) * size + i;
  }
  return Array.from(ranks.sort(), (rank) => rank % size);
}

async function commit(database: Database, hasher: RootHasher, { nodes }: SealedRoots) {
  await database.write(nodes.map(({ path, node }) => ({ key: trieKey(path), payload: node })));
  await hasher.committed();
}

async function build(database: Database, size: number): Promise<void> {
  const hasher = createRootHasher(createTrieReader(database));
  const put = async (load: Load, keyOf: (index: number) => Uint8Array): Promise<void> => {
    const indices = byHash(size, keyOf);
    for (let at = 0; at < size; at += BUILD_SLICE) {
      await hasher.extend(load.slice(indices.slice(at, at + BUILD_SLICE), () => FIRST_VALUE));
      await commit(database, hasher, await hasher.seal());
    }
  };
  await put(createTransfers(), (index) => bigintToBytes(BigInt(index + 1), 20));
  await put(createStorage(), (index) => bigintToBytes(BigInt(index), 32));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

interface Bench {
  readonly dataDir: string;
  readonly size: number;
  readonly runs: number;
  readonly random: Random;
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await work();
  return { ms: performance.now() - start, value };
}

/** Every block by a new hasher on a database opened anew. */
async function cold(bench: Bench, load: Load): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < bench.runs; i++) {
    const database = await openDatabase(bench.dataDir);
    const hasher = createRootHasher(createTrieReader(database));
    const slice = randomSlice(bench, load, DIRTY_LEAVES);
    const { ms, value } = await timed(async () => {
      await hasher.extend(slice);
      return hasher.seal();
    });
    times.push(ms);
    await commit(database, hasher, value);
    await database.close();
  }
  return median(times);
}

interface WarmTimes {
  /** The whole block as one slice. */
  readonly atOnce: number;
  /** The last of `SLICES` slices and the seal. */
  readonly lastSlice: number;
  /** All slices and the seal. */
  readonly inSlices: number;
}

/** Blocks one after the other, each committed; only hashing is timed. */
async function warm(
  database: Database,
  hasher: RootHasher,
  bench: Bench,
  load: Load,
): Promise<WarmTimes> {
  const times = { atOnce: [] as number[], lastSlice: [] as number[], inSlices: [] as number[] };
  const block = async (slices: readonly StateSlice[]): Promise<number[]> => {
    const parts: number[] = [];
    for (const slice of slices) parts.push((await timed(() => hasher.extend(slice))).ms);
    const sealed = await timed(() => hasher.seal());
    await commit(database, hasher, sealed.value);
    return [...parts, sealed.ms];
  };
  for (let i = 0; i < WARM_UP_BLOCKS; i++) await block([randomSlice(bench, load, WARM_UP_LEAVES)]);
  for (let i = 0; i < bench.runs; i++) {
    times.atOnce.push(sum(await block([randomSlice(bench, load, DIRTY_LEAVES)])));
    const slices = Array.from({ length: SLICES }, () =>
      randomSlice(bench, load, DIRTY_LEAVES / SLICES),
    );
    const sliced = await block(slices);
    times.lastSlice.push(sum(sliced.slice(-2)));
    times.inSlices.push(sum(sliced));
  }
  return {
    atOnce: median(times.atOnce),
    lastSlice: median(times.lastSlice),
    inSlices: median(times.inSlices),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Measures on a state that is built for it and deleted afterwards. */
export async function benchRoots(options: RootsOptions = {}): Promise<RootsResult> {
  const { size = 1_000_000, runs = 15 } = options;
  const dataDir = await mkdtemp(join(tmpdir(), "pricelane-roots-"));
  const bench: Bench = { dataDir, size, runs, random: createRandom(SEED) };
  const rows: RootsRow[] = [];
  const add = (name: string, medianMs: number): void => void rows.push({ name, medianMs, runs });
  try {
    const first = await openDatabase(dataDir);
    const built = await timed(() => build(first, size));
    await first.close();
    const loads = { transfers: createTransfers(), "contract storage": createStorage() };
    for (const [name, load] of Object.entries(loads)) {
      add(`${name}, 1,000 dirty leaves, cold`, await cold(bench, load));
      const database = await openDatabase(dataDir);
      const hasher = createRootHasher(createTrieReader(database));
      const here = await warm(database, hasher, bench, load);
      add(`${name}, 1,000 dirty leaves, warm`, here.atOnce);
      add(`${name}, ${SLICES} slices of 50, warm, all`, here.inSlices);
      add(`${name}, ${SLICES} slices of 50, warm, last slice and seal`, here.lastSlice);
      const pool = await createWorkerPool(
        {
          size: 1,
          dataDir,
          rollup: ROLLUP,
          verifiers: 0,
          speculates: false,
          load: new ThreadLoad("bench"),
        },
        silentLogger,
        () => undefined,
      );
      const away = await warm(database, pool.roots, bench, load);
      add(`${name}, 1,000 dirty leaves, warm, in the worker`, away.atOnce);
      add(`${name}, ${SLICES} slices of 50, warm, worker, last slice and seal`, away.lastSlice);
      await pool.stop();
      await database.close();
    }
    return { buildSeconds: built.ms / MS_A_SECOND, rows };
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}
