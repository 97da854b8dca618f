/**
 * The batch in flight, on disk: written before it is signed and before each transaction is sent, so
 * that a killed batcher posts the very same bytes again.
 *
 * One small JSON file beside the data folder, replaced by rename and synced. Does not own what to
 * do with it (`batcher.ts`).
 */
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { type Hex, isHexOf } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import type { BatchHeader } from "./settlement.ts";

/**
 * Everything that makes an L1 transaction but its batch and its key: the same attempt gives the
 * same hash.
 */
export interface Attempt {
  readonly hash: Hex;
  readonly nonce: number;
  readonly gas: bigint;
  /** wei per gas */
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  readonly maxFeePerBlobGas: bigint;
}

export interface BatchRecord {
  readonly header: BatchHeader;
  readonly payload: Uint8Array;
  /** By the sequencer key, 65 bytes; `null` until it is signed. */
  readonly signature: Uint8Array | null;
  /** Transactions sent or about to be, oldest first, all with one nonce. */
  readonly attempts: readonly Attempt[];
  /** Mined transactions of this batch that reverted. */
  readonly reverts: number;
}

export interface BatchRecordFile {
  load(): Promise<BatchRecord | null>;
  /** Durable when it resolves. */
  save(record: BatchRecord): Promise<void>;
  remove(): Promise<void>;
}

const ATTEMPTS_MAX = 64;

const hash = z.custom<Hex>((value) => isHexOf(value, 32));
const integer = z.int().nonnegative();
const bigint = z
  .string()
  .regex(/^[0-9]+$/)
  .transform((text) => BigInt(text));
const bytes = z.base64().transform((text) => new Uint8Array(Buffer.from(text, "base64")));
const recordSchema = z.strictObject({
  version: z.literal(1),
  record: z.strictObject({
    header: z.strictObject({
      index: integer,
      previousBatchHash: hash,
      firstBlock: integer,
      lastBlock: integer,
      lastBlockHash: hash,
      stateRoot: hash,
      withdrawalRoot: hash,
      flashRoot: hash,
      laneStateHash: hash,
      firstOrigin: integer,
      lastOriginNumber: integer,
      lastOriginHash: hash,
      delayedCount: integer,
      delayedAcc: hash,
      term: integer,
      payloadHash: hash,
    }),
    payload: bytes,
    signature: bytes.nullable(),
    attempts: z
      .array(
        z.strictObject({
          hash,
          nonce: integer,
          gas: bigint,
          maxFeePerGas: bigint,
          maxPriorityFeePerGas: bigint,
          maxFeePerBlobGas: bigint,
        }),
      )
      .max(ATTEMPTS_MAX),
    reverts: integer,
  }),
});

/** Path of the record that belongs to a data folder. */
export function batchRecordPath(dataDir: string): string {
  return `${dataDir.replace(/\/+$/, "")}.batch.json`;
}

export function createBatchRecordFile(path: string): BatchRecordFile {
  const temporary = `${path}.new`;
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(path, "utf8");
      } catch (cause) {
        if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
        throw new NodeError("STORAGE_FAILED", { file: "batch record" }, cause);
      }
      try {
        return recordSchema.parse(JSON.parse(text)).record;
      } catch (cause) {
        throw new NodeError("STORAGE_CORRUPT", { file: "batch record" }, cause);
      }
    },
    async save(record) {
      const text = JSON.stringify({ version: 1, record }, (_key, value: unknown) =>
        value instanceof Uint8Array
          ? Buffer.from(value).toString("base64")
          : typeof value === "bigint"
            ? value.toString()
            : value,
      );
      try {
        await writeSynced(temporary, text);
        await rename(temporary, path);
        await syncFolder(dirname(path));
      } catch (cause) {
        throw new NodeError("STORAGE_FAILED", { file: "batch record" }, cause);
      }
    },
    async remove() {
      await rm(path, { force: true });
    },
  };
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
