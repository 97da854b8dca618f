/**
 * L1 transactions that carry a batch: simulation, nonce, fees, signing, sending.
 *
 * Does not own when to post or to replace (`batcher.ts`). Invariants: nothing is prepared that L1
 * says would revert; an attempt's transaction can be made again, byte for byte, from the record.
 */
import { fromHex, type Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import { addressOf } from "../primitives/signature.ts";
import type { BlobSidecar, KzgService } from "../workers/kzg.ts";
import type { Attempt, BatchRecord } from "./batch-record.ts";
import { signBlobTransaction } from "./blob-transaction.ts";
import { payloadToBlobs } from "./blob.ts";
import type { L1Client, L1Fees } from "./l1.ts";
import { encodePostBatch } from "./settlement-contract.ts";

/** 1 gwei: below it, nobody has a reason to hurry. */
const PRIORITY_FEE_MIN = 1_000_000_000n;
const BLOB_FEE_MIN = 1_000_000_000n;
/** Percent of the estimate, for state that changes before the transaction is mined. */
const GAS_PERCENT = 125n;
const NO_CALLDATA_PAYLOAD = new Uint8Array(0);

export type SignedRecord = BatchRecord & { readonly signature: Uint8Array };

export interface PosterOptions {
  readonly l1ChainId: number;
  readonly settlement: Hex;
  /** Pays on L1. */
  readonly key: Hex;
}

export interface PosterDeps {
  readonly client: Pick<L1Client, "nonce" | "fees" | "estimate" | "send">;
  readonly kzg: Pick<KzgService, "blobToSidecar">;
}

export interface BatchPoster {
  /**
   * The next attempt: the first, or a replacement of the record's last with all three fees at least
   * doubled. Errors: `L1_TRANSACTION_FAILED` where L1 would revert it.
   */
  prepare(record: SignedRecord): Promise<Attempt>;
  /** Sends an attempt; resolves whether L1 took it. */
  send(
    record: SignedRecord,
    attempt: Attempt,
  ): Promise<{ readonly accepted: boolean; readonly reason: string }>;
  /** Nonce after the mined transactions of the paying account. */
  minedNonce(): Promise<number>;
}

export function createBatchPoster(options: PosterOptions, deps: PosterDeps): BatchPoster {
  const { client } = deps;
  const key = fromHex(options.key);
  const from = addressOf(key);
  /** Of the newest payload: proofs cost most of a second a blob. */
  let cache: { readonly payloadHash: Hex; readonly sidecars: readonly BlobSidecar[] } | null = null;

  const sidecarsOf = async ({ header, payload }: BatchRecord): Promise<readonly BlobSidecar[]> => {
    if (cache?.payloadHash !== header.payloadHash) {
      const blobs = payloadToBlobs(payload);
      const sidecars = await Promise.all(blobs.map((blob) => deps.kzg.blobToSidecar(blob)));
      cache = { payloadHash: header.payloadHash, sidecars };
    }
    return cache.sidecars;
  };

  const sign = async (record: SignedRecord, attempt: Omit<Attempt, "hash">) =>
    signBlobTransaction(
      {
        ...attempt,
        chainId: options.l1ChainId,
        to: options.settlement,
        data: calldata(record),
        blobs: payloadToBlobs(record.payload),
        sidecars: await sidecarsOf(record),
      },
      key,
    );

  return {
    async prepare(record) {
      const sidecars = await sidecarsOf(record);
      const blobHashes = sidecars.map(({ versionedHash }) => versionedHash);
      const call = { from, to: options.settlement, data: calldata(record), blobHashes };
      const simulated = await client.estimate(call);
      if ("revert" in simulated)
        throw new NodeError("L1_TRANSACTION_FAILED", {
          batch: record.header.index,
          simulated: simulated.revert,
        });
      const last = record.attempts.at(-1);
      const attempt = {
        nonce: last?.nonce ?? (await client.nonce(from)),
        gas: (simulated.gas * GAS_PERCENT) / 100n,
        ...feesOf(await client.fees(), last),
      };
      return { ...attempt, hash: (await sign(record, attempt)).hash };
    },
    async send(record, attempt) {
      return client.send((await sign(record, attempt)).raw);
    },
    minedNonce: () => client.nonce(from),
  };
}

function calldata({ header, signature }: SignedRecord): Hex {
  return encodePostBatch(header, signature, NO_CALLDATA_PAYLOAD);
}

/** Room for a doubling of both base fees; a replacement also doubles what was offered. */
function feesOf(
  market: L1Fees,
  last: Attempt | undefined,
): Pick<Attempt, "maxFeePerGas" | "maxPriorityFeePerGas" | "maxFeePerBlobGas"> {
  const priorityFee = maxOf(market.priorityFee, PRIORITY_FEE_MIN);
  const wanted = {
    maxPriorityFeePerGas: priorityFee,
    maxFeePerGas: 2n * market.baseFee + priorityFee,
    maxFeePerBlobGas: maxOf(2n * market.blobBaseFee, BLOB_FEE_MIN),
  };
  if (last === undefined) return wanted;
  return {
    maxPriorityFeePerGas: maxOf(wanted.maxPriorityFeePerGas, 2n * last.maxPriorityFeePerGas),
    maxFeePerGas: maxOf(wanted.maxFeePerGas, 2n * last.maxFeePerGas),
    maxFeePerBlobGas: maxOf(wanted.maxFeePerBlobGas, 2n * last.maxFeePerBlobGas),
  };
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
