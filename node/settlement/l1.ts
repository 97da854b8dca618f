/**
 * The L1 endpoints: JSON-RPC and the beacon API, as the few questions settlement asks.
 *
 * Owns: timeouts, size bounds, the shape of the answers. Does not own: which of the blocks asked
 * for are canonical (`l1-heads.ts`), or what a batch means (`derivation.ts`).
 * Errors: `L1_UNREACHABLE` with the name of the call, never its URL; `L1_WRONG_CHAIN`.
 */
import {
  BlockNotFoundError,
  createPublicClient,
  decodeErrorResult,
  http,
  numberToHex,
  type PublicClient,
  type RpcLog,
  type RpcTransactionReceipt,
  TransactionNotFoundError,
} from "viem";
import { z } from "zod";
import { fromHex, type Hex, isHexOf, ZERO_HASH } from "../../lanes/bytes.ts";
import { blobBaseFee } from "../chain/attributes.ts";
import { NodeError } from "../errors.ts";
import type { BlockRef } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import type { RollupConfig } from "../rollup-config.ts";
import { BLOB_BYTES } from "./blob.ts";
import { BATCH_POSTED_TOPIC, SETTLEMENT_ABI } from "./settlement-contract.ts";

const REQUEST_TIMEOUT_MS = 10_000;
const REQUEST_RETRIES = 1;
/** More blobs than any L1 fork allows in a block: bounds what the beacon endpoint may send. */
const BEACON_BLOBS_MAX = 128;
const BEACON_RESPONSE_BYTES_MAX = BEACON_BLOBS_MAX * (2 * BLOB_BYTES + 64);

export interface L1Log {
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly block: BlockRef;
  readonly transactionHash: Hex;
}

export interface L1Receipt {
  readonly transactionHash: Hex;
  readonly block: BlockRef;
  readonly succeeded: boolean;
}

export interface L1Fees {
  /** wei per gas */
  readonly baseFee: bigint;
  readonly priorityFee: bigint;
  readonly blobBaseFee: bigint;
}

/** A call as L1 would execute it: to simulate a post. */
export interface L1Call {
  readonly from: Hex;
  readonly to: Hex;
  readonly data: Hex;
  readonly blobHashes: readonly Hex[];
}

export interface L1Client {
  /**
   * Throws `L1_WRONG_CHAIN` where the endpoint serves another chain than the rollup config names.
   */
  checkChain(): Promise<void>;
  /** `null` where L1 has no such block. */
  block(which: number | "latest" | "finalized"): Promise<L1Origin | null>;
  /** `BatchPosted` logs of the Settlement contract, in chain order, both ends included. */
  batchLogs(from: number, to: number): Promise<readonly L1Log[]>;
  /** Calldata of a transaction; `null` where L1 does not know it. */
  calldata(transactionHash: Hex): Promise<Uint8Array | null>;
  /**
   * All blobs of the L1 block, unverified: endpoints disagree on how a list of hashes is asked for.
   */
  blobs(block: L1Origin): Promise<readonly Uint8Array[]>;
  /** `nextIndex` of the contract. */
  nextBatchIndex(): Promise<number>;
  /** Struct hash of a posted batch; the zero hash where there is none. */
  batchHash(index: number): Promise<Hex>;
  /** Nonce after the account's mined transactions. */
  nonce(address: Hex): Promise<number>;
  fees(): Promise<L1Fees>;
  /** Gas of the call, or the name of the error it reverts with. */
  estimate(call: L1Call): Promise<{ readonly gas: bigint } | { readonly revert: string }>;
  /** Sends a signed transaction; resolves whether the endpoint took it. */
  send(raw: Hex): Promise<{ readonly accepted: boolean; readonly reason: string }>;
  /** `null` while it is not mined. The hash in the answer is checked against the question. */
  receipt(transactionHash: Hex): Promise<L1Receipt | null>;
}

export interface L1Options {
  readonly rpcUrl: string;
  readonly beaconUrl: string;
  readonly rollup: Pick<RollupConfig, "l1ChainId" | "settlement" | "l1BlobSchedule">;
}

const beaconBlobs = z.object({ data: z.array(z.string()).max(BEACON_BLOBS_MAX) });

export function createL1Client(options: L1Options): L1Client {
  const transport = http(options.rpcUrl, {
    timeout: REQUEST_TIMEOUT_MS,
    retryCount: REQUEST_RETRIES,
  });
  const client = createPublicClient({ transport, cacheTime: 0 });
  const blocks = blockReads(client, options);
  return {
    ...blocks,
    ...contractReads(client, options.rollup.settlement),
    ...transactionCalls(client, blocks.block),
  };
}

function blockReads(
  client: PublicClient,
  { beaconUrl, rollup }: L1Options,
): Pick<L1Client, "checkChain" | "block" | "blobs" | "calldata"> {
  const block: L1Client["block"] = (which) =>
    asking("block", () =>
      orNull(BlockNotFoundError, async () => {
        const at = typeof which === "number" ? { blockNumber: BigInt(which) } : { blockTag: which };
        const found = await client.getBlock(at);
        const timestamp = Number(found.timestamp);
        // Before Cancun a block has no such field; zero gives the least price, 1 wei.
        const excessBlobGas = (found.excessBlobGas as bigint | undefined) ?? 0n;
        return {
          number: Number(found.number),
          hash: found.hash,
          parentHash: found.parentHash,
          timestamp,
          baseFee: found.baseFeePerGas ?? 0n,
          blobBaseFee: blobBaseFee(excessBlobGas, updateFraction(rollup, timestamp)),
          prevRandao: found.mixHash,
          parentBeaconBlockRoot: found.parentBeaconBlockRoot ?? ZERO_HASH,
        };
      }),
    );
  return {
    block,
    async checkChain() {
      const found = await asking("chain id", () => client.getChainId());
      if (found !== rollup.l1ChainId)
        throw new NodeError("L1_WRONG_CHAIN", { expected: rollup.l1ChainId, found });
    },
    calldata: (hash) =>
      asking("transaction", () =>
        orNull(TransactionNotFoundError, async () =>
          fromHex((await client.getTransaction({ hash })).input),
        ),
      ),
    blobs: (l1Block) =>
      asking("blobs", async () => {
        const id = await beaconBlockId(block, l1Block);
        return id === null ? [] : fetchBlobs(beaconUrl, id);
      }),
  };
}

function contractReads(
  client: PublicClient,
  address: Hex,
): Pick<L1Client, "batchLogs" | "nextBatchIndex" | "batchHash"> {
  const contract = { address, abi: SETTLEMENT_ABI };
  return {
    batchLogs: (from, to) =>
      asking("logs", async () => {
        const filter = {
          address,
          topics: [BATCH_POSTED_TOPIC],
          fromBlock: numberToHex(from),
          toBlock: numberToHex(to),
        };
        const logs = await client.request({ method: "eth_getLogs", params: [filter] });
        return logs.map(toLog).sort((a, b) => a.block.number - b.block.number || a.at - b.at);
      }),
    nextBatchIndex: () =>
      asking("nextIndex", async () =>
        Number(await client.readContract({ ...contract, functionName: "nextIndex" })),
      ),
    batchHash: (index) =>
      asking("batchHashes", () =>
        client.readContract({ ...contract, functionName: "batchHashes", args: [BigInt(index)] }),
      ),
  };
}

function transactionCalls(
  client: PublicClient,
  block: L1Client["block"],
): Pick<L1Client, "nonce" | "fees" | "estimate" | "send" | "receipt"> {
  return {
    nonce: (address) =>
      asking("nonce", () => client.getTransactionCount({ address, blockTag: "latest" })),
    fees: () =>
      asking("fees", async () => {
        const [latest, priorityFee] = await Promise.all([
          block("latest"),
          client.estimateMaxPriorityFeePerGas(),
        ]);
        if (latest === null) throw new Error("no latest block");
        return { baseFee: latest.baseFee, priorityFee, blobBaseFee: latest.blobBaseFee };
      }),
    estimate: (call) => estimate(client, call),
    send: async (raw) => {
      try {
        await client.request({ method: "eth_sendRawTransaction", params: [raw] });
        return { accepted: true, reason: "" };
      } catch (cause) {
        return { accepted: false, reason: refusalOf(cause) ?? throwUnreachable("send", cause) };
      }
    },
    receipt: (hash) =>
      asking("receipt", async () => {
        const found = await client.request({
          method: "eth_getTransactionReceipt",
          params: [hash],
        });
        return found === null ? null : toReceipt(found, hash);
      }),
  };
}

async function asking<T>(call: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    if (cause instanceof NodeError) throw cause;
    return throwUnreachable(call, cause);
  }
}

function throwUnreachable(call: string, cause: unknown): never {
  throw new NodeError("L1_UNREACHABLE", { call }, cause);
}

/** What `read` answers, or `null` where it throws this kind of error. */
async function orNull<T>(
  kind: new (...args: never[]) => Error,
  read: () => Promise<T>,
): Promise<T | null> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof kind) return null;
    throw cause;
  }
}

/** EIP-4844's update fraction in force at this time. */
function updateFraction(
  { l1BlobSchedule }: Pick<RollupConfig, "l1BlobSchedule">,
  timestamp: number,
): number {
  const active =
    l1BlobSchedule.findLast((entry) => entry.timestamp <= timestamp) ?? l1BlobSchedule[0];
  if (active === undefined) throw new NodeError("CONFIG_INVALID", { key: "l1BlobSchedule" });
  return active.baseFeeUpdateFraction;
}

function toLog(log: RpcLog): L1Log & { readonly at: number } {
  if (log.blockNumber === null || log.blockHash === null || log.transactionHash === null)
    throw new Error("a pending log");
  return {
    topics: log.topics,
    data: log.data,
    block: { number: Number(log.blockNumber), hash: log.blockHash },
    transactionHash: log.transactionHash,
    at: Number(log.logIndex),
  };
}

function toReceipt(found: RpcTransactionReceipt, asked: Hex): L1Receipt {
  // Seen in the wild: the receipt of another transaction.
  if (found.transactionHash !== asked)
    throw new NodeError("L1_UNREACHABLE", { call: "receipt", wrongTransaction: true });
  return {
    transactionHash: found.transactionHash,
    block: { number: Number(found.blockNumber), hash: found.blockHash },
    succeeded: found.status === "0x1",
  };
}

/**
 * What the endpoint refused with: a custom error's name, or the number of the JSON-RPC error, never
 * its text. `null` where it did not answer.
 */
function refusalOf(cause: unknown): string | null {
  let number: number | null = null;
  for (let error = cause; error instanceof Error; error = error.cause) {
    const name = "data" in error ? errorName(error.data) : null;
    if (name !== null) return name;
    if ("code" in error && typeof error.code === "number") number = error.code;
  }
  return number === null ? null : `JSON-RPC error ${number}`;
}

function errorName(data: unknown): string | null {
  if (typeof data !== "string" || !data.startsWith("0x")) return null;
  try {
    return decodeErrorResult({ abi: SETTLEMENT_ABI, data: data as Hex }).errorName;
  } catch {
    // Not one of the contract's errors: the number has to do.
    return null;
  }
}

async function estimate(
  client: PublicClient,
  call: L1Call,
): Promise<{ readonly gas: bigint } | { readonly revert: string }> {
  const blobs =
    call.blobHashes.length === 0
      ? {}
      : { type: "0x3" as const, blobVersionedHashes: [...call.blobHashes] };
  const transaction = { from: call.from, to: call.to, data: call.data, ...blobs };
  try {
    // Not on the pending block: there, an attempt in the pool has already taken the index.
    const params = [transaction, "latest"] as [typeof transaction, "latest"];
    const gas = await client.request({ method: "eth_estimateGas", params });
    return { gas: BigInt(gas) };
  } catch (cause) {
    return { revert: refusalOf(cause) ?? throwUnreachable("estimate", cause) };
  }
}

/**
 * How the beacon API knows a block: by the root that the next L1 block carries. A development L1
 * without a beacon chain carries zeros, and answers to block numbers. `null`: not known yet.
 */
async function beaconBlockId(block: L1Client["block"], l1Block: L1Origin): Promise<string | null> {
  if (l1Block.parentBeaconBlockRoot === ZERO_HASH) return String(l1Block.number);
  const child = await block(l1Block.number + 1);
  return child?.parentHash === l1Block.hash ? child.parentBeaconBlockRoot : null;
}

async function fetchBlobs(beaconUrl: string, id: string): Promise<Uint8Array[]> {
  const base = beaconUrl.endsWith("/") ? beaconUrl : `${beaconUrl}/`;
  const url = new URL(`eth/v1/beacon/blobs/${id}`, base);
  const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  const body = await boundedText(response);
  if (response.status === 404) return [];
  if (!response.ok) throw new Error(`beacon endpoint answers ${response.status}`);
  return beaconBlobs
    .parse(JSON.parse(body))
    .data.filter((blob) => isHexOf(blob, BLOB_BYTES))
    .map(fromHex);
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  if (response.body === null) return text;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > BEACON_RESPONSE_BYTES_MAX) throw new Error("beacon response is too large");
  }
  return text + decoder.decode();
}
