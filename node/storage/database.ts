/**
 * The LevelDB behind the store: opening, closing, checksummed reads, synced atomic batches.
 *
 * Owns the mapping of LevelDB's errors to ours and the chain-format number. Does not own keys or
 * the meaning of records. Never repairs: `RepairDB` may return garbage (google/leveldb#251).
 *
 * One handle is shared by all threads of the process. LevelDB's cache belongs to the thread that
 * opened the folder first, so the store's owner opens first and closes last.
 */
import { access, mkdir, open as openFile, readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Level } from "level";
import { NodeError } from "../errors.ts";
import { inTurns, type Steps } from "../turns.ts";
import { createSealer, openRecord, sealRecord } from "./checksum.ts";
import { META } from "./keys.ts";
import { checkLogs } from "./write-ahead-log.ts";

/**
 * Raised by every change to keys, records or the meaning of the state; nothing is migrated before
 * 1.0.
 */
export const CHAIN_FORMAT = 7;

/** The chain's folder inside the data folder, which holds other things too. */
const CHAIN_FOLDER = "chain";
const CACHE_BYTES = 64 * 1024 * 1024;
/** Microseconds to put a record into a batch, and bytes that take one more, to check or to copy. */
const PUT_COST = 1;
const BYTES_A_COST = 2048;

/** Reads one version of the database. Errors: `STORAGE_CORRUPT`, `STORAGE_FAILED`. */
export interface RecordView {
  /** Payload of a record, or `null` where there is none. */
  get(key: Uint8Array): Uint8Array | null;
}

export interface Operation {
  readonly key: Uint8Array;
  /** `null` deletes. */
  readonly payload: Uint8Array | null;
}

export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

export interface Database extends RecordView {
  /** A view that stays as it is while the database changes; must be released. */
  snapshot(): RecordView & { release(): Promise<void> };
  /** Records in key order. */
  iterate(range: KeyRange): AsyncIterable<readonly [key: Uint8Array, payload: Uint8Array]>;
  /** Off-thread reads, in the order of `keys`. */
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | null)[]>;
  /** One atomic batch, on disk when this resolves. Errors: `STORAGE_FAILED`. */
  write(operations: readonly Operation[]): Promise<void>;
  close(): Promise<void>;
}

type LevelHandle = Level<Uint8Array, Uint8Array>;
type Snapshot = ReturnType<LevelHandle["snapshot"]>;
type Batch = ReturnType<LevelHandle["batch"]>;

/**
 * Folders that this thread has open for writing: LevelDB's own lock does not hold within a process.
 */
const ownedFolders = new Set<string>();

function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if (error.cause instanceof Error) return errorCode(error.cause);
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

/** The NodeError for whatever LevelDB or the file system threw. */
function storageError(error: unknown, folder: string): NodeError {
  if (error instanceof NodeError) return error;
  const code = errorCode(error);
  if (code === "LEVEL_LOCKED") return new NodeError("STORAGE_LOCKED", { folder }, error);
  if (code === "LEVEL_CORRUPTION")
    return new NodeError("STORAGE_CORRUPT", { folder, reason: "LevelDB" }, error);
  return new NodeError("STORAGE_FAILED", { folder, reason: code === "" ? "LevelDB" : code }, error);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * LevelDB creates a new database over one that has lost its CURRENT, deleting the rest. So what
 * CURRENT names must be there whenever data files are. Returns whether there is a database at all.
 */
async function checkFiles(folder: string): Promise<boolean> {
  const names = await readdir(folder);
  if (!names.includes("CURRENT")) {
    if (names.some((name) => /\.(ldb|sst|log)$/.test(name)))
      throw new NodeError("STORAGE_CORRUPT", { folder, file: "CURRENT", reason: "missing" });
    return false;
  }
  const manifest = (await readFile(join(folder, "CURRENT"), "utf8")).trim();
  if (!/^MANIFEST-\d+$/.test(manifest))
    throw new NodeError("STORAGE_CORRUPT", { folder, file: "CURRENT", reason: "content" });
  if (!(await exists(join(folder, manifest))))
    throw new NodeError("STORAGE_CORRUPT", { folder, file: manifest, reason: "missing" });
  return true;
}

async function openLevel(folder: string, createIfMissing: boolean): Promise<LevelHandle> {
  const level: LevelHandle = new Level<Uint8Array, Uint8Array>(folder, {
    keyEncoding: "view",
    valueEncoding: "view",
    createIfMissing,
    multithreading: true,
    cacheSize: CACHE_BYTES,
  });
  await level.open();
  return level;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await openFile(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function encodeFormat(): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, CHAIN_FORMAT);
  return payload;
}

/** Checks the format number, or writes it into a database without any record. */
async function claimFormat(level: LevelHandle, folder: string): Promise<void> {
  const value = level.getSync(META.format);
  if (value === undefined) {
    const [anyKey] = await level.keys({ limit: 1 }).all();
    if (anyKey !== undefined)
      throw new NodeError("STORAGE_CORRUPT", { folder, reason: "no chain-format number" });
    await level.put(META.format, sealRecord(META.format, encodeFormat()), { sync: true });
    return;
  }
  checkFormat(value, folder);
}

function checkFormat(value: Uint8Array, folder: string): void {
  const payload = openRecord(META.format, value);
  if (payload.length !== 4)
    throw new NodeError("STORAGE_CORRUPT", { folder, reason: "chain-format number" });
  const found = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  if (found !== CHAIN_FORMAT)
    throw new NodeError("STORAGE_FORMAT", { folder, found, expected: CHAIN_FORMAT });
}

/**
 * LevelDB 1.20 does not sync the MANIFEST when it creates a database (google/leveldb#189); opening
 * it again writes and syncs one. So a new database is created, synced and closed before first use.
 */
async function createFolder(folder: string): Promise<void> {
  const level = await openLevel(folder, true);
  try {
    await claimFormat(level, folder);
  } finally {
    await level.close();
  }
  await syncFolder(folder);
  await syncFolder(dirname(folder));
}

/**
 * Opens a database inside `parent` for its owner; creates it where there is none.
 *
 * Errors: `STORAGE_LOCKED`, `STORAGE_CORRUPT`, `STORAGE_FORMAT`, `STORAGE_FAILED`, with cause.
 */
export async function openDatabase(parent: string, name = CHAIN_FOLDER): Promise<Database> {
  const folder = resolve(parent, name);
  if (ownedFolders.has(folder)) throw new NodeError("STORAGE_LOCKED", { folder });
  ownedFolders.add(folder);
  try {
    await mkdir(folder, { recursive: true });
    if (!(await checkFiles(folder))) await createFolder(folder);
    else await checkLogs(folder);
    const level = await openLevel(folder, false);
    try {
      await claimFormat(level, folder);
    } catch (error) {
      await level.close();
      throw error;
    }
    return createDatabase(level, folder, () => ownedFolders.delete(folder));
  } catch (error) {
    ownedFolders.delete(folder);
    throw storageError(error, folder);
  }
}

/**
 * Opens another handle on a chain's database that a thread of this process already owns, for
 * reading. Errors: as `openDatabase`.
 */
export async function openSharedDatabase(dataDir: string): Promise<Omit<Database, "write">> {
  const folder = resolve(dataDir, CHAIN_FOLDER);
  try {
    const level = await openLevel(folder, false);
    try {
      const format = level.getSync(META.format);
      if (format === undefined)
        throw new NodeError("STORAGE_CORRUPT", { folder, reason: "no chain-format number" });
      checkFormat(format, folder);
    } catch (error) {
      await level.close();
      throw error;
    }
    return createDatabase(level, folder, () => undefined);
  } catch (error) {
    throw storageError(error, folder);
  }
}

/** A record that is large is sealed in one step and copied into the batch in the next. */
function* putAll(batch: Batch, operations: readonly Operation[]): Steps<void> {
  const seal = createSealer();
  for (const { key, payload } of operations) {
    if (payload === null) {
      batch.del(key);
      yield PUT_COST;
      continue;
    }
    const cost = payload.length / BYTES_A_COST;
    const record = seal(key, payload);
    yield cost;
    batch.put(record.key, record.value);
    yield PUT_COST + cost;
  }
}

function createDatabase(level: LevelHandle, folder: string, onClose: () => void): Database {
  const read = (key: Uint8Array, snapshot?: Snapshot): Uint8Array | null => {
    let value: Uint8Array | undefined;
    try {
      value = snapshot === undefined ? level.getSync(key) : level.getSync(key, { snapshot });
    } catch (error) {
      throw storageError(error, folder);
    }
    return value === undefined ? null : openRecord(key, value);
  };
  return {
    get: (key) => read(key),

    snapshot() {
      const snapshot = level.snapshot();
      return {
        get: (key) => read(key, snapshot),
        release: () => snapshot.close(),
      };
    },

    async *iterate(range) {
      try {
        for await (const [key, value] of level.iterator(range))
          yield [new Uint8Array(key), openRecord(key, value)] as const;
      } catch (error) {
        throw storageError(error, folder);
      }
    },

    async getMany(keys) {
      try {
        // The package's types leave out that a key may be absent.
        const values: readonly (Uint8Array | undefined)[] = await level.getMany([...keys]);
        return values.map((value, i) =>
          value === undefined ? null : openRecord(keys[i] as Uint8Array, value),
        );
      } catch (error) {
        throw storageError(error, folder);
      }
    },

    async write(operations) {
      try {
        const batch = level.batch();
        await inTurns(putAll(batch, operations));
        await batch.write({ sync: true });
      } catch (error) {
        throw new NodeError("STORAGE_FAILED", { folder, reason: errorCode(error) }, error);
      }
    },

    async close() {
      await level.close();
      onClose();
    },
  };
}
