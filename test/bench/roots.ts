/**
 * State roots on a state of a million accounts and a contract of a million slots, in LevelDB as a
 * node has it: what 1,000 dirty leaves cost, with nothing in memory and with what earlier blocks
 * left there, and what is left of it for the seal when the block came in slices.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bigintToBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import type {
  AccountWrite,
  RootHasher,
  SealedRoots,
  StateSlice,
} from "../../node/execution/engine.ts";
import { createRootHasher } from "../../node/execution/embedded/root-hasher.ts";
import { EMPTY_ACCOUNT } from "../../node/execution/embedded/state.ts";
import { silentLogger } from "../../node/log.ts";
import { keccak256 } from "../../node/primitives/hash.ts";
import { type Database, openDatabase } from "../../node/storage/database.ts";
import { trieKey } from "../../node/storage/keys.ts";
import { createTrieReader } from "../../node/storage/state-reads.ts";
import { ROLLUP } from "./rollup.ts";
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
/** Blocks before the warm ones: so many that the upper nodes are in memory. */
const WARM_UP_BLOCKS = 20;
const BUILD_SLICE = 20_000;
const MS_A_SECOND = 1000;
const SEED = 7;
/** The contract's address lies outside those of the accounts. */
const CONTRACT: Hex = `0x${"c0".repeat(20)}`;

const addressOf = (index: number): Hex => toHex(bigintToBytes(BigInt(index + 1), 20));
const slotOf = (index: number): Hex => toHex(bigintToBytes(BigInt(index), 32));

function accountWrite(index: number, balance: bigint): AccountWrite {
  const after = { ...EMPTY_ACCOUNT, nonce: 1n, balance };
  return { address: addressOf(index), after, storageCleared: false, slots: [] };
}

function contractWrite(slots: AccountWrite["slots"]): AccountWrite {
  const after = { ...EMPTY_ACCOUNT, nonce: 1n };
  return { address: CONTRACT, after, storageCleared: false, slots };
}

/** A slice that changes so many leaves somewhere in the state. */
type MakeSlice = (random: Random, leaves: number) => StateSlice;

const distinct = (random: Random, count: number, limit: number): number[] => {
  const found = new Set<number>();
  while (found.size < count) found.add(random.below(limit));
  return [...found];
};

const makeTransfers =
  (size: number): MakeSlice =>
  (random, leaves) =>
    distinct(random, leaves, size).map((index) =>
      accountWrite(index, 10n ** 18n + BigInt(random.below(1e9))),
    );

const makeStorage =
  (size: number): MakeSlice =>
  (random, leaves) => {
    const slots = distinct(random, leaves, size).map((index) => ({
      slot: slotOf(index),
      value: 10n ** 20n + BigInt(random.below(1e9)),
    }));
    return [contractWrite(slots)];
  };

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
  const put = async (slice: StateSlice): Promise<void> => {
    await hasher.extend(slice);
    await commit(database, hasher, await hasher.seal([]));
  };
  const accounts = byHash(size, (index) => bigintToBytes(BigInt(index + 1), 20));
  for (let at = 0; at < size; at += BUILD_SLICE)
    await put(accounts.slice(at, at + BUILD_SLICE).map((i) => accountWrite(i, 10n ** 18n)));
  const slots = byHash(size, (index) => bigintToBytes(BigInt(index), 32));
  for (let at = 0; at < size; at += BUILD_SLICE)
    await put([
      contractWrite(
        slots.slice(at, at + BUILD_SLICE).map((i) => ({ slot: slotOf(i), value: 10n ** 20n })),
      ),
    ]);
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
async function cold({ dataDir, runs, random }: Bench, make: MakeSlice): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const database = await openDatabase(dataDir);
    const hasher = createRootHasher(createTrieReader(database));
    const slice = make(random, DIRTY_LEAVES);
    const { ms } = await timed(async () => {
      await hasher.extend(slice);
      await hasher.seal([]);
    });
    times.push(ms);
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
  { runs, random }: Bench,
  make: MakeSlice,
): Promise<WarmTimes> {
  const times = { atOnce: [] as number[], lastSlice: [] as number[], inSlices: [] as number[] };
  const block = async (slices: readonly StateSlice[]): Promise<number[]> => {
    const parts: number[] = [];
    for (const slice of slices) parts.push((await timed(() => hasher.extend(slice))).ms);
    const sealed = await timed(() => hasher.seal([]));
    await commit(database, hasher, sealed.value);
    return [...parts, sealed.ms];
  };
  for (let i = 0; i < WARM_UP_BLOCKS; i++) await block([make(random, DIRTY_LEAVES)]);
  for (let i = 0; i < runs; i++) {
    const whole = await block([make(random, DIRTY_LEAVES)]);
    times.atOnce.push(sum(whole));
    const parts = Array.from({ length: SLICES }, () => make(random, DIRTY_LEAVES / SLICES));
    const sliced = await block(parts);
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
    const loads = { transfers: makeTransfers(size), "contract storage": makeStorage(size) };
    for (const [load, make] of Object.entries(loads)) {
      add(`${load}, 1,000 dirty leaves, cold`, await cold(bench, make));
      const database = await openDatabase(dataDir);
      const hasher = createRootHasher(createTrieReader(database));
      const here = await warm(database, hasher, bench, make);
      add(`${load}, 1,000 dirty leaves, warm`, here.atOnce);
      add(`${load}, ${SLICES} slices of 50, warm, all`, here.inSlices);
      add(`${load}, ${SLICES} slices of 50, warm, last slice and seal`, here.lastSlice);
      const pool = await createWorkerPool(
        { size: 1, dataDir, rollup: ROLLUP, verifiers: 0 },
        silentLogger,
        () => undefined,
      );
      const away = await warm(database, pool.roots, bench, make);
      add(`${load}, 1,000 dirty leaves, warm, in the worker`, away.atOnce);
      add(`${load}, ${SLICES} slices of 50, warm, worker, last slice and seal`, away.lastSlice);
      await pool.stop();
      await database.close();
    }
    return { buildSeconds: built.ms / MS_A_SECOND, rows };
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}
